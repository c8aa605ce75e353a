//! `rotate` moves a session to a new key in one step: one winner, the old key dead at once.

use crate::conformance::sample::{self, Sample, after, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::{Deleted, Replaced, Revoke, Rotated, Touched};

fn renewed(record: &Record) -> Record {
    Sample::of(record).next_revision().build()
}

pub(in super::super) async fn the_old_key_is_dead_and_the_new_one_holds_the_session(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now)
        .handle(7)
        .owner("alice")
        .label("phone")
        .value("cart", b"tea")
        .build();
    store.put(key(1), &first).await;
    let second = renewed(&first);
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &second, now).await,
        Rotated::Stored,
        "rotate with the present revision must answer Stored"
    );
    assert_eq!(
        store.load(key(1), now).await,
        None,
        "the old key still loads after rotate answered (P7)"
    );
    assert_eq!(
        store.load(key(2), now).await,
        Some(second),
        "the session under the new key is not what rotate was handed: data, owner and handle move along (P7)"
    );
}

pub(in super::super) async fn nothing_reaches_a_session_through_its_old_key(store: TestStore) {
    let now = sample::now();
    let first = sample::record(now);
    store.put(key(1), &first).await;
    let second = renewed(&first);
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &second, now).await,
        Rotated::Stored,
        "rotate refused a live session"
    );
    let late = renewed(&second);
    for expected in [1, 2] {
        let replaced = store.replace(key(1), expected, &late, now).await;
        assert_eq!(
            replaced,
            Replaced::Gone,
            "replace under a key that was rotated away must answer Gone (P6)"
        );
        let rotated = store.rotate((key(1), key(3)), expected, &late, now).await;
        assert_eq!(
            rotated,
            Rotated::Gone,
            "rotate from a key that was rotated away must answer Gone (P7)"
        );
    }
    let touched = store.touch(key(1), &first, after(now, 5)).await;
    assert_eq!(
        touched,
        Touched::Gone,
        "touch under a key that was rotated away must answer Gone (P6)"
    );
    let deleted = store.delete(key(1)).await;
    assert_eq!(
        deleted,
        Deleted::Absent,
        "delete under a key that was rotated away must answer Absent"
    );
    assert_eq!(
        store.load(key(1), now).await,
        None,
        "a late operation has revived the old key (P6)"
    );
    assert_eq!(
        store.load(key(3), now).await,
        None,
        "one session was rotated to two keys (P7)"
    );
    assert_eq!(
        store.load(key(2), now).await,
        Some(second),
        "what went to the old key has changed the session (P7)"
    );
}

pub(in super::super) async fn rotate_with_another_revision_is_a_conflict_that_changes_nothing(store: TestStore) {
    let now = sample::now();
    let current = Sample::new(now).revision(3).build();
    store.put(key(1), &current).await;
    for expected in [2, 4] {
        let mine = Sample::new(now).revision(expected + 1).value("whose", b"mine").build();
        assert_eq!(
            store.rotate((key(1), key(2)), expected, &mine, now).await,
            Rotated::Conflict(current.clone()),
            "rotate expecting revision {expected} over revision 3 must answer Conflict with what is stored (P5)"
        );
    }
    assert_eq!(
        store.load(key(1), now).await,
        Some(current),
        "a rotate that answered Conflict changed the session"
    );
    assert_eq!(
        store.load(key(2), now).await,
        None,
        "a rotate that answered Conflict has filled the new key"
    );
}

pub(in super::super) async fn rotate_never_creates(store: TestStore) {
    let now = sample::now();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &sample::record(now), now).await,
        Rotated::Gone,
        "rotate from a key without a session must answer Gone (P6)"
    );
    for number in [1, 2] {
        assert_eq!(
            store.load(key(number), now).await,
            None,
            "rotate has created a session from nothing (P6)"
        );
    }
}

pub(in super::super) async fn a_new_key_that_is_taken_is_a_collision_that_changes_nothing(store: TestStore) {
    let now = sample::now();
    let mine = Sample::new(now).handle(1).build();
    let others = Sample::new(now).handle(2).build();
    store.put(key(1), &mine).await;
    store.put(key(2), &others).await;
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &renewed(&mine), now).await,
        Rotated::Collision,
        "rotate to a key that is taken must answer Collision"
    );
    assert_eq!(
        store.load(key(1), now).await,
        Some(mine),
        "a rotate that answered Collision changed the session (P7)"
    );
    assert_eq!(
        store.load(key(2), now).await,
        Some(others),
        "rotate has overwritten another session (P7)"
    );
}

pub(in super::super) async fn rotate_keeps_a_later_sighting(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).idle(60).build();
    store.put(key(1), &first).await;
    let seen = after(now, 50);
    assert_eq!(
        store.touch(key(1), &first, seen).await,
        Touched::Recorded,
        "touch refused a live session"
    );
    let second = renewed(&first);
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &second, seen).await,
        Rotated::Stored,
        "rotate refused a live session"
    );
    assert_eq!(
        store.load(key(2), after(now, 109)).await,
        Some(second.seen(seen)),
        "rotate has taken back a sighting that touch recorded meanwhile (P9)"
    );
    assert_eq!(
        store.load(key(2), after(now, 110)).await,
        None,
        "a rotated session must end at its deadline (P8)"
    );
}

pub(in super::super) async fn a_rotated_session_goes_on_under_its_new_key(store: TestStore) {
    let now = sample::now();
    let mut record = Sample::new(now).idle(60).build();
    store.put(key(0), &record).await;
    for step in 0..8 {
        let at = after(now, 30 * step);
        let touched = store.touch(key(step), &record, at).await;
        assert_eq!(touched, Touched::Recorded, "touch refused a session under its new key");
        record = renewed(&record).seen(at);
        let rotated = store
            .rotate((key(step), key(step + 1)), record.revision() - 1, &record, at)
            .await;
        assert_eq!(rotated, Rotated::Stored, "rotation {} of 8 was refused", step + 1);
        let next = renewed(&record);
        let replaced = store.replace(key(step + 1), record.revision(), &next, at).await;
        assert_eq!(
            replaced,
            Replaced::Stored,
            "replace refused a session under its new key"
        );
        record = next;
    }
    let end = after(now, 7 * 30 + 60);
    assert_eq!(
        store.load(key(8), sample::just_before(end)).await,
        Some(record),
        "the session was lost on its way"
    );
    assert_eq!(
        store.load(key(8), end).await,
        None,
        "a rotated session must end at its deadline (P8)"
    );
}

pub(in super::super) async fn of_parallel_rotations_one_wins(store: TestStore) {
    let now = sample::now();
    for round in 0..8 {
        let first = Sample::new(now).handle(round).build();
        let (old, new) = (key(100 * round), move |number: u64| key(100 * round + 1 + number));
        store.put(old, &first).await;
        let answers = race((0..16).map(|number| {
            let (store, second) = (store.clone(), renewed(&first));
            async move { store.rotate((old, new(number)), 1, &second, now).await }
        }))
        .await;
        let winners: Vec<u64> = (0..)
            .zip(&answers)
            .filter(|(_, answer)| **answer == Rotated::Stored)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(
            winners.len(),
            1,
            "of 16 parallel rotations exactly one may answer Stored: {answers:?} (P7)"
        );
        for (number, answer) in (0..).zip(&answers) {
            let alive = store.load(new(number), now).await.is_some();
            assert_eq!(
                alive,
                *answer == Rotated::Stored,
                "a rotation that answered {answer:?} has left its new key in the wrong state (P7)"
            );
        }
        assert_eq!(
            store.load(old, now).await,
            None,
            "the old key is alive after a rotation won (P7)"
        );
    }
}

pub(in super::super) async fn of_a_rotation_and_a_delete_exactly_one_finds_the_session(store: TestStore) {
    let now = sample::now();
    for round in 0..32 {
        let (old, new) = (key(2 * round), key(2 * round + 1));
        let first = Sample::new(now).handle(round).build();
        store.put(old, &first).await;
        let answers = race([true, false].map(|rotates| {
            let (store, second) = (store.clone(), renewed(&first));
            async move {
                if rotates {
                    store.rotate((old, new), 1, &second, now).await == Rotated::Stored
                } else {
                    store.delete(old).await == Deleted::Removed
                }
            }
        }))
        .await;
        let [rotated, deleted] = answers[..] else {
            unreachable!("two tasks ran")
        };
        assert!(
            rotated != deleted,
            "a rotation and a delete of the old key {} the session: one of them must find it (P7)",
            if rotated { "both found" } else { "neither found" }
        );
        assert_eq!(
            store.load(old, now).await,
            None,
            "the old key is alive after a rotation and a delete (P6)"
        );
        assert_eq!(
            store.load(new, now).await.is_some(),
            rotated,
            "the new key must be alive if and only if the rotation answered Stored: a deleted session must not come back (P6)"
        );
    }
}

pub(in super::super) async fn a_reader_never_finds_both_keys_alive(store: TestStore) {
    let now = sample::now();
    for round in 0..16 {
        let (old, new) = (key(2 * round), key(2 * round + 1));
        let first = Sample::new(now).handle(round).build();
        store.put(old, &first).await;
        let tasks = (0..4).map(|number| {
            let (store, second) = (store.clone(), renewed(&first));
            async move {
                if number == 0 {
                    let rotated = store.rotate((old, new), 1, &second, now).await;
                    assert_eq!(rotated, Rotated::Stored, "rotate refused a live session");
                    return;
                }
                for _ in 0..32 {
                    if store.load(new, now).await.is_some() {
                        let left = store.load(old, now).await;
                        assert_eq!(
                            left, None,
                            "the old key still loads although the new one does: rotate is one step (P7)"
                        );
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
        race(tasks).await;
    }
}

pub(in super::super) async fn a_renewed_session_is_listed_once(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    let first = Sample::new(now).handle(1).owner("alice").build();
    store.put(key(1), &first).await;
    let second = renewed(&first);
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &second, now).await,
        Rotated::Stored,
        "rotate refused a live session"
    );
    assert_eq!(
        store.list(&alice, 10, now).await,
        vec![second.clone()],
        "after a renewal the session must be listed once, as it now is (P12)"
    );
    let ended = store.revoke(&alice, Revoke::One(second.handle()), now).await;
    assert_eq!(
        ended, 1,
        "a renewed session keeps its handle, and can be revoked by it (P12)"
    );
    assert_eq!(
        store.load(key(2), now).await,
        None,
        "a renewed session loads after it was revoked (P11)"
    );
}

pub(in super::super) async fn a_login_puts_the_session_in_its_owners_list(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    let visitor = Sample::new(now).handle(1).build();
    store.put(key(1), &visitor).await;
    let signed_in = Sample::of(&visitor)
        .next_revision()
        .created_at(after(now, 60))
        .owner("alice")
        .build();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &signed_in, after(now, 60)).await,
        Rotated::Stored,
        "a login by rotation was refused"
    );
    assert_eq!(
        store.list(&alice, 10, after(now, 60)).await,
        vec![signed_in],
        "a session that signed in by rotation must be in its owner's list (P12)"
    );
}

pub(in super::super) async fn a_session_that_changes_owner_leaves_the_old_owners_list(store: TestStore) {
    let now = sample::now();
    let (alice, bob) = (sample::owner("alice"), sample::owner("bob"));
    let first = Sample::new(now).handle(1).owner("alice").build();
    store.put(key(1), &first).await;
    let second = Sample::of(&first).next_revision().owner("bob").build();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &second, now).await,
        Rotated::Stored,
        "a login by rotation was refused"
    );
    assert_eq!(
        store.list(&alice, 10, now).await,
        vec![],
        "a session is listed for an owner that it no longer has (P12)"
    );
    assert_eq!(
        store.list(&bob, 10, now).await,
        vec![second.clone()],
        "a session is not listed for its new owner (P12)"
    );
    assert_eq!(
        store.revoke(&alice, Revoke::All, now).await,
        0,
        "revoking an owner counted a session that is another's by now (P12)"
    );
    assert_eq!(
        store.load(key(2), now).await,
        Some(second.clone()),
        "revoking an owner ended another's session (P12)"
    );
    let third = Sample::of(&second).next_revision().without_owner().build();
    assert_eq!(
        store.rotate((key(2), key(3)), 2, &third, now).await,
        Rotated::Stored,
        "a logout by rotation was refused"
    );
    assert_eq!(
        store.list(&bob, 10, now).await,
        vec![],
        "a session without owner is still listed for its last one (P12)"
    );
}
