//! [`SessionError`]: a session error as an actix response. Which status an error has is decided in `session-core`.

use std::fmt;
use std::ops::Deref;
use std::sync::Once;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use session_core::Error;

/// An [`Error`] that a handler may return with `?`.
///
/// The response has the status of [`Error::status_code`], 503 if the store is down, and says nothing else; the error itself goes
/// to the log.
///
/// ```
/// use adapter_actix::{Session, SessionError};
///
/// async fn count(session: Session) -> Result<String, SessionError> {
///     let visits = session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
///     Ok(format!("visit {visits}"))
/// }
/// ```
#[derive(Debug)]
pub struct SessionError {
    error: Error,
    /// An error that a middleware returns is asked for its response more than once.
    logged: Once,
}

impl SessionError {
    /// The error itself.
    pub fn into_inner(self) -> Error {
        self.error
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self {
            error,
            logged: Once::new(),
        }
    }
}

impl Deref for SessionError {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.logged.call_once(|| self.error.log());
        let status = self.status_code();
        HttpResponse::build(status)
            .content_type("text/plain; charset=utf-8")
            .body(status.canonical_reason().unwrap_or("error"))
    }
}
