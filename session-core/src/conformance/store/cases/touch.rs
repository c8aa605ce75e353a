//! `touch` moves the last sighting, forward only, and nothing else.

use crate::conformance::sample::{self, Sample, after, just_before, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::store::{Replaced, Touched};

pub(in super::super) async fn touch_moves_the_sighting_and_leaves_data_and_revision(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now)
        .handle(1)
        .owner("alice")
        .label("phone")
        .revision(4)
        .value("k", b"v")
        .build();
    store.put(key(1), &record).await;
    let seen = after(now, 1200);
    assert_eq!(
        store.touch(key(1), &record, seen).await,
        Touched::Recorded,
        "touch refused a live session (P9)"
    );
    assert_eq!(
        store.load(key(1), seen).await,
        Some(record.seen(seen)),
        "after touch the record must be the same but for its last sighting (P9)"
    );
}

pub(in super::super) async fn an_earlier_sighting_changes_nothing(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(3600).build();
    store.put(key(1), &record).await;
    let late = after(now, 1800);
    for seen in [late, after(now, 600), now] {
        assert_eq!(
            store.touch(key(1), &record, seen).await,
            Touched::Recorded,
            "touch with an earlier sighting must answer Recorded: a later one is known"
        );
    }
    let loaded = store.load(key(1), late).await.expect("the session is live");
    assert_eq!(
        loaded.seen_at(),
        late,
        "touch has moved the last sighting backwards (P9)"
    );
    assert!(
        store.load(key(1), just_before(after(late, 3600))).await.is_some(),
        "an earlier sighting has shortened the session's life (P9)"
    );
}

pub(in super::super) async fn touch_extends_a_sliding_session(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    for step in 1..=5 {
        let seen = after(now, 59 * step);
        assert_eq!(
            store.touch(key(1), &record, seen).await,
            Touched::Recorded,
            "touch {step} of 5, one second before the deadline, must extend the session (P8)"
        );
    }
    let deadline = after(now, 59 * 5 + 60);
    assert!(
        store.load(key(1), just_before(deadline)).await.is_some(),
        "a session that was touched must live until an idle timeout after its last sighting (P8)"
    );
    assert_eq!(
        store.load(key(1), deadline).await,
        None,
        "it must end at that deadline (P8)"
    );
}

pub(in super::super) async fn touch_never_passes_the_absolute_deadline(store: TestStore) {
    let now = sample::now();
    let lifetime = Sample::new(now).idle(60).build().lifetime();
    let lifetime = lifetime
        .with_absolute(std::time::Duration::from_secs(100))
        .expect("within the limits");
    let record = Sample::new(now).lifetime(lifetime).build();
    store.put(key(1), &record).await;
    for seconds in [50, 99] {
        assert_eq!(
            store.touch(key(1), &record, after(now, seconds)).await,
            Touched::Recorded,
            "touch refused a live session (P9)"
        );
    }
    assert!(
        store.load(key(1), just_before(after(now, 100))).await.is_some(),
        "the session ended too early (P8)"
    );
    assert_eq!(
        store.load(key(1), after(now, 100)).await,
        None,
        "touch has carried a session past its absolute deadline (P9)"
    );
}

pub(in super::super) async fn touch_finds_an_unknown_key_gone_and_creates_nothing(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    assert_eq!(
        store.touch(key(1), &record, now).await,
        Touched::Gone,
        "touch under a key without a session must answer Gone (P6)"
    );
    assert_eq!(store.load(key(1), now).await, None, "touch has created a session (P6)");
}

pub(in super::super) async fn touch_finds_an_expired_record_gone(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    for seen in [after(now, 60), after(now, 61)] {
        assert_eq!(
            store.touch(key(1), &record, seen).await,
            Touched::Gone,
            "touch at or after the deadline must answer Gone although the record was not swept (P6)"
        );
        assert_eq!(
            store.load(key(1), seen).await,
            None,
            "touch has revived an expired session (P6)"
        );
    }
}

pub(in super::super) async fn a_replace_after_a_touch_keeps_the_sighting(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    assert_eq!(
        store.touch(key(1), &record, after(now, 50)).await,
        Touched::Recorded,
        "touch refused a live session (P9)"
    );
    let next = Sample::of(&record).next_revision().build();
    assert_eq!(
        store.replace(key(1), 1, &next, after(now, 51)).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert!(
        store.load(key(1), after(now, 109)).await.is_some(),
        "a replace that knew no later sighting has taken the touch back: the session ends early (P9)"
    );
}

pub(in super::super) async fn parallel_touches_keep_the_latest(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    let answers = race((0..64).map(|number| {
        let (store, record) = (store.clone(), record.clone());
        // 64 sightings in an order that is no order.
        async move { store.touch(key(1), &record, after(now, number * 37 % 64)).await }
    }))
    .await;
    assert!(
        answers.iter().all(|answer| *answer == Touched::Recorded),
        "touch refused a live session: {answers:?}"
    );
    assert_eq!(
        store.load(key(1), now).await,
        Some(record.seen(after(now, 63))),
        "after 64 parallel touches the latest sighting must remain (P9)"
    );
}

pub(in super::super) async fn touches_beside_commits_lose_neither(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    let tasks = (1..=64_u64).map(|number| {
        let (store, record) = (store.clone(), record.clone());
        async move {
            if number.is_multiple_of(2) {
                let touched = store.touch(key(1), &record, after(now, number)).await;
                assert_eq!(touched, Touched::Recorded, "touch refused a live session (P5)");
                return;
            }
            let mut current = record;
            loop {
                let next = Sample::of(&current)
                    .next_revision()
                    .value(&format!("v{number}"), b"x")
                    .build();
                current = match store.replace(key(1), current.revision(), &next, now).await {
                    Replaced::Stored => return,
                    Replaced::Conflict(newer) => newer,
                    Replaced::Gone => panic!("replace answered Gone for a live session (P5)"),
                };
            }
        }
    });
    race(tasks).await;
    let end = store.load(key(1), now).await.expect("the session is live");
    assert_eq!(end.values().iter().count(), 33, "a commit beside touches was lost (P5)");
    assert_eq!(end.seen_at(), after(now, 64), "a sighting beside commits was lost (P9)");
    assert_eq!(
        end.revision(),
        33,
        "only commits raise the revision, touches do not (P9)"
    );
}
