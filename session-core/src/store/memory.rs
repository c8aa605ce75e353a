//! [`MemoryStore`]: the reference store. Volatile, sharded, with an expiry index and an owner index.
//!
//! Lock order: revocation turn, owner stripe, shards by ascending number. A shard is never held while an owner stripe is locked.

mod inventory;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Backlog, Created, Cursor, Deleted, Epoch, Inventory, OwnedPage, OwnerIndex, Page, Replaced, Revocations, Revoke,
    Rotated, Rotation, Store, Swept, Touched,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Handle, Owner, StoreKey};
use crate::record::{Record, Revision};

/// Keeps sessions in the memory of this process: for tests, for development, and for services whose sessions may end with them.
///
/// ```
/// # use session_core::MemoryStore;
/// let store = MemoryStore::new();
/// assert!(store.is_empty());
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    owners: Box<[Mutex<Owners>]>,
    revocations: Revocations,
    /// Held by the one revocation that is under way.
    turn: Mutex<()>,
}

/// A key is a hash, so its first byte picks a shard evenly; its upper bits do, so that shards are in the order of keys.
const SHARDS: usize = 64;

#[derive(Debug, Default)]
struct Shard {
    /// In the order of keys, for the inventory.
    entries: BTreeMap<StoreKey, Entry>,
    /// One for every entry: `(entry.queued, key)`.
    deadlines: BTreeSet<(Timestamp, StoreKey)>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Where the entry stands in `deadlines`: at its deadline or earlier, never later. A touch leaves it.
    queued: Timestamp,
}

/// The sessions of each owner, newest first. An entry may be stale after its session has ended, for a moment; none is missing.
type Owners = HashMap<[u8; 32], BTreeMap<(Reverse<Timestamp>, Handle), StoreKey>>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            owners: (0..SHARDS).map(|_| Mutex::default()).collect(),
            revocations: Revocations::new(),
            turn: Mutex::new(()),
        }
    }

    /// How many records are stored, expired ones included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: StoreKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(key)])
    }

    fn owner(&self, owner: &Owner) -> MutexGuard<'_, Owners> {
        lock(&self.owners[usize::from(owner.index_key()[0]) % SHARDS])
    }

    /// Forgets where an ended session stood in its owner's list, unless a newer session took the place.
    fn unlist(&self, key: StoreKey, record: &Record) {
        let Some(owner) = record.owner() else { return };
        let mut owners = self.owner(owner);
        if let Some(sessions) = owners.get_mut(&owner.index_key()) {
            if sessions.get(&place(record)) == Some(&key) {
                sessions.remove(&place(record));
            }
            if sessions.is_empty() {
                owners.remove(&owner.index_key());
            }
        }
    }

    fn create_now(&self, key: StoreKey, record: Record, began: Epoch) -> Created {
        let owner = record.owner().cloned();
        let mut owners = owner.as_ref().map(|owner| self.owner(owner));
        if owner
            .as_ref()
            .is_some_and(|owner| self.revocations.refuse(owner, record.handle(), began))
        {
            return Created::Revoked;
        }
        let mut shard = self.shard(key);
        if shard.entries.contains_key(&key) {
            return Created::Collision;
        }
        if let (Some(owner), Some(owners)) = (&owner, &mut owners) {
            owners.entry(owner.index_key()).or_default().insert(place(&record), key);
        }
        shard.insert(key, record);
        Created::Stored
    }

    fn rotate_now(&self, rotation: Rotation) -> Rotated {
        let Rotation {
            old,
            expected,
            new,
            record,
            began,
            now,
        } = rotation;
        let owner = record.owner().cloned();
        let mut owners = owner.as_ref().map(|owner| self.owner(owner));
        let ended = {
            let (mut left, mut right) = self.two_shards(old, new);
            let Some(entry) = left.live(old, now) else {
                return Rotated::Gone;
            };
            if entry.record.revision() != expected {
                return Rotated::Conflict(entry.record.clone());
            }
            let seen_at = entry.record.seen_at();
            if let Some(owner) = &owner
                && entry.record.owner() != Some(owner)
                && self.revocations.refuse(owner, record.handle(), began)
            {
                return Rotated::Revoked;
            }
            if right.as_ref().unwrap_or(&left).entries.contains_key(&new) {
                return Rotated::Collision;
            }
            let record = record.seen(seen_at);
            if let (Some(owner), Some(owners)) = (&owner, &mut owners) {
                owners.entry(owner.index_key()).or_default().insert(place(&record), new);
            }
            let ended = left.remove(old);
            right.as_mut().unwrap_or(&mut left).insert(new, record);
            ended
        };
        drop(owners);
        if let Some(ended) = ended {
            self.unlist(old, &ended);
        }
        Rotated::Stored
    }

    /// The shards of two keys, the second one only if it is another; locked in order.
    fn two_shards(&self, first: StoreKey, second: StoreKey) -> (MutexGuard<'_, Shard>, Option<MutexGuard<'_, Shard>>) {
        match shard_of(first).cmp(&shard_of(second)) {
            std::cmp::Ordering::Equal => (self.shard(first), None),
            std::cmp::Ordering::Less => {
                let first = self.shard(first);
                (first, Some(self.shard(second)))
            }
            std::cmp::Ordering::Greater => {
                let second = self.shard(second);
                (self.shard(first), Some(second))
            }
        }
    }

    fn revoke_now(&self, owner: &Owner, which: Revoke, now: Timestamp) -> u64 {
        let _turn = lock(&self.turn);
        let mut owners = self.owner(owner);
        let epoch = match which {
            Revoke::All | Revoke::Others(_) => Some(self.revocations.begin(owner, which)),
            Revoke::One(_) => None,
        };
        let chosen = |handle: Handle| match which {
            Revoke::All => true,
            Revoke::Others(kept) => handle != kept,
            Revoke::One(one) => handle == one,
        };
        let mut ended = 0;
        if let Some(sessions) = owners.get_mut(&owner.index_key()) {
            sessions.retain(|(_, handle), key| {
                if !chosen(*handle) {
                    return true;
                }
                if let Some(record) = self.shard(*key).remove(*key)
                    && !record.is_expired(now)
                {
                    ended += 1;
                }
                false
            });
            if sessions.is_empty() {
                owners.remove(&owner.index_key());
            }
        }
        drop(owners);
        if let Some(epoch) = epoch {
            self.revocations.publish(epoch);
        }
        ended
    }

    fn list_now(&self, owner: &Owner, page: Page, now: Timestamp) -> OwnedPage {
        // The stripe stays locked, so that no session moves to a new key between the list and its record.
        let owners = self.owner(owner);
        let Some(sessions) = owners.get(&owner.index_key()) else {
            return OwnedPage::default();
        };
        let start = page.after.map_or(Bound::Unbounded, |Cursor { created_at, handle }| {
            Bound::Excluded((Reverse(created_at), handle))
        });
        let mut records: Vec<Record> = sessions
            .range((start, Bound::Unbounded))
            .filter_map(|(_, key)| Some(self.shard(*key).live(*key, now)?.record.clone()))
            .take(page.limit.max(1).saturating_add(1))
            .collect();
        let next = if records.len() > page.limit.max(1) {
            records.pop();
            records.last().map(Cursor::of)
        } else {
            None
        };
        OwnedPage { records, next }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    fn live(&mut self, key: StoreKey, now: Timestamp) -> Option<&mut Entry> {
        self.entries.get_mut(&key).filter(|entry| !entry.record.is_expired(now))
    }

    fn insert(&mut self, key: StoreKey, record: Record) {
        let queued = record.expires_at();
        self.deadlines.insert((queued, key));
        self.entries.insert(key, Entry { record, queued });
    }

    fn remove(&mut self, key: StoreKey) -> Option<Record> {
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

    fn replace(&mut self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Replaced {
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
    fn sweep(&mut self, now: Timestamp, limit: usize, swept: &mut Vec<(StoreKey, Record)>) {
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

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, key: StoreKey, record: Record, began: Epoch) -> Result<Created> {
        Ok(self.create_now(key, record, began))
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        Ok(self.shard(key).live(key, now).map(|entry| entry.record.clone()))
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        Ok(self.shard(key).replace(key, expected, record, now))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        Ok(self.rotate_now(rotation))
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, _expires_at: Timestamp) -> Result<Touched> {
        let mut shard = self.shard(key);
        let Some(entry) = shard.live(key, seen_at) else {
            return Ok(Touched::Gone);
        };
        entry.record.seen_at = entry.record.seen_at.max(seen_at);
        Ok(Touched::Recorded)
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        let removed = self.shard(key).remove(key);
        Ok(match removed {
            Some(record) => {
                self.unlist(key, &record);
                Deleted::Removed
            }
            None => Deleted::Absent,
        })
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let mut swept = Vec::new();
        for shard in &self.shards {
            lock(shard).sweep(now, limit, &mut swept);
        }
        for (key, record) in &swept {
            self.unlist(*key, record);
        }
        Ok(Swept {
            removed: swept.len(),
            backlog: if swept.len() < limit {
                Backlog::Empty
            } else {
                Backlog::Remaining
            },
        })
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

#[async_trait]
impl OwnerIndex for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.revocations.epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        Ok(self.list_now(owner, page, now))
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        Ok(self.revoke_now(owner, which, now))
    }
}

fn place(record: &Record) -> (Reverse<Timestamp>, Handle) {
    (Reverse(record.created_at()), record.handle())
}

fn shard_of(key: StoreKey) -> usize {
    usize::from(key.as_bytes()[0]) * SHARDS / 256
}

/// No code under a lock of this store panics, so a poisoned lock still guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
