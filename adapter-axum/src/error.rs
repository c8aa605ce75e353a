//! [`SessionError`]: a session error as an axum response. Which status an error has is decided in `session-core`.

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
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SessionError(#[from] Error);

impl SessionError {
    /// The error itself.
    pub fn into_inner(self) -> Error {
        self.0
    }
}

impl Deref for SessionError {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.0
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
