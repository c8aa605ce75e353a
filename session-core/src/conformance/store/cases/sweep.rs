//! `sweep` removes what has expired, all of it and nothing else, within its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::conformance::sample::{self, Sample, after, just_before, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::{Expiry, TestStore};
use crate::store::{Backlog, Replaced, Revoke, Rotated, Touched};

/// Stores sessions `first..first + many` that end `idle` seconds after `now`.
async fn put_many(store: &TestStore, first: u64, many: u64, idle: u64, now: crate::clock::Timestamp) {
    for number in first..first + many {
        store
            .put(key(number), &Sample::new(now).handle(number).idle(idle).build())
            .await;
    }
}

pub(in super::super) async fn sweep_removes_only_what_has_expired(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 10, 60, now).await;
    put_many(&store, 100, 10, 3600, now).await;
    let removed = store.sweep_all(after(now, 60), 1000).await;
    store.assert_removed(
        removed,
        10,
        "sweep must remove every record that has expired and say how many (P15)",
    );
    for number in 100..110 {
        assert!(
            store.load(key(number), after(now, 60)).await.is_some(),
            "sweep removed a live session (P15)"
        );
    }
    if store.expiry == Expiry::Swept {
        for number in 0..10 {
            let left = store.load(key(number), now).await;
            assert_eq!(
                left, None,
                "sweep counted a record as removed that is still stored (P15)"
            );
        }
    }
}

pub(in super::super) async fn sweep_on_an_empty_store_finds_nothing(store: TestStore) {
    let swept = store.sweep(sample::now(), 100).await;
    assert_eq!(
        (swept.removed, swept.backlog),
        (0, Backlog::Empty),
        "there is nothing to sweep in an empty store"
    );
}

pub(in super::super) async fn sweep_counts_the_deadline_itself_as_expired(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    let deadline = record.expires_at();
    let removed = store.sweep_all(just_before(deadline), 10).await;
    assert_eq!(
        removed, 0,
        "sweep removed a session one millisecond before its deadline (P8)"
    );
    assert!(
        store.load(key(1), just_before(deadline)).await.is_some(),
        "sweep removed a live session (P15)"
    );
    let removed = store.sweep_all(deadline, 10).await;
    store.assert_removed(
        removed,
        1,
        "at its deadline a session has expired, and sweep must remove it (P8)",
    );
}

pub(in super::super) async fn sweep_keeps_its_limit_and_reports_the_rest(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 25, 60, now).await;
    let late = after(now, 60);
    let swept = store.sweep(late, 10).await;
    if store.expiry == Expiry::Swept {
        let backlog = swept.backlog;
        assert_eq!(
            backlog,
            Backlog::Remaining,
            "sweep has left expired records and reports no backlog (P15)"
        );
    }
    let removed = swept.removed + store.sweep_all(late, 10).await;
    store.assert_removed(
        removed,
        25,
        "sweeping until the backlog is empty must remove all that has expired (P15)",
    );
}

pub(in super::super) async fn a_second_sweep_removes_nothing(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 10, 60, now).await;
    store.sweep_all(after(now, 60), 3).await;
    let removed = store.sweep_all(after(now, 60), 3).await;
    assert_eq!(
        removed, 0,
        "a second sweep has removed something again: the first one did not remove it (P15)"
    );
}

pub(in super::super) async fn sweep_leaves_what_was_touched(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    assert_eq!(
        store.touch(key(1), &record, after(now, 30)).await,
        Touched::Recorded,
        "touch refused a live session"
    );
    let removed = store.sweep_all(after(now, 89), 10).await;
    assert_eq!(removed, 0, "sweep removed a session that a touch had extended (P15)");
    assert!(
        store.load(key(1), after(now, 89)).await.is_some(),
        "a session that a touch had extended is gone after a sweep: compare the deadline as it is now (P15)"
    );
}

pub(in super::super) async fn what_was_touched_is_swept_at_its_new_deadline(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    for step in 1..=3 {
        let seen = after(now, 40 * step);
        assert_eq!(
            store.touch(key(1), &record, seen).await,
            Touched::Recorded,
            "touch refused a live session"
        );
        let removed = store.sweep_all(after(seen, 30), 10).await;
        assert_eq!(removed, 0, "sweep removed a session that a touch had extended (P15)");
    }
    let removed = store.sweep_all(after(now, 180), 10).await;
    store.assert_removed(
        removed,
        1,
        "a session that was extended must be swept once it ends: sweep has lost sight of it (P15)",
    );
}

pub(in super::super) async fn what_replace_has_extended_stays_until_it_ends(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    let longer = Sample::of(&record).next_revision().idle(600).build();
    assert_eq!(
        store.replace(key(1), 1, &longer, now).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert_eq!(
        store.sweep_all(after(now, 599), 10).await,
        0,
        "sweep removed a session that replace had extended (P15)"
    );
    assert_eq!(
        store.load(key(1), after(now, 599)).await,
        Some(longer),
        "sweep removed a live session (P15)"
    );
    let removed = store.sweep_all(after(now, 600), 10).await;
    store.assert_removed(
        removed,
        1,
        "a session that replace had extended must be swept once it ends (P15)",
    );
}

pub(in super::super) async fn what_replace_has_shortened_is_swept_in_time(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(36_000).build();
    store.put(key(1), &record).await;
    let shorter = Sample::of(&record).next_revision().idle(60).build();
    assert_eq!(
        store.replace(key(1), 1, &shorter, now).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    let removed = store.sweep_all(after(now, 60), 10).await;
    store.assert_removed(
        removed,
        1,
        "a session that replace had shortened must be swept at its new deadline (P15)",
    );
}

pub(in super::super) async fn what_was_rotated_is_swept_once(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    let renewed = Sample::of(&record).next_revision().seen_at(after(now, 30)).build();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &renewed, after(now, 30)).await,
        Rotated::Stored,
        "rotate was refused"
    );
    assert_eq!(
        store.sweep_all(after(now, 60), 10).await,
        0,
        "sweep removed a session at the deadline of its old key (P15)"
    );
    assert!(
        store.load(key(2), after(now, 89)).await.is_some(),
        "sweep removed a rotated session that is live (P15)"
    );
    let removed = store.sweep_all(after(now, 90), 10).await;
    store.assert_removed(
        removed,
        1,
        "a rotated session must be swept once, under its new key (P15)",
    );
}

pub(in super::super) async fn sweep_finds_deleted_sessions_gone(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 6, 60, now).await;
    for number in 0..3 {
        store.delete(key(number)).await;
    }
    let removed = store.sweep_all(after(now, 60), 10).await;
    store.assert_removed(
        removed,
        3,
        "sweep must count the records that it removed, not those deleted before (P15)",
    );
}

pub(in super::super) async fn sweeping_beside_touches_removes_no_live_session(store: TestStore) {
    let now = sample::now();
    for round in 0..8 {
        let record = Sample::new(now).idle(60).build();
        let numbers = 16 * round..16 * round + 16;
        put_many(&store, 16 * round, 16, 60, now).await;
        let tasks = numbers.clone().map(|number| {
            let (store, record) = (store.clone(), record.clone());
            async move {
                if number % 8 == 0 {
                    store.sweep_all(after(now, 60), 4).await;
                }
                (number, store.touch(key(number), &record, after(now, 59)).await)
            }
        });
        for (number, touched) in race(tasks).await {
            let alive = store.load(key(number), after(now, 60)).await.is_some();
            assert_eq!(
                alive,
                touched == Touched::Recorded,
                "touch answered {touched:?} beside a sweep, and the session is {}: a sweep removes a record only if it is expired at that moment (P15)",
                if alive { "alive" } else { "gone" }
            );
        }
        for number in numbers {
            store.delete(key(number)).await;
        }
    }
}

pub(in super::super) async fn parallel_sweeps_count_each_record_once(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 100, 60, now).await;
    put_many(&store, 200, 20, 3600, now).await;
    let removed = race((0..4).map(|_| {
        let store = store.clone();
        async move { store.sweep_all(after(now, 60), 7).await }
    }))
    .await;
    store.assert_removed(
        removed.iter().sum(),
        100,
        "four parallel sweeps must remove each expired record once (P15)",
    );
    for number in 200..220 {
        assert!(
            store.load(key(number), after(now, 60)).await.is_some(),
            "parallel sweeps removed a live session (P15)"
        );
    }
}

pub(in super::super) async fn a_backlog_is_finished_while_sessions_arrive(store: TestStore) {
    let now = sample::now();
    put_many(&store, 0, 60, 60, now).await;
    let done = Arc::new(AtomicBool::new(false));
    let answers = race([true, false].map(|sweeps| {
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            if sweeps {
                let removed = store.sweep_all(after(now, 60), 5).await;
                done.store(true, Ordering::SeqCst);
                return removed;
            }
            for number in 1000..1200 {
                store.put(key(number), &Sample::new(now).handle(number).build()).await;
                if done.load(Ordering::SeqCst) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            0
        }
    }))
    .await;
    store.assert_removed(
        answers.iter().sum(),
        60,
        "a backlog must be swept while new sessions arrive (P15)",
    );
}

pub(in super::super) async fn a_swept_session_leaves_its_owners_list(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    store
        .put(key(1), &Sample::new(now).handle(1).owner("alice").idle(60).build())
        .await;
    let kept = Sample::new(now).handle(2).owner("alice").build();
    store.put(key(2), &kept).await;
    let late = after(now, 60);
    store.sweep_all(late, 10).await;
    assert_eq!(
        store.list(&alice, 10, late).await,
        vec![kept],
        "a session that was swept is still listed (P12)"
    );
    assert_eq!(
        store.revoke(&alice, Revoke::All, late).await,
        1,
        "revoke must count live sessions only (P12)"
    );
}
