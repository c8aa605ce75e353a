//! [`SessionError`]: a session error as an axum response. Which status an error has is decided in `session-core`.

use std::fmt;
use std::ops::Deref;

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use session_core::Error;

/// An [`Error`] that a handler may return with `?`.
///
/// The response has the status of [`Error::status_code`], 503 if the store is down, and says nothing else; the error itself goes
/// to the log.
///
/// ```
/// use adapter_axum::{Session, SessionError};
///
/// async fn count(session: Session) -> Result<String, SessionError> {
///     let visits = session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
///     Ok(format!("visit {visits}"))
/// }
/// ```
#[derive(Debug)]
pub struct SessionError(Error);

impl SessionError {
    /// The error itself.
    pub fn into_inner(self) -> Error {
        self.0
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Deref for SessionError {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.0
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        self.0.log();
        let status = status(&self.0);
        (status, status.canonical_reason().unwrap_or("error")).into_response()
    }
}

pub(crate) fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
