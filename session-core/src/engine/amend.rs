//! Changes one value of a stored session from outside of its requests, for [`Sessions::update_all`](crate::Sessions::update_all).

use std::collections::BTreeMap;

use super::Engine;
use super::execute::{ATTEMPTS, lost, pause};
use crate::error::Result;
use crate::id::StoreKey;
use crate::record::{Record, StoredValue, Values};
use crate::session::Update;
use crate::store::Replaced;

/// What [`Engine::amend`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Amended {
    Stored,
    /// The session is not there any more: it has ended, or was renewed.
    Gone,
}

impl Engine {
    /// Applies an update to the session that was found under a key, and again if a commit was faster (P5). It is no sighting: the
    /// session ends when it would have ended.
    pub(crate) async fn amend(&self, key: StoreKey, found: Record, name: &str, update: &Update) -> Result<Amended> {
        let mut found = found;
        for attempt in 0..ATTEMPTS {
            let value = update.apply(found.values().get(name))?;
            let mut entries: BTreeMap<&str, StoredValue<'_>> = found.values().iter().collect();
            match &value {
                Some(value) => entries.insert(name, value.stored()),
                None => entries.remove(name),
            };
            let values = Values::from_sorted(entries);
            self.config().limits.check_record(values.encoded_len())?;
            let expected = found.revision();
            let record = Record {
                revision: found.next_revision()?,
                values,
                ..found
            };
            match self.store().replace(key, expected, record, self.now()).await? {
                Replaced::Stored => return Ok(Amended::Stored),
                Replaced::Gone => return Ok(Amended::Gone),
                Replaced::Conflict(current) => found = current,
            }
            pause(attempt).await;
        }
        Err(lost())
    }
}
