//! [`MemoryStore`]: the reference store. Volatile, sharded, with an expiry index and an owner index.
//!
//! Lock order: revocation turn, owner stripe, shards by ascending number. A shard is never held while an owner stripe is locked.

mod inventory;
mod owned;
mod shard;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::PoisonError;

use async_trait::async_trait;

use super::{
    Admission, Backlog, Created, Cursor, Deleted, Epoch, Inventory, Owned, OwnedPage, OwnerIndex, Page, Replaced,
    Revocations, Revoke, Rotated, Rotation, Store, Swept, Touched,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Handle, Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::sync::{Mutex, MutexGuard};
use owned::{OwnedSessions, Place, place};
use shard::{SHARDS, Shard, Shards, shard_of};

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
    /// Which of `owners` somebody is in. By name, as an owner is no key that leaves this process: hashed as keys are, a login would
    /// take a fifth longer.
    stripes: RandomState,
    revocations: Revocations,
    /// Held by the one revocation that is under way.
    turn: Mutex<()>,
}

type Owners = HashMap<Owner, OwnedSessions>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            owners: (0..SHARDS).map(|_| Mutex::default()).collect(),
            stripes: RandomState::new(),
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
        lock(&self.owners[self.stripes.hash_one(owner) as usize % SHARDS])
    }

    /// Forgets where an ended session stood in its owner's list, unless a newer session took the place.
    fn unlist(&self, key: StoreKey, record: &Record) {
        let Some(owner) = record.owner() else { return };
        let mut owners = self.owner(owner);
        if let Some(sessions) = owners.get_mut(owner) {
            sessions.remove(&place(record), key);
            if sessions.is_empty() {
                owners.remove(owner);
            }
        }
    }

    fn create_now(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Created {
        let Some(owner) = record.owner().cloned() else {
            let mut shard = self.shard(key);
            if shard.entries.contains_key(&key) {
                return Created::Collision;
            }
            shard.insert(key, record);
            return Created::Stored;
        };
        let mut owners = self.owner(&owner);
        if self.revocations.refuse(&owner, record.handle(), admission.began) {
            return Created::Revoked;
        }
        let others = counted(&owners, &owner, admission);
        let mut shards = self.shards(others.iter().map(|(_, key)| *key).chain([key]));
        let Some(oldest) = shards.make_room(others, admission, now) else {
            return Created::Full;
        };
        if shards.of(key).entries.contains_key(&key) {
            return Created::Collision;
        }
        let sessions = owners.entry(owner.clone()).or_default();
        let ended = shards.end(sessions, oldest);
        sessions.insert(place(&record), key);
        shards.of(key).insert(key, record);
        if ended.is_empty() {
            Created::Stored
        } else {
            Created::Displaced(ended)
        }
    }

    fn rotate_now(&self, rotation: Rotation) -> Rotated {
        let Rotation {
            old,
            expected,
            new,
            record,
            admission,
            now,
        } = rotation;
        let owner = record.owner().cloned();
        let mut owners = owner.as_ref().map(|owner| (owner, self.owner(owner)));
        let others = owners
            .as_ref()
            .map(|(owner, owners)| counted(owners, owner, admission))
            .unwrap_or_default();
        let mut shards = self.shards(others.iter().map(|(_, key)| *key).chain([old, new]));
        let Some(entry) = shards.of(old).live(old, now) else {
            return Rotated::Gone;
        };
        if entry.record.revision() != expected {
            return Rotated::Conflict(entry.record.clone());
        }
        let seen_at = entry.record.seen_at();
        let mut oldest = Vec::new();
        if let Some(owner) = &owner
            && entry.record.owner() != Some(owner)
        {
            if self.revocations.refuse(owner, record.handle(), admission.began) {
                return Rotated::Revoked;
            }
            match shards.make_room(others, admission, now) {
                Some(chosen) => oldest = chosen,
                None => return Rotated::Full,
            }
        }
        if shards.of(new).entries.contains_key(&new) {
            return Rotated::Collision;
        }
        let record = record.seen(seen_at);
        let mut displaced = Vec::new();
        if let Some((owner, owners)) = &mut owners {
            let sessions = owners.entry(owner.clone()).or_default();
            displaced = shards.end(sessions, oldest);
            sessions.insert(place(&record), new);
        }
        let ended = shards.of(old).remove(old);
        shards.of(new).insert(new, record);
        drop(shards);
        drop(owners);
        if let Some(ended) = ended {
            self.unlist(old, &ended);
        }
        if displaced.is_empty() {
            Rotated::Stored
        } else {
            Rotated::Displaced(displaced)
        }
    }

    /// The shards of these keys, locked in order.
    fn shards(&self, keys: impl IntoIterator<Item = StoreKey>) -> Shards<'_> {
        let mut numbers: Vec<usize> = keys.into_iter().map(shard_of).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number: usize| (number, lock(&self.shards[number]));
        Shards(numbers.into_iter().map(lock).collect())
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
        if let Some(sessions) = owners.get_mut(owner) {
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
                owners.remove(owner);
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
        let Some(sessions) = owners.get(owner) else {
            return OwnedPage::default();
        };
        let start = page.after.map_or(Bound::Unbounded, |Cursor { created_at, handle }| {
            Bound::Excluded((Reverse(created_at), handle))
        });
        let mut sessions: Vec<Owned> = sessions
            .starting(start)
            .filter_map(|(_, key)| {
                let record = self.shard(*key).live(*key, now)?.record.clone();
                Some(Owned { key: *key, record })
            })
            .take(page.limit.max(1).saturating_add(1))
            .collect();
        let next = if sessions.len() > page.limit.max(1) {
            sessions.pop();
            sessions.last().map(|last| Cursor::of(&last.record))
        } else {
            None
        };
        OwnedPage { sessions, next }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        Ok(self.create_now(key, record, admission, now))
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        Ok(self.load_cached(key, now))
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        self.shard(key).live(key, now).map(|entry| entry.record.clone())
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

/// The sessions that a limit counts, newest first, stale entries included; none if there is no limit.
fn counted(owners: &Owners, owner: &Owner, admission: Admission) -> Vec<(Place, StoreKey)> {
    match (admission.limit, owners.get(owner)) {
        (Some(_), Some(sessions)) => sessions.iter().map(|(place, key)| (*place, *key)).collect(),
        _ => Vec::new(),
    }
}

/// No code under a lock of this store panics, so a poisoned lock still guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::OwnerLimit;
    use super::*;
    use crate::lifetime::Lifetime;

    #[tokio::test]
    async fn a_session_that_made_room_leaves_nothing_behind() {
        let store = MemoryStore::new();
        let start = Timestamp::from_unix_millis(1_000_000);
        let admission = Admission {
            began: store.epoch(),
            limit: Some(OwnerLimit::end_oldest(2).unwrap()),
        };
        for number in 0..50_u8 {
            let now = start.saturating_add(Duration::from_secs(number.into()));
            let mut record = Record::new(Handle::from_bytes([number; 15]), now, Lifetime::default());
            record.owner = Some(Owner::new("alice").unwrap());
            let key = StoreKey::from_bytes([number; StoreKey::LEN]);
            let _ = store.create(key, record, admission, now).await.unwrap();
        }
        let places: usize = store
            .owners
            .iter()
            .flat_map(|owners| lock(owners).values().map(OwnedSessions::len).collect::<Vec<_>>())
            .sum();
        let queued: usize = store.shards.iter().map(|shard| lock(shard).deadlines.len()).sum();
        assert_eq!((store.len(), places, queued), (2, 2, 2));
    }
}
