//! What each write does to the keyspaces: it looks at the present state, and if it applies, commits one atomic batch. There is one
//! writer, so nothing changes between the look and the commit.

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use fjall::OwnedWriteBatch;
use session_core::{
    Admission, Created, Cursor, Deleted, Handle, Owner, Record, Replaced, Result, Revision, Revocations, Revoke, Room,
    Rotated, Rotation, StoreKey, Timestamp, Touched,
};

use super::sweep::Clearing;
use crate::database::Tables;
use crate::failure::{self, Failure};
use crate::layout::{self, DEADLINE_KEY, Sighting};
use crate::read::{Reader, Stored};

/// The one writer.
pub(crate) struct Writer<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) path: &'a Path,
    pub(crate) revocations: &'a Revocations,
    /// No entry of `deadlines` lies below: what was swept leaves tombstones behind, and walking over them again costs milliseconds.
    pub(crate) low_water: &'a mut [u8; DEADLINE_KEY],
    /// Clearings under way.
    pub(crate) clearings: &'a mut Vec<Clearing>,
    /// When the oldest write that is not synced was committed. Kept by the commit itself, so that what was committed is synced also if
    /// the request fails after it.
    pub(crate) unsynced_since: &'a Cell<Option<Instant>>,
}

pub(super) type Outcome<T> = std::result::Result<T, Failure>;

impl Writer<'_> {
    pub(crate) fn create(
        &mut self,
        key: StoreKey,
        record: &Record,
        admission: Admission,
        now: Timestamp,
    ) -> Outcome<Created> {
        let oldest = match self.admit(record, admission, now)? {
            Admitted::AfterEnding(oldest) => oldest,
            Admitted::Revoked => return Ok(Created::Revoked),
            Admitted::Full => return Ok(Created::Full),
        };
        if self.reader().contains(key)? {
            return Ok(Created::Collision);
        }
        let mut batch = self.tables.batch();
        let ended = self.end(&mut batch, &oldest);
        self.put(&mut batch, key, record);
        let answer = if ended.is_empty() {
            Created::Stored
        } else {
            Created::Displaced(ended)
        };
        self.commit(batch, answer)
    }

    pub(crate) fn replace(
        &mut self,
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    ) -> Outcome<Replaced> {
        let Some(Stored { record: before, queued }) = self.reader().live(key, now)? else {
            return Ok(Replaced::Gone);
        };
        if before.revision() != expected {
            return Ok(Replaced::Conflict(before));
        }
        let record = record.seen(before.seen_at());
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key.as_bytes(), record.encode());
        self.relist(&mut batch, key, &before, &record);
        match queued {
            // The entry may be early, so a longer life leaves it where it is.
            Some(queued) if queued <= record.expires_at() => {
                if before.seen_at() != record.seen_at() {
                    let seen_at = record.seen_at();
                    batch.insert(&self.tables.seen, key.as_bytes(), Sighting { seen_at, queued }.encode());
                }
            }
            _ => {
                if let Some(queued) = queued {
                    batch.remove(&self.tables.deadlines, layout::deadline_key(queued, key));
                }
                self.enqueue(&mut batch, key, &record);
            }
        }
        self.commit(batch, Replaced::Stored)
    }

    pub(crate) fn rotate(&mut self, rotation: Rotation) -> Outcome<Rotated> {
        let Rotation {
            old,
            expected,
            new,
            record,
            admission,
            now,
            ..
        } = rotation;
        let Some(stored) = self.reader().live(old, now)? else {
            return Ok(Rotated::Gone);
        };
        if self.escapes_a_clearing(old, new) {
            return self.clear_early(old, stored);
        }
        if stored.record.revision() != expected {
            return Ok(Rotated::Conflict(stored.record));
        }
        let mut oldest = Vec::new();
        if stored.record.owner() != record.owner() {
            match self.admit(&record, admission, now)? {
                Admitted::AfterEnding(chosen) => oldest = chosen,
                Admitted::Revoked => return Ok(Rotated::Revoked),
                Admitted::Full => return Ok(Rotated::Full),
            }
        }
        if self.reader().contains(new)? {
            return Ok(Rotated::Collision);
        }
        let record = record.seen(stored.record.seen_at());
        let mut batch = self.tables.batch();
        // A batch must not name a key twice. A session that keeps its place in its owner's list only changes what the place leads to.
        let moves = layout::owner_key(&stored.record) != layout::owner_key(&record);
        self.take(&mut batch, old, moves.then_some(&stored.record), stored.queued);
        let ended = self.end(&mut batch, &oldest);
        self.put(&mut batch, new, &record);
        let answer = if ended.is_empty() {
            Rotated::Stored
        } else {
            Rotated::Displaced(ended)
        };
        self.commit(batch, answer)
    }

    pub(crate) fn touch(&mut self, key: StoreKey, seen_at: Timestamp) -> Outcome<Touched> {
        let Some(Stored { record, queued }) = self.reader().live(key, seen_at)? else {
            return Ok(Touched::Gone);
        };
        let Some(queued) = queued.filter(|_| seen_at > record.seen_at()) else {
            return Ok(Touched::Recorded);
        };
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.seen, key.as_bytes(), Sighting { seen_at, queued }.encode());
        self.commit(batch, Touched::Recorded)
    }

    pub(crate) fn delete(&mut self, key: StoreKey) -> Outcome<Deleted> {
        let mut batch = self.tables.batch();
        match self.remove(&mut batch, key)? {
            Removal::Absent => Ok(Deleted::Absent),
            Removal::Readable(_) | Removal::Damaged => self.commit(batch, Deleted::Removed),
        }
    }

    /// Ends the chosen sessions in one batch: all of them or, if the power fails, none.
    pub(crate) fn revoke(&mut self, owner: &Owner, which: Revoke, now: Timestamp) -> Outcome<u64> {
        let mut ended = 0;
        let mut batch = self.tables.batch();
        for entry in self.tables.owners.prefix(owner.index_key()) {
            let entry = entry.into_inner();
            let (place, key) = entry.map_err(|error| failure::reading(self.path, error))?;
            let (Some(handle), Some(key)) = (layout::handle_of(&place), layout::store_key(&key)) else {
                return Err(failure::corrupt(self.path, "an owner's list is malformed").into());
            };
            let chosen = match which {
                Revoke::All => true,
                Revoke::Others(kept) => handle != kept,
                Revoke::One(one) => handle == one,
            };
            if !chosen {
                continue;
            }
            match self.remove(&mut batch, key)? {
                Removal::Readable(record) => {
                    ended += u64::from(!record.is_expired(now));
                    if layout::owner_key(&record).is_some_and(|known| *place == known) {
                        continue;
                    }
                }
                Removal::Damaged => ended += 1,
                Removal::Absent => {}
            }
            batch.remove(&self.tables.owners, place);
        }
        if batch.is_empty() {
            return Ok(0);
        }
        self.commit(batch, ended)
    }

    /// Whether a login is let in, and which sessions of its owner have to end for it. With a limit it reads each of the owner's
    /// sessions. One that cannot be read does not load, so nobody uses it, and it does not count.
    pub(super) fn admit(&self, record: &Record, admission: Admission, now: Timestamp) -> Outcome<Admitted> {
        let Some(owner) = record.owner() else {
            return Ok(Admitted::AfterEnding(Vec::new()));
        };
        if self.revocations.refuse(owner, record.handle(), admission.began) {
            return Ok(Admitted::Revoked);
        }
        let mut others = Vec::new();
        if admission.limit.is_some() {
            for entry in self.tables.owners.prefix(owner.index_key()) {
                let key = entry.value().map_err(|error| failure::reading(self.path, error))?;
                let Some(key) = layout::store_key(&key) else {
                    return Err(failure::corrupt(self.path, "an owner's list is malformed").into());
                };
                match self.reader().live(key, now) {
                    Ok(Some(stored)) => others.push((key, stored)),
                    Ok(None) => {}
                    Err(error) if failure::is_damage(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        // The list is newest first.
        Ok(match admission.room(others.len()) {
            Room::Free => Admitted::AfterEnding(Vec::new()),
            Room::AfterEnding(excess) => Admitted::AfterEnding(others.split_off(others.len() - excess)),
            Room::None => Admitted::Full,
        })
    }

    /// Adds the removal of sessions; answers what they are called.
    fn end(&self, batch: &mut OwnedWriteBatch, sessions: &[(StoreKey, Stored)]) -> Vec<Handle> {
        let end = |(key, stored): &(StoreKey, Stored)| {
            self.take(batch, *key, Some(&stored.record), stored.queued);
            stored.record.handle()
        };
        sessions.iter().map(end).collect()
    }

    /// Adds the removal of whatever is stored under a key. A record that cannot be read is removed too: no damage keeps a session
    /// from being ended. Its place in its owner's list is unknown then, and an entry that leads nowhere is passed over.
    pub(super) fn remove(&self, batch: &mut OwnedWriteBatch, key: StoreKey) -> Result<Removal> {
        match self.reader().stored(key) {
            Ok(None) => Ok(Removal::Absent),
            Ok(Some(stored)) => {
                self.take(batch, key, Some(&stored.record), stored.queued);
                Ok(Removal::Readable(stored.record))
            }
            Err(error) if failure::is_damage(&error) => {
                let sighting = self.reader().sighting(key).ok().flatten();
                self.take(batch, key, None, sighting.map(|sighting| sighting.queued));
                Ok(Removal::Damaged)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            tables: self.tables,
            path: self.path,
            permit: None,
        }
    }

    pub(super) fn commit<T>(&self, batch: OwnedWriteBatch, answer: T) -> Outcome<T> {
        self.tables.commit(batch).map_err(Failure::Database)?;
        let since = self.unsynced_since.get();
        self.unsynced_since.set(since.or_else(|| Some(Instant::now())));
        Ok(answer)
    }

    /// Adds a session with its entries in all indexes.
    pub(super) fn put(&mut self, batch: &mut OwnedWriteBatch, key: StoreKey, record: &Record) {
        batch.insert(&self.tables.records, key.as_bytes(), record.encode());
        self.enqueue(batch, key, record);
        if let Some(place) = layout::owner_key(record) {
            batch.insert(&self.tables.owners, place, key.as_bytes());
        }
    }

    /// Adds a place in the queue at the session's deadline, and the sighting that names it.
    pub(super) fn enqueue(&mut self, batch: &mut OwnedWriteBatch, key: StoreKey, record: &Record) {
        let queued = record.expires_at();
        let seen_at = record.seen_at();
        let place = layout::deadline_key(queued, key);
        batch.insert(&self.tables.seen, key.as_bytes(), Sighting { seen_at, queued }.encode());
        batch.insert(&self.tables.deadlines, place, []);
        *self.low_water = place.min(*self.low_water);
    }

    /// Adds the removal of a session with its entries in all indexes, as far as they are known.
    pub(super) fn take(
        &self,
        batch: &mut OwnedWriteBatch,
        key: StoreKey,
        record: Option<&Record>,
        queued: Option<Timestamp>,
    ) {
        batch.remove(&self.tables.records, key.as_bytes());
        batch.remove(&self.tables.seen, key.as_bytes());
        if let Some(queued) = queued {
            batch.remove(&self.tables.deadlines, layout::deadline_key(queued, key));
        }
        if let Some(place) = record.and_then(layout::owner_key) {
            batch.remove(&self.tables.owners, place);
        }
    }

    /// Moves a session within the owners' lists if its commit changed where it belongs.
    fn relist(&self, batch: &mut OwnedWriteBatch, key: StoreKey, before: &Record, after: &Record) {
        let same = before.owner() == after.owner() && Cursor::of(before) == Cursor::of(after);
        if same {
            return;
        }
        if let Some(place) = layout::owner_key(before) {
            batch.remove(&self.tables.owners, place);
        }
        if let Some(place) = layout::owner_key(after) {
            batch.insert(&self.tables.owners, place, key.as_bytes());
        }
    }
}

/// What [`Writer::admit`] decided.
#[derive(Debug)]
pub(super) enum Admitted {
    /// Let in, once these are ended.
    AfterEnding(Vec<(StoreKey, Stored)>),
    Revoked,
    Full,
}

/// What [`Writer::remove`] found.
#[derive(Debug)]
pub(super) enum Removal {
    Absent,
    Readable(Record),
    Damaged,
}
