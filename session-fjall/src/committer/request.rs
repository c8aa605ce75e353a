//! What the committer is asked to do, and how it answers. A caller that went away is not an error: what was done stays done.

use std::sync::Weak;

use session_core::{
    Admission, Created, Deleted, Owner, Record, Replaced, Result, Revision, Revoke, Rotated, Rotation, StoreKey,
    Timestamp, Touched,
};
use tokio::sync::oneshot;

use super::mend::Mend;
#[cfg(feature = "cli")]
use super::restore::Restored;
use super::sweep::{Cleared, Leftovers, Reaped};

/// A write, with where to send its answer.
#[derive(Debug)]
pub(crate) enum Request {
    Create {
        key: StoreKey,
        record: Record,
        admission: Admission,
        now: Timestamp,
        reply: Reply<Created>,
    },
    /// A session out of an export.
    #[cfg(feature = "cli")]
    Restore {
        key: StoreKey,
        record: Record,
        /// When the import began.
        began: session_core::Epoch,
        now: Timestamp,
        reply: Reply<Restored>,
    },
    Replace {
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
        reply: Reply<Replaced>,
    },
    Rotate {
        rotation: Rotation,
        reply: Reply<Rotated>,
    },
    Touch {
        key: StoreKey,
        seen_at: Timestamp,
        reply: Reply<Touched>,
    },
    Delete {
        key: StoreKey,
        reply: Reply<Deleted>,
    },
    Revoke {
        owner: Owner,
        which: Revoke,
        now: Timestamp,
        reply: Reply<u64>,
    },
    /// One chunk of a sweep.
    Reap {
        now: Timestamp,
        limit: usize,
        reply: Reply<Reaped>,
    },
    /// One chunk of a clearing.
    Clear {
        /// `None` in the first one.
        from: Option<StoreKey>,
        /// Dead when nobody waits for the clearing any more.
        caller: Weak<()>,
        reply: Reply<Cleared>,
    },
    /// The end of a clearing, a stretch of the owners' lists at a time.
    RemoveLeftovers {
        from: Leftovers,
        reply: Reply<Option<Leftovers>>,
    },
    /// What an examination found.
    Mend {
        what: Vec<Mend>,
        reply: Reply<u64>,
    },
    /// Everything that came before is done; let go of the folder.
    Close {
        reply: Reply<()>,
    },
    /// Behave as if the engine had reported a failed write.
    #[cfg(test)]
    Break {
        reply: Reply<()>,
    },
    /// Panic.
    #[cfg(test)]
    Panic {
        reply: Reply<()>,
    },
}

/// Where one answer goes. It takes no lock: the committer may be put to sleep by the system at any point, and whoever waits for the answer
/// is an async worker.
#[derive(Debug)]
pub(crate) struct Reply<T>(oneshot::Sender<Result<T>>);

impl<T> Reply<T> {
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<T>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    pub(crate) fn send(self, answer: Result<T>) {
        // Nobody listens any more if the caller was cancelled.
        let _ = self.0.send(answer);
    }
}

impl Request {
    /// Answers without having done anything.
    pub(crate) fn refuse(self, error: session_core::Error) {
        match self {
            Self::Create { reply, .. } => reply.send(Err(error)),
            #[cfg(feature = "cli")]
            Self::Restore { reply, .. } => reply.send(Err(error)),
            Self::Replace { reply, .. } => reply.send(Err(error)),
            Self::Rotate { reply, .. } => reply.send(Err(error)),
            Self::Touch { reply, .. } => reply.send(Err(error)),
            Self::Delete { reply, .. } => reply.send(Err(error)),
            Self::Revoke { reply, .. } => reply.send(Err(error)),
            Self::Reap { reply, .. } => reply.send(Err(error)),
            Self::Clear { reply, .. } => reply.send(Err(error)),
            Self::RemoveLeftovers { reply, .. } => reply.send(Err(error)),
            Self::Mend { reply, .. } => reply.send(Err(error)),
            Self::Close { reply } => reply.send(Err(error)),
            #[cfg(test)]
            Self::Break { reply } | Self::Panic { reply } => reply.send(Err(error)),
        }
    }
}
