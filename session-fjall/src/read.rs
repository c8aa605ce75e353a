//! What is read: one session, an owner's list, a count, and whether records and indexes agree. Nothing here writes.

use std::ops::Bound;
use std::path::Path;

use fjall::Readable;
use session_core::{Cursor, Owned, OwnedPage, Owner, Page, Record, Result, StoreKey, Timestamp};

use crate::database::Tables;
use crate::failure;
use crate::layout::{self, Sighting};

/// A session as it is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// With its latest sighting.
    pub(crate) record: Record,
    /// Where it stands in `deadlines`; `None` if its sighting is missing, which only outside interference can bring about.
    pub(crate) queued: Option<Timestamp>,
}

/// Reads, beside the committer or in it. A record and its sighting are two reads: a write that falls between them can only make the
/// sighting later, or take it away together with the record, so what comes out is the session before that write or one that has ended.
pub(crate) struct Reader<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) path: &'a Path,
}

impl Reader<'_> {
    /// The session under a key, expired or not.
    pub(crate) fn stored(&self, key: StoreKey) -> Result<Option<Stored>> {
        let Some(bytes) = self.get(&self.tables.records, key)? else {
            return Ok(None);
        };
        let record = Record::decode(&bytes)?;
        let sighting = self.sighting(key)?;
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
            let Some(bytes) = snapshot.get(&self.tables.records, &key).map_err(failed)? else {
                continue;
            };
            let mut record = Record::decode(&bytes)?;
            if let Some(bytes) = snapshot.get(&self.tables.seen, &key).map_err(failed)? {
                let sighting = Sighting::decode(&bytes);
                let sighting = sighting.ok_or_else(|| failure::corrupt(self.path, "a sighting is malformed"))?;
                record = record.seen(sighting.seen_at);
            }
            if record.is_expired(now) {
                continue;
            }
            if sessions.len() == limit {
                let next = sessions.last().map(|last| Cursor::of(&last.record));
                return Ok(OwnedPage { sessions, next });
            }
            let key =
                layout::store_key(&key).ok_or_else(|| failure::corrupt(self.path, "an owner's list is malformed"))?;
            sessions.push(Owned { key, record });
        }
        Ok(OwnedPage { sessions, next: None })
    }

    /// How many records are stored, expired ones included; walks over all of them.
    pub(crate) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for entry in self.tables.records.iter() {
            entry.key().map_err(|error| failure::reading(self.path, error))?;
            count += 1;
        }
        Ok(count)
    }

    /// Walks over everything as of one moment; answers how many records there are.
    pub(crate) fn verify(&self) -> Result<u64> {
        let snapshot = self.tables.database.snapshot();
        let failed = |error| failure::reading(self.path, error);
        let wrong = |why: &str| failure::corrupt(self.path, why);
        let (mut count, mut owned) = (0, 0);
        for entry in snapshot.iter(&self.tables.records) {
            let (key, bytes) = entry.into_inner().map_err(failed)?;
            let record = Record::decode(&bytes)?;
            let store_key = layout::store_key(&key).ok_or_else(|| wrong("a record's key has another length"))?;
            let sighting = snapshot.get(&self.tables.seen, &key).map_err(failed)?;
            let sighting = sighting.as_deref().and_then(Sighting::decode);
            let sighting = sighting.ok_or_else(|| wrong("a record has no sighting"))?;
            let record = record.seen(sighting.seen_at);
            if sighting.queued > record.expires_at() {
                return Err(wrong("a record is queued behind its deadline"));
            }
            let place = layout::deadline_key(sighting.queued, store_key);
            if !snapshot.contains_key(&self.tables.deadlines, place).map_err(failed)? {
                return Err(wrong("a record is missing from the queue of deadlines"));
            }
            if let Some(place) = layout::owner_key(&record) {
                if snapshot.get(&self.tables.owners, place).map_err(failed)?.as_ref() != Some(&key) {
                    return Err(wrong("a record is missing from its owner's list"));
                }
                owned += 1;
            }
            count += 1;
        }
        // Each record has its entry, so equal numbers mean that no entry is without a record.
        for (keyspace, expected) in [
            (&self.tables.seen, count),
            (&self.tables.deadlines, count),
            (&self.tables.owners, owned),
        ] {
            let mut found = 0;
            for entry in snapshot.iter(keyspace) {
                entry.key().map_err(failed)?;
                found += 1;
            }
            if found != expected {
                return Err(wrong(&format!(
                    "{} holds {found} entries where there should be {expected}",
                    keyspace.name()
                )));
            }
        }
        Ok(count)
    }
}
