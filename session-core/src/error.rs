//! The one public error: a kind to act on, what was attempted, and the cause. It never carries a session id, a token or
//! session data (P17).

use std::borrow::Cow;
use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation on a session, a store or a configuration failed.
///
/// Act on [`kind`](Self::kind); show the message to the operator. The message says what was attempted and what to do about it.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    attempted: Cow<'static, str>,
    source: Option<Source>,
}

/// What went wrong, in terms that a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached or refuses work for now. It says nothing about whether the session exists.
    Unavailable,
    /// Stored bytes are damaged.
    Corrupt,
    /// Stored bytes or a data folder were written by a newer release.
    UnsupportedFormat,
    /// The place that was named holds something that is not ours; nothing in it was touched.
    Foreign,
    /// Another process holds the data folder.
    Locked,
    /// A file or folder may not be read or written, or others may read what must be secret.
    Permission,
    /// A size limit was exceeded.
    TooLarge,
    /// A name, owner, label, handle or setting is not acceptable.
    Invalid,
    /// A value could not be encoded, or is not of the type it was read as.
    Value,
    /// A value was stored under another version of its key.
    ValueVersion,
    /// Other writers were faster for too many attempts.
    Conflict,
    /// The session ended while it was in use: destroyed, revoked, renewed elsewhere or expired.
    Gone,
    /// The owner's sessions were revoked while this login was under way.
    Revoked,
    /// The owner has as many sessions as [`owner_limit`](crate::SessionConfigBuilder::owner_limit) allows.
    TooManySessions,
    /// What was asked for needs a more recent login.
    StaleLogin,
    /// The response head was already sent, so a new token could not reach the browser.
    ResponseSent,
    /// The store has no owner index.
    Unsupported,
    /// The middleware is not installed on this route.
    NotInstalled,
    /// A request carries no token that proves it to come from a page of this session.
    Csrf,
    /// A form has another content type than the one that can be read.
    ContentType,
}

impl Error {
    /// An error of this kind; `attempted` says in lower case what was attempted and what to do about it.
    pub fn new(kind: ErrorKind, attempted: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            attempted: attempted.into(),
            source: None,
        }))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong, in terms to act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status code that an adapter answers with unless the application decides otherwise.
    ///
    /// A store that is down is 503, never "no session" (P13). A session that ended under a request is 409, so that a client may
    /// try again. So is a login beyond the limit of sessions: the user can resolve it, by ending another one, and try again
    /// (RFC 9110 §15.5.10; 429 is about the rate of requests, RFC 6585 §4). A login that a revocation overtook is 401, and so is
    /// one that is too long ago for what was asked (as in RFC 9470 §3). A request that may be forged is 403, a form of a foreign
    /// content type 415. Everything else is a fault of ours or of the application: 500.
    pub fn status_code(&self) -> u16 {
        match self.kind() {
            ErrorKind::Unavailable | ErrorKind::Conflict => 503,
            ErrorKind::Gone | ErrorKind::TooManySessions => 409,
            ErrorKind::Revoked | ErrorKind::StaleLogin => 401,
            ErrorKind::Csrf => 403,
            ErrorKind::ContentType => 415,
            _ => 500,
        }
    }
}

impl Error {
    /// Writes this error, with its causes, to the log before it becomes a response: at ERROR if the fault is ours or the store's, at
    /// DEBUG if it is the visitor's own doing, such as a session that ended meanwhile or a forged request.
    pub fn log(&self) {
        let error = crate::event::Chain(self);
        if self.status_code() >= 500 {
            tracing::error!(%error, "session error");
        } else {
            tracing::debug!(%error, "session refused a request");
        }
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempted)
    }
}

impl std::error::Error for Inner {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("attempted", &self.0.attempted)
            .field("source", &self.0.source)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_what_was_attempted_and_keeps_its_cause() {
        let error = Error::new(ErrorKind::Unavailable, "reading a session from the store")
            .with_source(std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "reading a session from the store");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("disk on fire"));
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
