//! [`RecordCache`]: the sessions in use, decoded, so that loading one does not enter the engine. It is exact, because one process owns the
//! folder and the committer is its one writer:
//!
//! - Around each commit the committer announces the sessions that it changes ([`begin`](RecordCache::begin)), and then says what became
//!   of them ([`settle`](RecordCache::settle)), before it answers. In between they are read from the engine.
//! - A read that found nothing here fills the cache only if no change of that session was announced since it began.
//! - When the database goes down or closes, the cache is emptied before anybody is told.
//!
//! So a load sees a session as of the latest commit, or as of one that ends while it reads; never older than what was answered before.
//!
//! Which sessions stay is quick_cache's business; it keeps those that are read again, and the engine has it too. A map with a clock of our
//! own was no faster (a hit in 51–74 ns there and 53–66 ns here; 250–370 ns in both where 100,000 sessions are read in no order, which is the
//! time of main memory). What makes the cache exact is here, and needs of quick_cache no more than of a map.
//!
//! In one run, a whole load took 75 ns of processor time, and 82 ns from the core's `MemoryStore`; of 100,000 sessions in no order 550 and
//! 740 ns.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use session_core::{Record, Result, StoreKey};

use crate::read::Stored;

pub(crate) struct RecordCache {
    /// `None` if it is switched off.
    sessions: Option<Sessions>,
}

struct Sessions {
    held: Cache<StoreKey, Held, Bytes, BuildHasherDefault<Prefix>>,
    stripes: Box<[Mutex<Stripe>]>,
}

/// What is known of a session.
#[derive(Clone)]
enum Held {
    Known(Stored),
    /// It keeps its place in the cache while the engine is asked.
    Changing,
}

/// The changes of the sessions whose keys begin with the same byte.
#[derive(Default)]
struct Stripe {
    /// How many were announced.
    announced: u64,
    /// How many of them are not settled.
    open: usize,
}

const STRIPES: usize = 256;

/// What a session takes beside its values, owner and label: the entry, its place in table and queue, and what the allocator adds. Measured
/// over 200,000 sessions: some 250 bytes; the rest is for what the cache remembers of those that it let go.
const OVERHEAD: usize = 300;

/// For how many sessions the cache plans; it takes more, or fewer and larger ones.
const TYPICAL: u64 = 512;

impl RecordCache {
    /// Holds up to so many bytes; nothing if that is 0.
    pub(crate) fn new(bytes: u64) -> Self {
        let sessions = (bytes > 0).then(|| {
            let options = OptionsBuilder::new()
                .weight_capacity(bytes)
                .estimated_items_capacity(usize::try_from(bytes / TYPICAL).unwrap_or(usize::MAX))
                // Few enough sessions in each for what an eviction looks at, many enough for threads not to meet.
                .shards(64)
                // It remembers whom it let go, for a place as large as a session's; not for half of them.
                .ghost_allocation(0.1)
                .build()
                .expect("both capacities are set");
            Sessions {
                held: Cache::with_options(
                    options,
                    Bytes,
                    BuildHasherDefault::default(),
                    DefaultLifecycle::default(),
                ),
                stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            }
        });
        Self { sessions }
    }

    /// The session, if it is held.
    pub(crate) fn get(&self, key: StoreKey) -> Option<Record> {
        match self.sessions.as_ref()?.held.get(&key)? {
            Held::Known(stored) => Some(stored.record),
            Held::Changing => None,
        }
    }

    /// For the committer, who knows that nothing changes meanwhile.
    pub(crate) fn peek(&self, key: StoreKey) -> Option<Stored> {
        match self.sessions.as_ref()?.held.peek(&key)? {
            Held::Known(stored) => Some(stored),
            Held::Changing => None,
        }
    }

    /// Reads a session that is not held, and holds it from then on if nothing changes it meanwhile.
    pub(crate) fn fill(&self, key: StoreKey, read: impl FnOnce() -> Result<Option<Stored>>) -> Result<Option<Stored>> {
        let Some(sessions) = &self.sessions else {
            return read();
        };
        let known = sessions.stripe(key).unless_changing();
        let stored = read()?;
        if let (Some(stored), Some(_)) = (&stored, known) {
            let stripe = sessions.stripe(key);
            // Inserted under the lock, so that no announcement gets in between.
            if stripe.unless_changing() == known {
                sessions.held.insert(key, Held::Known(stored.clone()));
            }
        }
        Ok(stored)
    }

    /// Before a commit: these sessions are about to change.
    pub(crate) fn begin(&self, key: StoreKey) {
        let Some(sessions) = &self.sessions else { return };
        let mut stripe = sessions.stripe(key);
        stripe.announced += 1;
        stripe.open += 1;
        // Not an insertion: what is not held needs no place.
        let _ = sessions.held.replace(key, Held::Changing, true);
    }

    /// After a commit: what the session is now. `None` if it has ended, or if it need not be held.
    pub(crate) fn settle(&self, key: StoreKey, now: Option<Stored>) {
        let Some(sessions) = &self.sessions else { return };
        let mut stripe = sessions.stripe(key);
        stripe.open -= 1;
        match now {
            Some(stored) => sessions.held.insert(key, Held::Known(stored)),
            None => drop(sessions.held.remove(&key)),
        }
    }

    /// Forgets everything, also changes that were announced and never settled because the commit failed.
    pub(crate) fn clear(&self) {
        let Some(sessions) = &self.sessions else { return };
        for stripe in &sessions.stripes {
            let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            stripe.announced += 1;
            stripe.open = 0;
        }
        sessions.held.clear();
    }
}

impl Sessions {
    /// Nothing under this lock panics half way through a change.
    fn stripe(&self, key: StoreKey) -> MutexGuard<'_, Stripe> {
        let [first, ..] = *key.as_bytes();
        let stripe = &self.stripes[usize::from(first)];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stripe {
    /// How many changes there were, if none is under way.
    fn unless_changing(&self) -> Option<u64> {
        (self.open == 0).then_some(self.announced)
    }
}

/// Weighs what is held.
#[derive(Clone)]
struct Bytes;

impl Weighter<StoreKey, Held> for Bytes {
    fn weight(&self, _key: &StoreKey, held: &Held) -> u64 {
        let beside = match held {
            Held::Known(Stored { record, .. }) => {
                let owner = record.owner().map_or(0, |owner| owner.as_str().len());
                owner + record.label().map_or(0, str::len) + record.values().encoded_len()
            }
            Held::Changing => 0,
        };
        (OVERHEAD + beside) as u64
    }
}

/// A store key is a hash already, of an id that only this application draws: its first bytes do.
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length of the key, which is always the same.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
