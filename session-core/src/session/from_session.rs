//! [`FromSession`]: what an extractor makes of a session, the same in every framework.

use super::Session;
use crate::error::Result;

/// What can be made of a session without waiting: [`Value`](super::Value), [`Flashes`](crate::Flashes),
/// [`CsrfToken`](crate::CsrfToken), or a type of yours.
///
/// Every adapter has an extractor `Extract<T>` for it.
///
/// ```
/// use session_core::{Error, FromSession, Session};
///
/// enum Theme {
///     Light,
///     Dark,
/// }
///
/// impl FromSession for Theme {
///     fn from_session(session: Session) -> Result<Self, Error> {
///         let dark = session.get("dark")?.unwrap_or(false);
///         Ok(if dark { Self::Dark } else { Self::Light })
///     }
/// }
/// ```
pub trait FromSession: Sized {
    /// Reads it from the session of a request.
    ///
    /// # Errors
    ///
    /// Whatever the session says; an adapter answers with [`Error::status_code`](crate::Error::status_code).
    fn from_session(session: Session) -> Result<Self>;
}
