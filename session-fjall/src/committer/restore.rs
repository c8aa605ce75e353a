//! Storing a session out of an export: as a login does, but never a second record of a session that is there.

use session_core::{Epoch, Record, StoreKey, Timestamp};

use super::write::{Admitted, Outcome, Writer};
use crate::failure;
use crate::layout;

/// What became of a session that was to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Stored,
    /// Something is stored under its key.
    Present,
    /// It is stored under another key.
    Superseded,
    /// Its owner was revoked since the import began.
    Revoked,
}

impl Writer<'_> {
    pub(crate) fn restore(
        &mut self,
        key: StoreKey,
        record: &Record,
        began: Epoch,
        now: Timestamp,
    ) -> Outcome<Restored> {
        if let Admitted::Revoked = self.admit(record, began.into(), now)? {
            return Ok(Restored::Revoked);
        }
        if self.contains(key)? {
            return Ok(Restored::Present);
        }
        if self.is_listed(record)? {
            return Ok(Restored::Superseded);
        }
        // Not held by the cache: who comes back first, nobody knows.
        let mut change = self.change();
        self.put(&mut change, key, record);
        self.commit(change, Restored::Stored)
    }

    /// Whether the record's place in its owner's list leads to a session. To take such a place is to hide that session from every
    /// revocation.
    fn is_listed(&self, record: &Record) -> Outcome<bool> {
        let Some(place) = layout::owner_key(record) else {
            return Ok(false);
        };
        let leads_to = self.tables.owners.get(place);
        let leads_to = leads_to.map_err(|error| failure::reading(self.path, error))?;
        match leads_to.and_then(|key| layout::store_key(&key)) {
            Some(key) => Ok(self.contains(key)?),
            None => Ok(false),
        }
    }
}
