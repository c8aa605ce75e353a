//! [`SessionError`]: a session error as an answer of Rocket's. Which status an error has is decided in `session-core`.

use std::io::Cursor;
use std::ops::Deref;

use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use rocket::{Request, request};
use session_core::Error;

/// An [`Error`] that a handler may return with `?`.
///
/// The catcher for the status of [`Error::status_code`] answers, 503 if the store is down; the error itself goes to the log.
///
/// ```
/// use adapter_rocket::{Session, SessionError};
///
/// #[rocket::post("/count")]
/// fn count(session: Session) -> Result<String, SessionError> {
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

impl<'r> Responder<'r, 'static> for SessionError {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        self.0.log();
        Err(status(&self.0))
    }
}

/// A guard that fails: Rocket answers with the catcher for the status.
pub(crate) fn outcome<T>(error: Error) -> request::Outcome<T, SessionError> {
    error.log();
    request::Outcome::Error((status(&error), error.into()))
}

/// What takes the place of a response whose commit failed. By then no catcher runs any more.
pub(crate) fn response(error: &Error) -> Response<'static> {
    error.log();
    let status = status(error);
    let phrase = status.reason_lossy();
    Response::build()
        .status(status)
        .header(ContentType::Plain)
        .sized_body(phrase.len(), Cursor::new(phrase))
        .finalize()
}

fn status(error: &Error) -> Status {
    Status::new(error.status_code())
}
