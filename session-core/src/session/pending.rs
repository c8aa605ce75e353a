//! [`Pending`]: the changes of a request that are not being committed yet. Most requests have none, and then they take no room.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::changes::Changes;

/// [`Changes`], in a block of their own from the first one on: otherwise every request would allocate room for them, 1,144 bytes and not
/// 1,024 for one that does not ask for its session. A commit takes the block as it is.
#[derive(Default)]
pub(crate) struct Pending(Option<Arc<Changes>>);

/// What reads as the changes of a request that has none.
static NOTHING: Changes = Changes::NONE;

impl Pending {
    /// The changes, if there are any.
    pub(crate) fn get(&self) -> Option<&Changes> {
        self.0.as_deref()
    }

    pub(crate) fn into_shared(self) -> Arc<Changes> {
        self.0.unwrap_or_default()
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default()
    }
}

impl From<Changes> for Pending {
    fn from(changes: Changes) -> Self {
        Self(Some(Arc::new(changes)))
    }
}

impl Deref for Pending {
    type Target = Changes;

    fn deref(&self) -> &Changes {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Pending {
    fn deref_mut(&mut self) -> &mut Changes {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}
