//! What a request reads: one session, an owner's list; and a count. Nothing here writes.

use std::ops::Bound;
use std::path::Path;

use fjall::{Readable, Snapshot};
use session_core::{Cursor, Owned, OwnedPage, Owner, Page, Record, Result, StoreKey, Timestamp};

use crate::database::Tables;
use crate::failure;
use crate::layout::{self, Sighting};
use crate::permit::Permit;

/// A session as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// With its latest sighting.
    pub(crate) record: Record,
    /// Where it stands in `deadlines`; `None` if its sighting is missing, which only outside interference can bring about.
    pub(crate) queued: Option<Timestamp>,
}

/// Reads, beside the committer or in it. A record and its sighting are two reads: a write that falls between them can only make the
/// sighting later, or take it away together with the record; so a record without a sighting is looked at again.
pub(crate) struct Reader<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) path: &'a Path,
    /// Of a walk.
    pub(crate) permit: Option<&'a Permit>,
}

impl Reader<'_> {
    /// Fails if the walk is to end.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.permit.map_or(Ok(()), |permit| permit.check(self.path))
    }

    /// The session under a key, expired or not.
    pub(crate) fn stored(&self, key: StoreKey) -> Result<Option<Stored>> {
        let Some(mut bytes) = self.get(&self.tables.records, key)? else {
            return Ok(None);
        };
        let mut sighting = self.sighting(key)?;
        if sighting.is_none() {
            bytes = match self.get(&self.tables.records, key)? {
                Some(bytes) => bytes,
                None => return Ok(None),
            };
            sighting = self.sighting(key)?;
        }
        let record = Record::decode(&bytes)?;
        Ok(Some(Stored {
            record: match sighting {
                Some(sighting) => record.seen(sighting.seen_at),
                None => record,
            },
            queued: sighting.map(|sighting| sighting.queued),
        }))
    }

    /// The session under a key, unless it is expired at `now`.
    pub(crate) fn live(&self, key: StoreKey, now: Timestamp) -> Result<Option<Stored>> {
        Ok(self.stored(key)?.filter(|stored| !stored.record.is_expired(now)))
    }

    pub(crate) fn sighting(&self, key: StoreKey) -> Result<Option<Sighting>> {
        let bytes = self.get(&self.tables.seen, key)?;
        bytes
            .map(|bytes| Sighting::decode(&bytes).ok_or_else(|| failure::corrupt(self.path, "a sighting is malformed")))
            .transpose()
    }

    pub(crate) fn contains(&self, key: StoreKey) -> Result<bool> {
        let found = self.tables.records.contains_key(key.as_bytes());
        found.map_err(|error| failure::reading(self.path, error))
    }

    fn get(&self, keyspace: &fjall::Keyspace, key: StoreKey) -> Result<Option<fjall::UserValue>> {
        let value = keyspace.get(key.as_bytes());
        value.map_err(|error| failure::reading(self.path, error))
    }

    /// One page of an owner's live sessions, all as of one moment.
    ///
    /// One that cannot be read is left out, and logged: it does not load, so nobody uses it, and it must not keep its owner from seeing
    /// and ending the others. [`Writer::revoke`](crate::committer) ends it with them.
    pub(crate) fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        let snapshot = self.tables.database.snapshot();
        let limit = page.limit.max(1);
        let start = match page.after {
            Some(cursor) => Bound::Excluded(layout::owner_place(owner, cursor).to_vec()),
            None => Bound::Included(owner.index_key().to_vec()),
        };
        let end = Bound::Included(layout::owner_end(owner).to_vec());
        let failed = |error| failure::reading(self.path, error);
        let mut sessions: Vec<Owned> = Vec::new();
        for entry in snapshot.range(&self.tables.owners, (start, end)) {
            let key = entry.value().map_err(failed)?;
            let key =
                layout::store_key(&key).ok_or_else(|| failure::corrupt(self.path, "an owner's list is malformed"))?;
            let record = match self.stored_in(&snapshot, key) {
                Ok(Some(record)) if !record.is_expired(now) => record,
                Ok(_) => continue,
                Err(error) if failure::is_damage(&error) => {
                    tracing::error!(?key, %error, "a session that cannot be read is left out of its owner's list");
                    continue;
                }
                Err(error) => return Err(error),
            };
            if sessions.len() == limit {
                let next = sessions.last().map(|last| Cursor::of(&last.record));
                return Ok(OwnedPage::new(sessions, next));
            }
            sessions.push(Owned::new(key, record));
        }
        Ok(OwnedPage::new(sessions, None))
    }

    /// The session under a key as of one moment, expired or not.
    fn stored_in(&self, snapshot: &Snapshot, key: StoreKey) -> Result<Option<Record>> {
        let get = |keyspace| snapshot.get(keyspace, key.as_bytes());
        let failed = |error| failure::reading(self.path, error);
        let Some(bytes) = get(&self.tables.records).map_err(failed)? else {
            return Ok(None);
        };
        let record = Record::decode(&bytes)?;
        let sighting = get(&self.tables.seen).map_err(failed)?;
        let Some(bytes) = sighting else { return Ok(Some(record)) };
        let sighting = Sighting::decode(&bytes);
        let sighting = sighting.ok_or_else(|| failure::corrupt(self.path, "a sighting is malformed"))?;
        Ok(Some(record.seen(sighting.seen_at)))
    }

    /// How many records are stored, expired ones included; walks over all of them.
    pub(crate) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for entry in self.tables.records.iter() {
            self.go_on()?;
            entry.key().map_err(|error| failure::reading(self.path, error))?;
            count += 1;
        }
        Ok(count)
    }
}
