//! [`Failure`]: why a handler cannot answer as asked. Each framework's binary turns it into a response of [`Failure::report`]'s status;
//! `pages::problem` says the same to people.

use std::fmt;

use session_core::Error;

/// Why a handler cannot answer as asked.
#[derive(Debug)]
pub enum Failure {
    /// A form named a product that is not sold here.
    NoSuchProduct,
    /// A page of another origin, or none, asked for a WebSocket.
    ForeignOrigin,
    /// The session could not be read or changed; 503 if its store is down.
    Session(Error),
}

impl Failure {
    /// Returns the status code to answer with. A fault of ours goes to the log, as the visitor is not told of it.
    pub fn report(&self) -> u16 {
        match self {
            Self::NoSuchProduct => 404,
            Self::ForeignOrigin => 403,
            Self::Session(error) => {
                tracing::error!(error = error as &dyn std::error::Error, "using a session failed");
                error.status_code()
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProduct => f.write_str("finding a product: the shop sells none of that name"),
            Self::ForeignOrigin => f.write_str("opening a socket: only pages of this shop may"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}
