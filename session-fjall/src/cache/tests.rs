//! What the cache holds, and when it must not: each order of a read and a change.

use super::*;
use crate::support::{key, sample};

const ROOM: u64 = 1 << 20;

fn revision(revision: u64) -> Option<Stored> {
    let mut sample = sample(1);
    sample.revision = revision;
    weighing(sample.payload, revision)
}

fn weighing(payload: usize, revision: u64) -> Option<Stored> {
    let mut sample = sample(1);
    sample.revision = revision;
    sample.payload = payload;
    let record = sample.record();
    let queued = Some(record.expires_at());
    Some(Stored { record, queued })
}

fn fill(cache: &RecordCache, number: u64, stored: Option<Stored>) {
    cache.fill(key(number), || Ok(stored)).unwrap();
}

fn held(cache: &RecordCache, number: u64) -> Option<u64> {
    let got = cache.get(key(number)).map(|record| record.revision());
    let peeked = cache.peek(key(number)).map(|stored| stored.record.revision());
    assert_eq!(got, peeked);
    got
}

#[test]
fn what_was_read_is_held_and_what_was_not_there_is_not() {
    let cache = RecordCache::new(ROOM);
    assert_eq!(held(&cache, 1), None);
    fill(&cache, 1, revision(1));
    fill(&cache, 2, None);
    assert_eq!((held(&cache, 1), held(&cache, 2)), (Some(1), None));
    assert!(cache.fill(key(3), || Err(crate::failure::down("".as_ref()))).is_err());
    assert_eq!(held(&cache, 3), None);
}

#[test]
fn while_a_session_changes_it_is_not_held() {
    let cache = RecordCache::new(ROOM);
    for known in [true, false] {
        if known {
            fill(&cache, 1, revision(1));
        }
        cache.begin(key(1));
        assert_eq!(held(&cache, 1), None);
        fill(&cache, 1, revision(1));
        assert_eq!(
            held(&cache, 1),
            None,
            "nobody knows whether this was read before the commit"
        );
        cache.settle(key(1), revision(2));
        assert_eq!(held(&cache, 1), Some(2));
        cache.begin(key(1));
        cache.settle(key(1), None);
        assert_eq!(held(&cache, 1), None);
    }
}

#[test]
fn a_read_that_a_change_overtook_fills_nothing() {
    let cache = RecordCache::new(ROOM);
    for after in [revision(2), None] {
        let left = after.as_ref().map(|stored| stored.record.revision());
        let read = cache.fill(key(1), || {
            let before = revision(1);
            cache.begin(key(1));
            cache.settle(key(1), after);
            Ok(before)
        });
        assert!(
            read.unwrap().is_some(),
            "it began before the change, so it may see what was before"
        );
        assert_eq!(held(&cache, 1), left);
        cache.begin(key(1));
        cache.settle(key(1), None);
    }
}

#[test]
fn a_read_that_begins_in_a_change_or_ends_in_one_fills_nothing() {
    let cache = RecordCache::new(ROOM);
    cache.begin(key(1));
    let read = cache.fill(key(1), || {
        cache.settle(key(1), None);
        Ok(revision(1))
    });
    assert!(read.unwrap().is_some());
    assert_eq!(held(&cache, 1), None);
    let read = cache.fill(key(1), || {
        cache.begin(key(1));
        Ok(revision(1))
    });
    assert!(read.unwrap().is_some());
    assert_eq!(held(&cache, 1), None);
}

#[test]
fn clearing_forgets_sessions_reads_under_way_and_changes_that_failed() {
    let cache = RecordCache::new(ROOM);
    fill(&cache, 1, revision(1));
    cache.begin(key(2));
    let read = cache.fill(key(3), || {
        cache.clear();
        Ok(revision(1))
    });
    assert!(read.unwrap().is_some());
    assert_eq!((held(&cache, 1), held(&cache, 3)), (None, None));
    fill(&cache, 2, revision(1));
    assert_eq!(held(&cache, 2), Some(1), "its change is over");
}

#[test]
fn what_is_held_has_a_bound_in_bytes() {
    let cache = RecordCache::new(64 * 1024);
    for number in 0..2000 {
        fill(&cache, number, weighing(number as usize, 1));
    }
    let sessions = cache.sessions.as_ref().unwrap();
    assert!(sessions.held.weight() <= 64 * 1024);
    assert!(sessions.held.len() > 10);
}

#[test]
fn a_session_that_outgrows_the_cache_leaves_it() {
    let cache = RecordCache::new(8 * 1024);
    fill(&cache, 1, revision(1));
    assert_eq!(held(&cache, 1), Some(1));
    cache.begin(key(1));
    cache.settle(key(1), weighing(10_000, 2));
    assert_eq!(held(&cache, 1), None);
    fill(&cache, 1, weighing(10_000, 2));
    assert_eq!(held(&cache, 1), None);
}

#[test]
fn a_change_keeps_its_session_from_being_the_next_to_go() {
    let cache = RecordCache::new(16 * 1024);
    for revisions in 1..200 {
        cache.begin(key(1));
        cache.settle(key(1), revision(revisions));
        assert_eq!(held(&cache, 1), Some(revisions));
        fill(&cache, 1000 + revisions, revision(1));
        assert_eq!(held(&cache, 1), Some(revisions));
    }
}

#[test]
fn without_room_nothing_is_held() {
    let cache = RecordCache::new(0);
    fill(&cache, 1, revision(1));
    cache.begin(key(1));
    cache.settle(key(1), revision(2));
    cache.clear();
    assert_eq!(held(&cache, 1), None);
}

#[test]
fn a_session_that_has_ended_takes_no_place() {
    let cache = RecordCache::new(ROOM);
    fill(&cache, 1, revision(1));
    cache.begin(key(1));
    cache.settle(key(1), None);
    assert_eq!(cache.sessions.as_ref().unwrap().held.len(), 0);
}

#[test]
fn a_session_weighs_what_its_names_and_values_take() {
    let weight = |sample: crate::support::Sample| {
        let record = sample.record();
        Bytes.weight(&key(1), &Held::Known(Stored { record, queued: None }))
    };
    let named = |length| sample(1).owner(&"o".repeat(length)).label("phone");
    let more = named(10);
    let plain = weight(more.clone());
    assert_eq!(weight(named(110)), plain + 100);
    assert_eq!(weight(more.clone().label("the phone")), plain + 4);
    let mut larger = more;
    larger.payload += 50;
    assert_eq!(weight(larger), plain + 50);
    assert!(plain > Bytes.weight(&key(1), &Held::Changing));
}
