//! [`Failure`]: why a handler cannot answer as asked. Each framework's binary turns it into a response of [`Failure::report`]'s status;
//! `pages::problem` says the same to people.

use std::{fmt, io};

use session_core::Error;

/// Why a handler cannot answer as asked.
#[derive(Debug)]
pub enum Failure {
    /// A form named a product that is not sold here.
    NoSuchProduct,
    /// A role was to be changed of somebody who never signed in.
    NoSuchMember,
    /// A stranger, or somebody whose sign-in is too long ago, is led to the sign-in. Where to go afterwards is in the session.
    SignIn,
    /// A customer asked for what is the clerks'.
    StaffOnly,
    /// A page of another origin, or none, asked for a WebSocket.
    ForeignOrigin,
    /// The list of members could not be written.
    Members(io::Error),
    /// The session could not be read or changed; 503 if its store is down.
    Session(Error),
}

impl Failure {
    /// Returns the status code to answer with. A fault of ours goes to the log, as the visitor is not told of it.
    pub fn report(&self) -> u16 {
        match self {
            Self::NoSuchProduct | Self::NoSuchMember => 404,
            Self::SignIn => 303,
            Self::StaffOnly | Self::ForeignOrigin => 403,
            Self::Members(error) => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "writing the list of members failed"
                );
                500
            }
            Self::Session(error) => {
                tracing::error!(error = error as &dyn std::error::Error, "using a session failed");
                error.status_code()
            }
        }
    }

    /// Where to send the visitor, if they can do something about it there.
    pub fn leads_to(&self) -> Option<&'static str> {
        matches!(self, Self::SignIn).then_some("/sign-in")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Members(error)
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
            Self::NoSuchMember => f.write_str("changing a role: nobody of that name has signed in"),
            Self::SignIn => f.write_str("using an account: sign in first"),
            Self::StaffOnly => f.write_str("using a page of the staff: only clerks may"),
            Self::Members(_) => f.write_str("writing the list of members: is there room on the disk?"),
            Self::ForeignOrigin => f.write_str("opening a socket: only pages of this shop may"),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Members(error) => Some(error),
            Self::Session(error) => error.source(),
            _ => None,
        }
    }
}
