//! [`NearCache`]: records that were read lately, kept in this process until they change. How a change is heard of is in
//! `server::tracking`; nothing here talks to a server.
//!
//! Two rules make it coherent. A record is shown only while the connection that it was read through is trusted: everything that
//! changed is told on that connection, in order. And a record is kept only if nothing was told of it since before it was asked for:
//! an answer and the news that it is outdated may be under way at once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session_core::{Record, StoreKey};

/// A connection that records are read through.
pub(crate) struct Source {
    id: u64,
    ended: Arc<AtomicBool>,
    began: Instant,
    /// Microseconds since it began; 0 until something was answered.
    trusted_until: AtomicU64,
}

pub(crate) struct NearCache {
    most: u64,
    staleness: Duration,
    kept: Mutex<Kept>,
}

struct Kept {
    entries: HashMap<StoreKey, Entry>,
    /// The order in which they go when there is no room.
    turns: BTreeMap<u64, StoreKey>,
    next_turn: u64,
    weight: u64,
    /// How often something was told of keys, by groups of them; one counter for each key would have to be kept for ever.
    changes: Box<[u64]>,
    /// How often something was told of all keys.
    changes_of_all: u64,
}

struct Entry {
    record: Record,
    weight: u64,
    source: u64,
    turn: u64,
    is_used: bool,
}

/// What is here.
pub(crate) enum Found {
    Here(Record),
    Absent(Ticket),
}

/// Taken before a record is asked for; good until something is told of it.
pub(crate) struct Ticket {
    key: StoreKey,
    changes: u64,
}

/// On its way out of scope, whatever way that is, tells that a record has changed: a write was answered, failed or was left.
#[must_use]
pub(crate) struct Changing<'a> {
    cache: &'a NearCache,
    key: StoreKey,
}

/// Two keys in one group cost an answer that is not kept, now and then.
const GROUPS: usize = 4096;
/// What an entry takes beside the bytes of its record.
const OVERHEAD: u64 = 512;

impl Source {
    pub(crate) fn new(ended: Arc<AtomicBool>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            ended,
            began: Instant::now(),
            trusted_until: AtomicU64::new(0),
        }
    }

    /// Whether everything is told that was changed up to a moment that is not too long ago.
    fn is_trusted(&self) -> bool {
        !self.has_ended() && self.micros(Instant::now()) < self.trusted_until.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

impl NearCache {
    pub(crate) fn new(most: u64, staleness: Duration) -> Self {
        let kept = Kept {
            entries: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            weight: 0,
            changes: vec![0; GROUPS].into(),
            changes_of_all: 0,
        };
        Self {
            most,
            staleness,
            kept: Mutex::new(kept),
        }
    }

    /// How long after the last answer a source is trusted.
    pub(crate) fn staleness(&self) -> Duration {
        self.staleness
    }

    /// Something that was sent at `sent` was answered: what had changed by then has been told.
    pub(crate) fn trust(&self, source: &Source, sent: Instant) {
        let until = source.micros(sent + self.staleness);
        source.trusted_until.fetch_max(until, Ordering::AcqRel);
    }

    pub(crate) fn look_up(&self, key: StoreKey, source: Option<&Source>) -> Found {
        let mut kept = self.kept();
        if let Some(source) = source
            && let Some(entry) = kept.entries.get_mut(&key)
            && entry.source == source.id
            && source.is_trusted()
        {
            entry.is_used = true;
            return Found::Here(entry.record.clone());
        }
        Found::Absent(Ticket {
            key,
            changes: kept.changes_of(key),
        })
    }

    /// Keeps what was answered through `source`, unless something was told of it meanwhile. `size`: bytes of its stored value.
    pub(crate) fn keep(&self, ticket: Ticket, source: &Source, record: Record, size: usize) {
        let weight = OVERHEAD + size as u64;
        let mut kept = self.kept();
        // Looked at under the lock: a source ends first, and then its entries are taken out.
        if weight > self.most || source.has_ended() || kept.changes_of(ticket.key) != ticket.changes {
            return;
        }
        kept.remove(ticket.key);
        let turn = kept.queue(ticket.key);
        kept.weight += weight;
        let entry = Entry {
            record,
            weight,
            source: source.id,
            turn,
            is_used: false,
        };
        kept.entries.insert(ticket.key, entry);
        while kept.weight > self.most && kept.make_room() {}
    }

    /// A record has changed, or may have.
    pub(crate) fn changed(&self, key: StoreKey) {
        let mut kept = self.kept();
        kept.changes[group(key)] += 1;
        kept.remove(key);
    }

    /// A server has forgotten everything.
    pub(crate) fn all_changed(&self) {
        let mut kept = self.kept();
        kept.changes_of_all += 1;
        kept.clear();
    }

    /// For as long as this is held a record is being changed by this process.
    pub(crate) fn changing(&self, key: StoreKey) -> Changing<'_> {
        Changing { cache: self, key }
    }

    /// A source has ended: nothing is told any more of what came from it.
    pub(crate) fn forget(&self, source: &Source) {
        let mut kept = self.kept();
        let gone: Vec<StoreKey> = kept
            .entries
            .iter()
            .filter(|(_, entry)| entry.source == source.id)
            .map(|(key, _)| *key)
            .collect();
        if gone.len() == kept.entries.len() {
            kept.clear();
        }
        for key in gone {
            kept.remove(key);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for NearCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCache")
            .field("bytes", &self.most)
            .field("staleness", &self.staleness)
            .finish_non_exhaustive()
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.cache.changed(self.key);
    }
}

impl Kept {
    fn changes_of(&self, key: StoreKey) -> u64 {
        // Both only grow, so the sum stays the same only if both do.
        self.changes[group(key)] + self.changes_of_all
    }

    fn queue(&mut self, key: StoreKey) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, key);
        turn
    }

    fn remove(&mut self, key: StoreKey) {
        if let Some(entry) = self.entries.remove(&key) {
            self.turns.remove(&entry.turn);
            self.weight -= entry.weight;
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.turns.clear();
        self.weight = 0;
    }

    /// Takes out the oldest; whoever was asked for since its last turn gets another one. Answers whether there was one.
    fn make_room(&mut self) -> bool {
        let Some((_, key)) = self.turns.pop_first() else {
            return false;
        };
        let turn = self.next_turn;
        match self.entries.get_mut(&key) {
            Some(entry) if entry.is_used => {
                entry.is_used = false;
                entry.turn = turn;
                self.queue(key);
            }
            _ => self.remove(key),
        }
        true
    }
}

/// Keys are hashes: any two bytes will do.
fn group(key: StoreKey) -> usize {
    let bytes = key.as_bytes();
    usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) % GROUPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use session_core::conformance::sample::{self, Sample, key};

    const MOST: u64 = 10 * (OVERHEAD + 100);

    fn cache() -> NearCache {
        NearCache::new(MOST, Duration::from_secs(60))
    }

    fn trusted(cache: &NearCache) -> Source {
        let source = Source::new(Arc::default());
        cache.trust(&source, Instant::now());
        source
    }

    fn record() -> Record {
        Sample::new(sample::now()).build()
    }

    fn ask(cache: &NearCache, number: u64, source: &Source) -> Ticket {
        match cache.look_up(key(number), Some(source)) {
            Found::Absent(ticket) => ticket,
            Found::Here(_) => panic!("{number} is here"),
        }
    }

    fn fill(cache: &NearCache, number: u64, source: &Source) {
        let ticket = ask(cache, number, source);
        cache.keep(ticket, source, record(), 100);
    }

    fn is_here(cache: &NearCache, number: u64, source: &Source) -> bool {
        matches!(cache.look_up(key(number), Some(source)), Found::Here(_))
    }

    #[test]
    fn what_was_kept_is_here_until_it_changes() {
        let cache = cache();
        let source = trusted(&cache);
        fill(&cache, 1, &source);
        assert!(is_here(&cache, 1, &source));
        cache.changed(key(1));
        assert!(!is_here(&cache, 1, &source));
    }

    #[test]
    fn an_answer_that_was_outdated_on_its_way_is_not_kept() {
        let cache = cache();
        let source = trusted(&cache);
        let ticket = ask(&cache, 1, &source);
        cache.changed(key(1));
        cache.keep(ticket, &source, record(), 100);
        assert!(!is_here(&cache, 1, &source));

        let ticket = ask(&cache, 1, &source);
        cache.all_changed();
        cache.keep(ticket, &source, record(), 100);
        assert!(!is_here(&cache, 1, &source));
    }

    #[test]
    fn a_write_of_our_own_counts_when_it_ends_in_whatever_way() {
        let cache = cache();
        let source = trusted(&cache);
        fill(&cache, 1, &source);
        let changing = cache.changing(key(1));
        assert!(is_here(&cache, 1, &source), "nothing has been answered");
        cache.changed(key(1));
        let ticket = ask(&cache, 1, &source);
        drop(changing);
        cache.keep(ticket, &source, record(), 100);
        assert!(!is_here(&cache, 1, &source));
    }

    #[test]
    fn nothing_is_shown_or_kept_from_a_source_that_has_ended() {
        let cache = cache();
        let (source, other) = (trusted(&cache), trusted(&cache));
        fill(&cache, 1, &source);
        fill(&cache, 2, &other);
        let ticket = ask(&cache, 3, &source);
        source.end();
        assert!(!is_here(&cache, 1, &source));
        cache.forget(&source);
        cache.keep(ticket, &source, record(), 100);
        assert_eq!(cache.kept().entries.len(), 1);
        assert!(is_here(&cache, 2, &other));
        assert!(!is_here(&cache, 2, &trusted(&cache)), "it was read through another one");
    }

    #[test]
    fn a_source_is_trusted_for_a_while_after_it_has_answered() {
        let cache = NearCache::new(MOST, Duration::from_secs(1));
        let source = Source::new(Arc::default());
        fill(&cache, 1, &source);
        assert!(!is_here(&cache, 1, &source), "it has answered nothing");
        cache.trust(&source, Instant::now());
        assert!(is_here(&cache, 1, &source));
        let late = Source::new(Arc::default());
        if let Some(sent) = Instant::now().checked_sub(Duration::from_secs(1)) {
            cache.trust(&late, sent);
            fill(&cache, 2, &late);
            assert!(!is_here(&cache, 2, &late));
        }
    }

    #[test]
    fn it_keeps_no_more_than_it_may() {
        let cache = cache();
        let source = trusted(&cache);
        for number in 0..100 {
            fill(&cache, number, &source);
            assert!(cache.kept().weight <= MOST);
        }
        let kept = cache.kept();
        assert_eq!(kept.entries.len(), 10);
        assert_eq!(kept.turns.len(), 10);
        drop(kept);
        let ticket = ask(&cache, 200, &source);
        cache.keep(ticket, &source, record(), MOST as usize);
        assert_eq!(
            cache.kept().entries.len(),
            10,
            "what is too large for all of it displaces nothing"
        );
    }

    #[test]
    fn what_is_asked_for_stays_longer() {
        let cache = cache();
        let source = trusted(&cache);
        for number in 0..10 {
            fill(&cache, number, &source);
        }
        assert!(is_here(&cache, 0, &source));
        fill(&cache, 10, &source);
        assert!(is_here(&cache, 0, &source));
        assert!(!is_here(&cache, 1, &source));
    }
}
