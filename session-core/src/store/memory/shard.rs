//! What [`MemoryStore`](super::MemoryStore) keeps under one lock: a part of the records, with their deadlines.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::owned::{OwnedSessions, Place};
use crate::clock::Timestamp;
use crate::id::{Handle, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{Admission, Replaced, Room};
use crate::sync::MutexGuard;

/// A key is a hash, so its first byte picks a shard evenly; its upper bits do, so that shards are in the order of keys.
pub(super) const SHARDS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) entries: HashMap<StoreKey, Entry, BuildHasherDefault<KeyHasher>>,
    /// One for every entry: `(entry.queued, key)`.
    pub(super) deadlines: BTreeSet<(Timestamp, StoreKey)>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// Where the entry stands in `deadlines`: at its deadline or earlier, never later. A touch leaves it.
    queued: Timestamp,
}

/// Takes a part of the key: a key is SHA-256 of an id that nobody chooses, so it needs no other hash.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, key: &[u8]) {
        // The last bytes: the first ones are alike within a shard.
        self.0 = key.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Several shards at once, by ascending number.
pub(super) struct Shards<'a>(pub(super) Vec<(usize, MutexGuard<'a, Shard>)>);

impl Shard {
    pub(super) fn live(&mut self, key: StoreKey, now: Timestamp) -> Option<&mut Entry> {
        self.entries.get_mut(&key).filter(|entry| !entry.record.is_expired(now))
    }

    /// The first `most` entries behind a key, in the order of keys. It looks at all of the shard: walks are rare, and loads are not.
    pub(super) fn page(&self, after: Option<StoreKey>, most: usize) -> Vec<(StoreKey, Record)> {
        let behind = |key: &&StoreKey| after.is_none_or(|after| **key > after);
        let mut keys: Vec<StoreKey> = self.entries.keys().filter(behind).copied().collect();
        if most < keys.len() {
            keys.select_nth_unstable(most);
            keys.truncate(most);
        }
        keys.sort_unstable();
        let entry = |key| self.entries.get(&key).map(|entry| (key, entry.record.clone()));
        keys.into_iter().filter_map(entry).collect()
    }

    pub(super) fn insert(&mut self, key: StoreKey, record: Record) {
        let queued = record.expires_at();
        self.deadlines.insert((queued, key));
        self.entries.insert(key, Entry { record, queued });
    }

    pub(super) fn remove(&mut self, key: StoreKey) -> Option<Record> {
        let entry = self.entries.remove(&key)?;
        self.deadlines.remove(&(entry.queued, key));
        Some(entry.record)
    }

    /// Moves an entry to another place in the expiry index.
    fn requeue(&mut self, key: StoreKey, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.deadlines.remove(&(entry.queued, key));
            entry.queued = at;
            self.deadlines.insert((at, key));
        }
    }

    pub(super) fn replace(&mut self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Replaced {
        let Some(entry) = self.live(key, now) else {
            return Replaced::Gone;
        };
        if entry.record.revision() != expected {
            return Replaced::Conflict(entry.record.clone());
        }
        entry.record = record.seen(entry.record.seen_at());
        let deadline = entry.record.expires_at();
        if deadline < entry.queued {
            self.requeue(key, deadline);
        }
        Replaced::Stored
    }

    /// Takes what is due; an entry that was touched since is put back at its true deadline.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize, swept: &mut Vec<(StoreKey, Record)>) {
        while swept.len() < limit
            && let Some(&(queued, key)) = self.deadlines.first()
            && queued <= now
        {
            match self.live(key, now).map(|entry| entry.record.expires_at()) {
                Some(deadline) => self.requeue(key, deadline),
                None => swept.extend(self.remove(key).map(|record| (key, record))),
            }
        }
    }
}

impl Shards<'_> {
    pub(super) fn of(&mut self, key: StoreKey) -> &mut Shard {
        let place = self.0.binary_search_by_key(&shard_of(key), |(number, _)| *number);
        let place = place.expect("the shards of all keys that an operation names are locked");
        &mut self.0[place].1
    }

    /// Which of the owner's sessions have to end so that one more has room; `None` if it has none.
    pub(super) fn make_room(
        &mut self,
        mut others: Vec<(Place, StoreKey)>,
        admission: Admission,
        now: Timestamp,
    ) -> Option<Vec<(Place, StoreKey)>> {
        others.retain(|(_, key)| self.of(*key).live(*key, now).is_some());
        match admission.room(others.len()) {
            Room::Free => Some(Vec::new()),
            Room::AfterEnding(excess) => Some(others.split_off(others.len() - excess)),
            Room::None => None,
        }
    }

    pub(super) fn end(&mut self, sessions: &mut OwnedSessions, oldest: Vec<(Place, StoreKey)>) -> Vec<Handle> {
        let mut ended = Vec::with_capacity(oldest.len());
        for (place, key) in oldest {
            self.of(key).remove(key);
            sessions.remove(&place, key);
            ended.push(place.1);
        }
        ended
    }
}

pub(super) fn shard_of(key: StoreKey) -> usize {
    usize::from(key.as_bytes()[0]) * SHARDS / 256
}
