//! What happens to sessions, for those who watch: every [`Event`] goes to the application's [`Observer`]s and to `tracing`. Nothing
//! in an event opens a session (P17); who is signed in reaches observers, not logs.

use crate::error::Error;
use crate::id::{Handle, Owner};
use crate::registry::SessionStats;

/// Something that happened to a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session was stored for the first time.
    Created {
        /// Its public name.
        handle: Handle,
    },
    /// Somebody signed in.
    SignedIn {
        /// The session's public name.
        handle: Handle,
        /// Who.
        owner: &'a Owner,
    },
    /// A session moved to a new id.
    Renewed {
        /// Its public name, which stays.
        handle: Handle,
    },
    /// A session was ended by its own request.
    Destroyed {
        /// Its public name.
        handle: Handle,
    },
    /// A session was ended to make room for a newer one of its owner.
    Displaced {
        /// Its public name.
        handle: Handle,
        /// Whose.
        owner: &'a Owner,
    },
    /// Sessions of an owner were ended.
    Revoked {
        /// Whose.
        owner: &'a Owner,
        /// How many.
        sessions: u64,
    },
    /// Every session was ended.
    Cleared {
        /// How many records were removed, expired ones included.
        sessions: u64,
    },
    /// The cleaner removed sessions that had expired.
    Expired {
        /// How many.
        sessions: u64,
    },
    /// Everything that is stored was counted, by [`Sessions::stats`](crate::Sessions::stats).
    Counted {
        /// What was found.
        stats: &'a SessionStats,
    },
    /// A cookie of our name held no token that we signed.
    TokenRejected,
    /// The cleaner failed; it tries again later.
    CleanerFailed {
        /// Why.
        error: &'a Error,
    },
}

/// Is told of every [`Event`].
///
/// It is called on the request's own thread, or the cleaner's: keep it short, and never block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: Event<'_>);
}

impl<F: Fn(Event<'_>) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: Event<'_>) {
        self(event);
    }
}

pub(crate) fn log(event: Event<'_>) {
    match event {
        Event::Created { handle } => tracing::debug!(%handle, "session created"),
        Event::SignedIn { handle, .. } => tracing::info!(%handle, "session signed in"),
        Event::Renewed { handle } => tracing::debug!(%handle, "session renewed"),
        Event::Destroyed { handle } => tracing::info!(%handle, "session destroyed"),
        Event::Displaced { handle, .. } => tracing::info!(%handle, "session ended to make room for a newer one"),
        Event::Revoked { sessions, .. } => tracing::info!(sessions, "sessions revoked"),
        Event::Cleared { sessions } => tracing::info!(sessions, "all sessions ended"),
        Event::Expired { sessions } => tracing::debug!(sessions, "expired sessions removed"),
        Event::Counted { stats } => tracing::debug!(live = stats.sessions, unswept = stats.expired, "sessions counted"),
        // A flood of forged tokens must not become a flood of log lines at the usual level.
        Event::TokenRejected => tracing::debug!("session token rejected"),
        Event::CleanerFailed { error } => tracing::warn!(error = %Chain(error), "removing expired sessions failed"),
    }
}

/// Shows an error with all its causes, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
