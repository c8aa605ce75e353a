//! A future that is dropped early leaves its operation done or not done, never half done.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crate::conformance::sample::{self, Sample, after, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::store::{Deleted, Revoke, Rotation};

/// How long an operation whose caller has left may take to settle.
const PATIENCE: Duration = Duration::from_secs(2);

/// Polls a few times, without waiting for anything, then drops.
fn abandon<F: Future>(polls: u32, future: F) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return;
        }
    }
}

/// Asks again until the answer is yes: what was abandoned may still be carried out in the background.
async fn settles<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) -> bool {
    let start = Instant::now();
    loop {
        if holds().await {
            return true;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

pub(in super::super) async fn an_abandoned_rotation_leaves_exactly_one_key_alive(store: TestStore) {
    let now = sample::now();
    for polls in 0..8 {
        let (old, new) = (key(2 * u64::from(polls)), key(2 * u64::from(polls) + 1));
        let first = Sample::new(now).handle(u64::from(polls)).build();
        store.put(old, &first).await;
        let record = Sample::of(&first).next_revision().build();
        let rotation = Rotation {
            old,
            new,
            expected: 1,
            record,
            admission: store.epoch().into(),
            now,
        };
        abandon(polls, store.store.rotate(rotation));
        let whole = settles(|| async {
            let (before, after) = (store.load(old, now).await, store.load(new, now).await);
            before.is_some() != after.is_some()
        })
        .await;
        assert!(
            whole,
            "a rotation that was dropped after {polls} polls is half done: neither key, or both keys, hold the session (P7)"
        );
    }
}

pub(in super::super) async fn an_abandoned_replace_is_done_or_not_done(store: TestStore) {
    let now = sample::now();
    for polls in 0..8 {
        let key = key(u64::from(polls));
        let first = sample::record(now);
        let second = Sample::of(&first).next_revision().value("new", &[7; 5000]).build();
        store.put(key, &first).await;
        abandon(polls, store.store.replace(key, 1, second.clone(), now));
        for _ in 0..8 {
            let left = store.load(key, now).await;
            assert!(
                left.as_ref() == Some(&first) || left.as_ref() == Some(&second),
                "a replace that was dropped after {polls} polls is half done: the record is neither the old nor the new one (P5)"
            );
            tokio::task::yield_now().await;
        }
        assert_eq!(
            store.delete(key).await,
            Deleted::Removed,
            "after an abandoned replace the session cannot be deleted"
        );
        assert_eq!(
            store.load(key, now).await,
            None,
            "an abandoned replace has revived a deleted session (P6)"
        );
    }
}

pub(in super::super) async fn an_abandoned_delete_is_done_or_not_done(store: TestStore) {
    let now = sample::now();
    for polls in 0..8 {
        let key = key(u64::from(polls));
        let first = sample::record(now);
        store.put(key, &first).await;
        abandon(polls, store.store.delete(key));
        let left = store.load(key, now).await;
        assert!(
            left.is_none() || left == Some(first),
            "a delete that was dropped has changed the record"
        );
        store.delete(key).await;
        assert_eq!(
            store.load(key, now).await,
            None,
            "after an abandoned delete the session cannot be deleted (P11)"
        );
    }
}

pub(in super::super) async fn an_abandoned_touch_leaves_the_data_alone(store: TestStore) {
    let now = sample::now();
    for polls in 0..8 {
        let key = key(u64::from(polls));
        let first = sample::record(now);
        let seen = after(now, 600);
        store.put(key, &first).await;
        abandon(polls, store.store.touch(key, seen, after(seen, 3600)));
        let left = store.load(key, now).await;
        assert!(
            left.as_ref() == Some(&first) || left == Some(first.seen(seen)),
            "a touch that was dropped after {polls} polls has changed more than the last sighting (P9)"
        );
    }
}

pub(in super::super) async fn an_abandoned_login_is_alive_and_listed_or_neither(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    for polls in 0..8 {
        let key = key(u64::from(polls));
        let record = Sample::new(now).handle(u64::from(polls)).owner("alice").build();
        abandon(
            polls,
            store.store.create(key, record.clone(), store.epoch().into(), now),
        );
        let whole = settles(|| async {
            let alive = store.load(key, now).await.is_some();
            let listed = store.list(&alice, 10, now).await.contains(&record);
            alive == listed
        })
        .await;
        assert!(
            whole,
            "a login that was dropped after {polls} polls is alive and not listed, or listed and not alive (P12)"
        );
    }
    store.revoke(&alice, Revoke::All, now).await;
    for polls in 0..8 {
        let alive = store.load(key(polls), now).await.is_some();
        assert!(
            !alive,
            "a login whose caller has left is alive after revoke-all answered (P12)"
        );
    }
}

/// Whoever holds a lock when it is dropped must let go of it.
pub(in super::super) async fn an_abandoned_operation_blocks_nobody(store: TestStore) {
    let now = sample::now();
    let first = sample::record(now);
    store.put(key(1), &first).await;
    let tasks = (0..16_u64).map(|number| {
        let (store, first) = (store.clone(), first.clone());
        async move {
            for polls in 0..4 {
                abandon(polls, store.store.load(key(1), now));
                abandon(polls, store.store.touch(key(1), now, first.expires_at()));
                abandon(polls, store.store.replace(key(1), 99, first.clone(), now));
                abandon(polls, store.store.sweep(now, 10));
            }
            store
                .put(key(100 + number), &Sample::new(now).handle(number).build())
                .await;
        }
    });
    race(tasks).await;
    assert_eq!(
        store.load(key(1), now).await,
        Some(first),
        "operations that were dropped early, none of which may change anything, have changed the session"
    );
}
