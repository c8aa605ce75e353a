//! [`Work`]: what one commit takes out of the session, and [`Committed`]: what it puts back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cookie::Standing;
use crate::error::{Error, Result};
use crate::id::{SessionId, StoreKey};
use crate::record::Record;
use crate::session::changes::Changes;
use crate::session::state::{Base, Live};

/// What a commit left behind.
pub(super) struct Committed {
    /// What the session stands on now; `None` leaves it as it was.
    pub(super) base: Option<Base>,
    /// What went wrong after the base had changed.
    pub(super) error: Option<Error>,
}

/// What a commit works on, taken out of the session so that no lock is held while the store works.
pub(super) struct Work {
    pub(super) base: Option<Snapshot>,
    pub(super) changes: Arc<Changes>,
    /// Ids that the session may be stored under already: the store was asked, by this commit or by an earlier one, and its answer
    /// was lost. Nobody else knows them, so what is stored there is ours.
    unanswered: Mutex<Vec<SessionId>>,
}

impl Work {
    pub(super) fn new(base: &Base, changes: Arc<Changes>, unanswered: Vec<SessionId>) -> Self {
        Self {
            base: Snapshot::of(base),
            changes,
            unanswered: Mutex::new(unanswered),
        }
    }

    /// What is still unanswered, for the next commit.
    pub(super) fn take_unanswered(&self) -> Vec<SessionId> {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn unanswered(&self) -> Vec<SessionId> {
        self.lock().clone()
    }

    /// The store is about to be asked to store the session under this id.
    pub(super) fn ask(&self, id: &SessionId) {
        self.lock().push(id.clone());
    }

    /// The store has said that the last one it was asked for is not stored.
    pub(super) fn denied(&self) {
        self.lock().pop();
    }

    /// Nothing under this lock panics.
    fn lock(&self) -> MutexGuard<'_, Vec<SessionId>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session as the commit found it.
pub(super) struct Snapshot {
    pub(super) id: SessionId,
    pub(super) key: StoreKey,
    pub(super) record: Record,
    pub(super) standing: Standing,
}

impl Snapshot {
    fn of(base: &Base) -> Option<Self> {
        let Live {
            id,
            key,
            record,
            standing,
        } = base.live()?;
        Some(Self {
            id: id.clone(),
            key: *key,
            record: record.clone(),
            standing: *standing,
        })
    }

    pub(super) fn with(&self, record: Record) -> Base {
        Base::Live(Live {
            id: self.id.clone(),
            key: self.key,
            record,
            standing: self.standing,
        })
    }
}

pub(super) fn done(base: Base) -> Result<Committed> {
    Ok(Committed {
        base: Some(base),
        error: None,
    })
}
