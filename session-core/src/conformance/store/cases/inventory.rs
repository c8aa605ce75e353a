//! The inventory shows everything that is stored, each session once, and clearing ends all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::conformance::sample::{self, Sample, after, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::{Expiry, TestStore};
use crate::id::StoreKey;
use crate::record::Record;
use crate::store::{Created, Rotated, Touched};

/// Stores sessions under the keys of these numbers; in the order of keys.
async fn put_many(store: &TestStore, numbers: std::ops::Range<u64>) -> Vec<(StoreKey, Record)> {
    let mut stored = Vec::new();
    for number in numbers {
        let sample = Sample::new(sample::now()).handle(number);
        let record = match number % 3 {
            0 => sample.build(),
            _ => sample.owner(&format!("user {}", number % 7)).build(),
        };
        store.put(key(number), &record).await;
        stored.push((key(number), record));
    }
    stored.sort_by_key(|(key, _)| *key);
    stored
}

pub(in super::super) async fn an_empty_store_has_an_empty_inventory(store: TestStore) {
    assert_eq!(
        store.inventory(10).await,
        vec![],
        "the inventory of an empty store holds sessions (P12)"
    );
}

pub(in super::super) async fn pages_of_every_size_show_every_session_once(store: TestStore) {
    let stored = put_many(&store, 0..40).await;
    for limit in [1, 2, 3, 7, 39, 40, 41, 1000] {
        assert_eq!(
            store.inventory(limit).await,
            stored,
            "pages of {limit} do not show every session exactly once, in the order of keys (P12)"
        );
    }
}

pub(in super::super) async fn an_inventory_page_starts_behind_any_key(store: TestStore) {
    let stored = put_many(&store, 0..30).await;
    // Half of these are stored.
    for number in 0..60 {
        let expected: Vec<_> = stored
            .iter()
            .filter(|(stored, _)| *stored > key(number))
            .cloned()
            .collect();
        let page = store.inventory_page(Some(key(number)), 100).await;
        assert_eq!(
            page.records, expected,
            "a page must start right behind the key it is given, whether or not that is stored (P12)"
        );
    }
    let last = StoreKey::from_bytes([0xff; StoreKey::LEN]);
    let page = store.inventory_page(Some(last), 100).await;
    assert_eq!(
        page.next, None,
        "a page behind the last key of all names a next one (P12)"
    );
}

pub(in super::super) async fn an_inventory_shows_the_latest_sighting(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).handle(1).build();
    store.put(key(1), &record).await;
    let seen = after(now, 900);
    let touched = store.touch(key(1), &record, seen).await;
    assert_eq!(touched, Touched::Recorded, "touch refused a live session");
    assert_eq!(
        store.inventory(10).await,
        vec![(key(1), record.seen(seen))],
        "the inventory must show what load answers, the latest sighting included (P12)"
    );
}

pub(in super::super) async fn what_has_expired_is_shown_until_it_is_swept(store: TestStore) {
    let now = sample::now();
    let short = Sample::new(now).handle(1).idle(60).build();
    let long = Sample::new(now).handle(2).idle(120).build();
    store.put(key(1), &short).await;
    store.put(key(2), &long).await;
    if store.expiry == Expiry::Swept {
        assert_eq!(
            store.inventory(10).await.len(),
            2,
            "the inventory shows what is stored, expired or not: operators want to see what the sweep has left (P15)"
        );
    }
    store.sweep_all(after(now, 60), 1000).await;
    let left = store.inventory(10).await;
    assert!(
        left.contains(&(key(2), long)),
        "a live session is missing after a sweep (P15)"
    );
    if store.expiry == Expiry::Swept {
        assert_eq!(left.len(), 1, "the inventory shows what was swept (P15)");
    }
}

pub(in super::super) async fn an_inventory_is_exact_while_sessions_come_and_go(store: TestStore) {
    let lasting = put_many(&store, 0..60).await;
    let done = Arc::new(AtomicBool::new(false));
    let walks = race((0..3_u64).map(|task| {
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            let mut walks = Vec::new();
            if task == 0 {
                for limit in [1, 3, 10, 59, 1, 3, 10, 59] {
                    walks.push(store.inventory(limit).await);
                    tokio::task::yield_now().await;
                }
                done.store(true, Ordering::SeqCst);
                return walks;
            }
            for number in (1000 * task)..(1000 * task + 300) {
                let record = Sample::new(sample::now()).handle(number).build();
                store.put(key(number), &record).await;
                store.delete(key(number)).await;
                if done.load(Ordering::SeqCst) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            walks
        }
    }))
    .await;
    for walk in walks.into_iter().flatten() {
        let seen: Vec<_> = walk.into_iter().filter(|found| lasting.contains(found)).collect();
        assert_eq!(
            seen, lasting,
            "sessions that stay must be on exactly one page each while others come and go (P12)"
        );
    }
}

pub(in super::super) async fn clearing_ends_every_session(store: TestStore) {
    let now = sample::now();
    // More than a store is likely to do in one batch.
    let stored = put_many(&store, 0..300).await;
    assert_eq!(
        store.clear().await,
        300,
        "clear must answer how many sessions it ended (P11)"
    );
    assert_eq!(
        store.inventory(50).await,
        vec![],
        "the inventory shows sessions after a clearing (P11)"
    );
    for (key, _) in stored {
        assert_eq!(
            store.load(key, now).await,
            None,
            "a session loads after everything was cleared (P11)"
        );
    }
    if store.store.owner_index().is_some() {
        for number in 0..7 {
            let listed = store.list(&sample::owner(&format!("user {number}")), 50, now).await;
            assert_eq!(listed, vec![], "an owner's list survives a clearing (P12)");
        }
    }
    assert_eq!(
        store.sweep_all(after(now, 90_000), 1000).await,
        0,
        "a cleared session was swept as well (P15)"
    );
    assert_eq!(store.clear().await, 0, "clearing an empty store ends sessions (P11)");
}

pub(in super::super) async fn sessions_that_begin_after_a_clearing_stay(store: TestStore) {
    put_many(&store, 0..10).await;
    store.clear().await;
    let stored = put_many(&store, 100..110).await;
    assert_eq!(
        store.inventory(3).await,
        stored,
        "sessions that began after a clearing are missing (P11)"
    );
}

/// Tasks that renew sessions beside a clearing: enough for one to get in between any two batches.
const RENEWING: u64 = 32;

pub(in super::super) async fn no_session_outlives_a_clearing_by_being_renewed(store: TestStore) {
    let now = sample::now();
    let stored = put_many(&store, 0..300).await;
    let cleared = Arc::new(AtomicBool::new(false));
    race((0..=RENEWING).map(|task| {
        let (store, cleared) = (store.clone(), Arc::clone(&cleared));
        // The last ones first: a clearing is likely to begin with the others.
        let mut sessions: Vec<_> = stored
            .iter()
            .rev()
            .skip(task as usize % RENEWING as usize)
            .step_by(RENEWING as usize)
            .cloned()
            .collect();
        async move {
            if task == 0 {
                store.clear().await;
                cleared.store(true, Ordering::SeqCst);
                return;
            }
            // Renews its part of the sessions round after round, under keys before and behind the old ones.
            let mut number = 1_000_000 * task;
            while !sessions.is_empty() {
                let last_round = cleared.load(Ordering::SeqCst);
                let mut alive = Vec::new();
                for (old, record) in sessions {
                    number += 1;
                    let next = Sample::of(&record).next_revision().build();
                    match store.rotate((old, key(number)), record.revision(), &next, now).await {
                        Rotated::Stored => alive.push((key(number), next)),
                        Rotated::Gone => {}
                        answer => panic!(
                            "a renewal beside a clearing answers {answer:?}: it is stored, or the session is gone (P7)"
                        ),
                    }
                    tokio::task::yield_now().await;
                }
                sessions = if last_round { Vec::new() } else { alive };
            }
        }
    }))
    .await;
    let left = store.inventory(50).await.len();
    assert_eq!(
        left, 0,
        "{left} sessions outlived a clearing because they were renewed meanwhile (P11)"
    );
}

pub(in super::super) async fn a_login_that_began_before_a_clearing_is_refused(store: TestStore) {
    if store.store.owner_index().is_none() {
        return; // nothing counts epochs then
    }
    let now = sample::now();
    let record = Sample::new(now).handle(1).owner("alice").build();
    let began = store.epoch();
    store.clear().await;
    assert_eq!(
        store.create(key(1), &record, began).await,
        Created::Revoked,
        "a login that began before everything was cleared must be refused (P12)"
    );
    assert_eq!(
        store.create(key(1), &record, store.epoch()).await,
        Created::Stored,
        "a login that began after a clearing was refused (P12)"
    );
}
