//! Storing a session out of an export: as a login does, but never a second record of a session that is there.

use session_core::{Epoch, Record, StoreKey, Timestamp};

use super::write::{Admitted, Done, Writer};
use crate::failure::{self, Failure};
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
    ) -> Result<Done<Restored>, Failure> {
        if let Admitted::Revoked = self.admit(record, began.into(), now)? {
            return Done::nothing(Restored::Revoked);
        }
        if self.reader().contains(key)? {
            return Done::nothing(Restored::Present);
        }
        if self.is_listed(record)? {
            return Done::nothing(Restored::Superseded);
        }
        let mut batch = self.tables.batch();
        self.put(&mut batch, key, record);
        self.commit(batch, Restored::Stored)
    }

    /// Whether the record's place in its owner's list leads to a session. To take such a place is to hide that session from every
    /// revocation.
    fn is_listed(&self, record: &Record) -> Result<bool, Failure> {
        let Some(place) = layout::owner_key(record) else {
            return Ok(false);
        };
        let leads_to = self.tables.owners.get(place);
        let leads_to = leads_to.map_err(|error| failure::reading(self.path, error))?;
        match leads_to.and_then(|key| layout::store_key(&key)) {
            Some(key) => Ok(self.reader().contains(key)?),
            None => Ok(false),
        }
    }
}
