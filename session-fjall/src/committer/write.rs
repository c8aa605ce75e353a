//! What each write does to the keyspaces: it looks at the present state, and if it applies, commits one atomic batch. There is one
//! writer, so nothing changes between the look and the commit.

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use session_core::{
    Admission, Created, Deleted, Handle, Owner, Record, Replaced, Result, Revision, Revocations, Revoke, Room, Rotated,
    Rotation, StoreKey, Timestamp, Touched,
};

use super::change::Change;
use super::sweep::Clearing;
use crate::cache::RecordCache;
use crate::database::Tables;
use crate::failure::{self, Failure};
use crate::layout::{self, DEADLINE_KEY, Sighting};
use crate::read::{Reader, Stored};

/// The one writer.
pub(crate) struct Writer<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) path: &'a Path,
    pub(crate) cache: &'a RecordCache,
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

impl<'a> Writer<'a> {
    pub(crate) fn create(
        &mut self,
        key: StoreKey,
        record: Record,
        admission: Admission,
        now: Timestamp,
    ) -> Outcome<Created> {
        let oldest = match self.admit(&record, admission, now)? {
            Admitted::AfterEnding(oldest) => oldest,
            Admitted::Revoked => return Ok(Created::Revoked),
            Admitted::Full => return Ok(Created::Full),
        };
        if self.contains(key)? {
            return Ok(Created::Collision);
        }
        let mut change = self.change();
        let ended = self.end(&mut change, &oldest);
        let queued = self.put(&mut change, key, &record);
        change.holds(key, record, queued);
        let answer = if ended.is_empty() {
            Created::Stored
        } else {
            Created::Displaced(ended)
        };
        self.commit(change, answer)
    }

    pub(crate) fn replace(
        &mut self,
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    ) -> Outcome<Replaced> {
        let Some(Stored { record: before, queued }) = self.live(key, now)? else {
            return Ok(Replaced::Gone);
        };
        if before.revision() != expected {
            return Ok(Replaced::Conflict(before));
        }
        let record = record.seen(before.seen_at());
        let mut change = self.change();
        change.write_record(key, &record);
        let queued = match queued {
            // The entry may be early, so a longer life leaves it where it is; and the record itself says when it was last seen.
            Some(queued) if queued <= record.expires_at() => queued,
            _ => {
                if let Some(queued) = queued {
                    change.unqueue(layout::deadline_key(queued, key));
                }
                self.enqueue(&mut change, key, &record)
            }
        };
        change.holds(key, record, queued);
        self.commit(change, Replaced::Stored)
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
        let Some(stored) = self.live(old, now)? else {
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
        if self.contains(new)? {
            return Ok(Rotated::Collision);
        }
        let record = record.seen(stored.record.seen_at());
        let mut change = self.change();
        // A batch must not name a key twice. A session that keeps its place in its owner's list only changes what the place leads to.
        let moves = layout::owner_key(&stored.record) != layout::owner_key(&record);
        self.take(&mut change, old, moves.then_some(&stored.record), stored.queued);
        let ended = self.end(&mut change, &oldest);
        let queued = self.put(&mut change, new, &record);
        change.holds(new, record, queued);
        let answer = if ended.is_empty() {
            Rotated::Stored
        } else {
            Rotated::Displaced(ended)
        };
        self.commit(change, answer)
    }

    pub(crate) fn touch(&mut self, key: StoreKey, seen_at: Timestamp) -> Outcome<Touched> {
        let Some(Stored { record, queued }) = self.live(key, seen_at)? else {
            return Ok(Touched::Gone);
        };
        let Some(queued) = queued.filter(|_| seen_at > record.seen_at()) else {
            return Ok(Touched::Recorded);
        };
        let mut change = self.change();
        change.write_sighting(key, Sighting { seen_at, queued });
        change.holds(key, record.seen(seen_at), queued);
        self.commit(change, Touched::Recorded)
    }

    pub(crate) fn delete(&mut self, key: StoreKey) -> Outcome<Deleted> {
        let mut change = self.change();
        match self.remove(&mut change, key)? {
            Removal::Absent => Ok(Deleted::Absent),
            Removal::Readable(_) | Removal::Damaged => self.commit(change, Deleted::Removed),
        }
    }

    /// Ends the chosen sessions in one batch: all of them or, if the power fails, none.
    pub(crate) fn revoke(&mut self, owner: &Owner, which: Revoke, now: Timestamp) -> Outcome<u64> {
        let mut ended = 0;
        let mut change = self.change();
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
            match self.remove(&mut change, key)? {
                Removal::Readable(record) => {
                    ended += u64::from(!record.is_expired(now));
                    if layout::owner_key(&record).is_some_and(|known| *place == known) {
                        continue;
                    }
                }
                Removal::Damaged => ended += 1,
                Removal::Absent => {}
            }
            change.unlist(place);
        }
        if change.is_empty() {
            return Ok(0);
        }
        self.commit(change, ended)
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
                match self.live(key, now) {
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
    fn end(&self, change: &mut Change<'_>, sessions: &[(StoreKey, Stored)]) -> Vec<Handle> {
        let end = |(key, stored): &(StoreKey, Stored)| {
            self.take(change, *key, Some(&stored.record), stored.queued);
            stored.record.handle()
        };
        sessions.iter().map(end).collect()
    }

    /// Adds the removal of whatever is stored under a key. A record that cannot be read is removed too: no damage keeps a session
    /// from being ended. Its place in its owner's list is unknown then, and an entry that leads nowhere is passed over.
    pub(super) fn remove(&self, change: &mut Change<'_>, key: StoreKey) -> Result<Removal> {
        match self.stored(key) {
            Ok(None) => Ok(Removal::Absent),
            Ok(Some(stored)) => {
                self.take(change, key, Some(&stored.record), stored.queued);
                Ok(Removal::Readable(stored.record))
            }
            Err(error) if failure::is_damage(&error) => {
                let sighting = self.reader().sighting(key).ok().flatten();
                self.take(change, key, None, sighting.map(|sighting| sighting.queued));
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

    /// The session under a key, expired or not. One that is in use is in the cache, which spares two reads: 2 to 4 µs.
    pub(super) fn stored(&self, key: StoreKey) -> Result<Option<Stored>> {
        match self.cache.peek(key) {
            Some(stored) => Ok(Some(stored)),
            None => self.reader().stored(key),
        }
    }

    /// The session under a key, unless it is expired at `now`.
    fn live(&self, key: StoreKey, now: Timestamp) -> Result<Option<Stored>> {
        Ok(self.stored(key)?.filter(|stored| !stored.record.is_expired(now)))
    }

    pub(super) fn contains(&self, key: StoreKey) -> Result<bool> {
        self.reader().contains(key)
    }

    pub(super) fn change(&self) -> Change<'a> {
        Change::new(self.tables)
    }

    pub(super) fn commit<T>(&self, change: Change<'_>, answer: T) -> Outcome<T> {
        change.commit(self.cache).map_err(Failure::Database)?;
        let since = self.unsynced_since.get();
        self.unsynced_since.set(since.or_else(|| Some(Instant::now())));
        Ok(answer)
    }

    /// Adds a session with its entries in all indexes; answers its place in the queue.
    pub(super) fn put(&mut self, change: &mut Change<'_>, key: StoreKey, record: &Record) -> Timestamp {
        change.write_record(key, record);
        if let Some(place) = layout::owner_key(record) {
            change.list(place, key);
        }
        self.enqueue(change, key, record)
    }

    /// Adds a place in the queue at the session's deadline, and the sighting that names it; answers the place.
    pub(super) fn enqueue(&mut self, change: &mut Change<'_>, key: StoreKey, record: &Record) -> Timestamp {
        let queued = record.expires_at();
        let seen_at = record.seen_at();
        let place = layout::deadline_key(queued, key);
        change.write_sighting(key, Sighting { seen_at, queued });
        change.queue(place);
        *self.low_water = place.min(*self.low_water);
        queued
    }

    /// Adds the removal of a session with its entries in all indexes, as far as they are known.
    pub(super) fn take(
        &self,
        change: &mut Change<'_>,
        key: StoreKey,
        record: Option<&Record>,
        queued: Option<Timestamp>,
    ) {
        change.remove_record(key);
        change.remove_sighting(key);
        if let Some(queued) = queued {
            change.unqueue(layout::deadline_key(queued, key));
        }
        if let Some(place) = record.and_then(layout::owner_key) {
            change.unlist(place);
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
