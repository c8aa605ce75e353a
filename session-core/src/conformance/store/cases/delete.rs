//! `delete` ends a session for good: nothing that comes late revives it.

use crate::conformance::sample::{self, Sample, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::store::{Deleted, Replaced, Rotated, Touched};

pub(in super::super) async fn a_deleted_session_does_not_load(store: TestStore) {
    let now = sample::now();
    store.put(key(1), &sample::record(now)).await;
    assert_eq!(
        store.delete(key(1)).await,
        Deleted::Removed,
        "delete of a live session must answer Removed"
    );
    assert_eq!(
        store.load(key(1), now).await,
        None,
        "a deleted session still loads (P11)"
    );
}

pub(in super::super) async fn deleting_what_is_not_there_answers_absent(store: TestStore) {
    let now = sample::now();
    assert_eq!(
        store.delete(key(1)).await,
        Deleted::Absent,
        "delete of an unknown key must answer Absent"
    );
    store.put(key(1), &sample::record(now)).await;
    assert_eq!(
        store.delete(key(1)).await,
        Deleted::Removed,
        "delete of a live session must answer Removed"
    );
    assert_eq!(
        store.delete(key(1)).await,
        Deleted::Absent,
        "a second delete must answer Absent"
    );
}

pub(in super::super) async fn delete_leaves_other_sessions_alone(store: TestStore) {
    let now = sample::now();
    for number in 0..8 {
        store.put(key(number), &Sample::new(now).handle(number).build()).await;
    }
    assert_eq!(
        store.delete(key(3)).await,
        Deleted::Removed,
        "delete of a live session must answer Removed"
    );
    for number in (0..8).filter(|number| *number != 3) {
        assert!(
            store.load(key(number), now).await.is_some(),
            "delete of one session has ended another"
        );
    }
}

pub(in super::super) async fn a_late_replace_does_not_revive_a_deleted_session(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    store.delete(key(1)).await;
    let late = Sample::of(&record).next_revision().build();
    assert_eq!(
        store.replace(key(1), 1, &late, now).await,
        Replaced::Gone,
        "replace under a key that was deleted must answer Gone (P6)"
    );
    assert_eq!(
        store.load(key(1), now).await,
        None,
        "replace stored a record under a key that was deleted: a late save must not revive a session (P6)"
    );
}

pub(in super::super) async fn a_late_touch_does_not_revive_a_deleted_session(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    let touched = store.touch(key(1), &record, sample::after(now, 5)).await;
    assert_eq!(touched, Touched::Recorded, "touch refused a live session");
    store.delete(key(1)).await;
    assert_eq!(
        store.touch(key(1), &record, sample::after(now, 10)).await,
        Touched::Gone,
        "touch under a key that was deleted must answer Gone (P6)"
    );
    assert_eq!(
        store.load(key(1), now).await,
        None,
        "a late touch has revived a deleted session (P6)"
    );
}

pub(in super::super) async fn a_late_rotation_does_not_revive_a_deleted_session(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    store.delete(key(1)).await;
    let late = Sample::of(&record).next_revision().build();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &late, now).await,
        Rotated::Gone,
        "rotate from a key that was deleted must answer Gone (P6)"
    );
    for number in [1, 2] {
        assert_eq!(
            store.load(key(number), now).await,
            None,
            "a late rotation has revived a deleted session (P6)"
        );
    }
}

pub(in super::super) async fn commits_beside_a_delete_never_revive_the_session(store: TestStore) {
    let now = sample::now();
    for round in 0..16 {
        let record = sample::record(now);
        store.put(key(round), &record).await;
        let tasks = (0..9_u64).map(|number| {
            let (store, record) = (store.clone(), record.clone());
            async move {
                match number {
                    0 => assert_eq!(
                        store.delete(key(round)).await,
                        Deleted::Removed,
                        "delete of a session that only commits and touches reach must answer Removed"
                    ),
                    1..=4 => drop(store.touch(key(round), &record, sample::after(now, number)).await),
                    _ => {
                        let next = Sample::of(&record).next_revision().build();
                        drop(store.replace(key(round), 1, &next, now).await);
                    }
                }
            }
        });
        race(tasks).await;
        assert_eq!(
            store.load(key(round), now).await,
            None,
            "a session that was deleted while saves and touches were under way is alive again (P6)"
        );
    }
}

pub(in super::super) async fn of_parallel_deletes_one_removes(store: TestStore) {
    let now = sample::now();
    store.put(key(1), &sample::record(now)).await;
    let answers = race((0..8).map(|_| {
        let store = store.clone();
        async move { store.delete(key(1)).await }
    }))
    .await;
    let removed = answers.iter().filter(|answer| **answer == Deleted::Removed).count();
    assert_eq!(
        removed, 1,
        "of 8 parallel deletes of one session exactly one may answer Removed: {answers:?}"
    );
}

pub(in super::super) async fn a_deleted_session_leaves_its_owners_list(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    let kept = Sample::new(now).handle(1).owner("alice").build();
    store.put(key(1), &kept).await;
    store
        .put(key(2), &Sample::new(now).handle(2).owner("alice").build())
        .await;
    store.delete(key(2)).await;
    assert_eq!(
        store.list(&alice, 10, now).await,
        vec![kept],
        "a deleted session is still listed (P12)"
    );
    assert_eq!(
        store.revoke(&alice, crate::store::Revoke::All, now).await,
        1,
        "revoke must count live sessions only, and one of the two was deleted (P12)"
    );
}
