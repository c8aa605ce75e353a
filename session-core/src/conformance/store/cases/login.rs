//! A revocation ends logins that are under way as well: the epoch rules (P12).

use crate::conformance::sample::{self, Sample, handle, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::{Created, Revoke, Rotated};

fn alices(number: u64) -> Record {
    Sample::new(sample::now()).handle(number).owner("alice").build()
}

fn signed_in(visitor: &Record) -> Record {
    Sample::of(visitor).next_revision().owner("alice").build()
}

pub(in super::super) async fn a_login_that_began_before_a_revocation_is_refused(store: TestStore) {
    let alice = sample::owner("alice");
    let now = sample::now();
    for (number, which) in [(1, Revoke::All), (2, Revoke::Others(handle(99)))] {
        let began = store.epoch();
        store.revoke(&alice, which, now).await;
        assert_eq!(
            store.create(key(number), &alices(number), began).await,
            Created::Revoked,
            "a login that began before {which:?} must be refused after it answered (P12)"
        );
        assert_eq!(
            store.load(key(number), now).await,
            None,
            "a refused login has left a live session (P12)"
        );
        assert_eq!(
            store.list(&alice, 10, now).await,
            vec![],
            "a refused login is listed (P12)"
        );
    }
}

pub(in super::super) async fn a_login_that_begins_after_a_revocation_is_stored(store: TestStore) {
    let alice = sample::owner("alice");
    let now = sample::now();
    for (number, which) in [(1, Revoke::All), (2, Revoke::Others(handle(1)))] {
        store.revoke(&alice, which, now).await;
        assert_eq!(
            store.create(key(number), &alices(number), store.epoch()).await,
            Created::Stored,
            "a login that begins after {which:?} answered must succeed at once: nobody may be locked out (P12)"
        );
        assert!(
            store.load(key(number), now).await.is_some(),
            "a login that was stored does not load"
        );
    }
}

pub(in super::super) async fn revoking_one_refuses_no_login(store: TestStore) {
    let now = sample::now();
    store.put(key(1), &alices(1)).await;
    let visitor = Sample::new(now).handle(3).build();
    store.put(key(3), &visitor).await;
    let began = store.epoch();
    assert_eq!(
        store.revoke(&sample::owner("alice"), Revoke::One(handle(1)), now).await,
        1,
        "revoke one must count one"
    );
    assert_eq!(
        store.create(key(2), &alices(2), began).await,
        Created::Stored,
        "revoking one session must not refuse a login of its owner (P12)"
    );
    assert_eq!(
        store
            .rotate_begun((key(3), key(4)), 1, &signed_in(&visitor), now, began)
            .await,
        Rotated::Stored,
        "revoking one session must not refuse a login of its owner by rotation (P12)"
    );
}

pub(in super::super) async fn a_revocation_refuses_no_login_of_others(store: TestStore) {
    let now = sample::now();
    let began = store.epoch();
    store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    let bobs = Sample::new(now).handle(1).owner("bob").build();
    assert_eq!(
        store.create(key(1), &bobs, began).await,
        Created::Stored,
        "a login was refused because another owner's sessions were revoked (P12)"
    );
}

pub(in super::super) async fn a_revocation_is_remembered_after_later_ones(store: TestStore) {
    let now = sample::now();
    let began = store.epoch();
    store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    for number in 0..64 {
        store
            .revoke(&sample::owner(&format!("user {number}")), Revoke::All, now)
            .await;
    }
    assert_eq!(
        store.create(key(1), &alices(1), began).await,
        Created::Revoked,
        "a store has forgotten a revocation because others were revoked since: a login under way slipped through (P12)"
    );
}

pub(in super::super) async fn a_login_by_rotation_that_began_before_a_revocation_is_refused(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    for (round, which) in [(0, Revoke::All), (1, Revoke::Others(handle(99)))] {
        let (old, new) = (key(2 * round), key(2 * round + 1));
        let visitor = Sample::new(now).handle(round).build();
        store.put(old, &visitor).await;
        let began = store.epoch();
        store.revoke(&alice, which, now).await;
        assert_eq!(
            store
                .rotate_begun((old, new), 1, &signed_in(&visitor), now, began)
                .await,
            Rotated::Revoked,
            "a login by rotation that began before {which:?} must be refused after it answered (P12)"
        );
        assert_eq!(
            store.load(new, now).await,
            None,
            "a refused login has left a live session under the new key (P12)"
        );
        assert_eq!(
            store.load(old, now).await,
            Some(visitor),
            "a login that was refused must leave the visitor's session as it was"
        );
        assert_eq!(
            store.list(&alice, 10, now).await,
            vec![],
            "a refused login is listed (P12)"
        );
    }
}

/// A login to the session that the later of two revocations spares: as a browser does that signs in and then asks to be signed out
/// everywhere else.
pub(in super::super) async fn a_later_revocation_spares_no_login_that_an_earlier_one_refuses(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    for (round, earlier) in [(0, Revoke::All), (1, Revoke::Others(handle(99)))] {
        let (fresh, old, new) = (key(10 * round), key(10 * round + 1), key(10 * round + 2));
        let (spared, visitor) = (10 * round, Sample::new(now).handle(10 * round).build());
        store.put(old, &visitor).await;
        let began = store.epoch();
        store.revoke(&alice, earlier, now).await;
        store.revoke(&alice, Revoke::Others(handle(spared)), now).await;
        assert_eq!(
            store.create(fresh, &alices(spared), began).await,
            Created::Revoked,
            "a login that {earlier:?} refuses was let in because a later revocation spares its session (P12)"
        );
        let rotated = store
            .rotate_begun((old, new), 1, &signed_in(&visitor), now, began)
            .await;
        assert_eq!(
            rotated,
            Rotated::Revoked,
            "a login by rotation that {earlier:?} refuses was let in because a later revocation spares its session (P12)"
        );
    }
}

pub(in super::super) async fn a_login_is_stored_that_every_revocation_since_it_began_spares(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    store.revoke(&alice, Revoke::All, now).await;
    let visitor = Sample::new(now).handle(1).build();
    store.put(key(1), &visitor).await;
    let began = store.epoch();
    for _ in 0..2 {
        store.revoke(&alice, Revoke::Others(handle(1)), now).await;
    }
    let rotated = store
        .rotate_begun((key(1), key(2)), 1, &signed_in(&visitor), now, began)
        .await;
    assert_eq!(
        rotated,
        Rotated::Stored,
        "a login to the session that each revocation since it began spares was refused (P12)"
    );
}

pub(in super::super) async fn a_login_by_rotation_that_begins_after_a_revocation_is_stored(store: TestStore) {
    let now = sample::now();
    let visitor = Sample::new(now).handle(1).build();
    store.put(key(1), &visitor).await;
    store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &signed_in(&visitor), now).await,
        Rotated::Stored,
        "a login by rotation that begins after a revocation answered must succeed at once (P12)"
    );
}

pub(in super::super) async fn a_change_of_owner_counts_as_a_login_of_the_new_one(store: TestStore) {
    let now = sample::now();
    let bobs = Sample::new(now).handle(1).owner("bob").build();
    store.put(key(1), &bobs).await;
    let began = store.epoch();
    store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    assert_eq!(
        store
            .rotate_begun((key(1), key(2)), 1, &signed_in(&bobs), now, began)
            .await,
        Rotated::Revoked,
        "a session that changes its owner is a login of the new one, and a revocation came between (P12)"
    );
    assert_eq!(
        store.load(key(1), now).await,
        Some(bobs),
        "a login that was refused must leave the session as it was"
    );
}

pub(in super::super) async fn a_survivor_may_be_renewed_with_an_old_epoch(store: TestStore) {
    let now = sample::now();
    let survivor = alices(1);
    store.put(key(1), &survivor).await;
    store.put(key(2), &alices(2)).await;
    let began = store.epoch();
    assert_eq!(
        store
            .revoke(&sample::owner("alice"), Revoke::Others(handle(1)), now)
            .await,
        1,
        "revoking all others of two sessions must count one"
    );
    let renewed = Sample::of(&survivor).next_revision().build();
    assert_eq!(
        store.rotate_begun((key(1), key(3)), 1, &renewed, now, began).await,
        Rotated::Stored,
        "a session that a revocation spared was refused its renewal: its being there proves that nobody revoked it (P12)"
    );
}

pub(in super::super) async fn a_logout_by_rotation_is_never_refused(store: TestStore) {
    let now = sample::now();
    let survivor = alices(1);
    store.put(key(1), &survivor).await;
    let began = store.epoch();
    store
        .revoke(&sample::owner("alice"), Revoke::Others(handle(1)), now)
        .await;
    let anonymous = Sample::of(&survivor).next_revision().without_owner().build();
    assert_eq!(
        store.rotate_begun((key(1), key(2)), 1, &anonymous, now, began).await,
        Rotated::Stored,
        "a rotation to a record without owner is no login, and must not be refused (P12)"
    );
}

/// 32 logins, half by create and half by rotation, and one revocation start at once. Half of the logins began before; the others
/// begin when they run, and hesitate.
pub(in super::super) async fn no_login_outlives_a_revocation_that_it_races_with(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    for round in 0..store.rounds {
        let number_of = move |login: u64| 1000 * round + login;
        // The revocation starts among the first of them, in their midst, among the last.
        let revokes = 7 * round % 33;
        for login in (0..=32).filter(|login| login % 2 == 1) {
            store
                .put(
                    key(number_of(login)),
                    &Sample::new(now).handle(number_of(login)).build(),
                )
                .await;
        }
        let before = store.epoch();
        let began = race((0..=32_u64).map(|task| {
            let (store, alice) = (store.clone(), alice.clone());
            async move {
                let number = number_of(task);
                if task == revokes {
                    store.revoke(&alice, Revoke::All, now).await;
                    return before;
                }
                let began = if task % 4 < 2 { before } else { store.epoch() };
                for _ in 0..task % 8 {
                    tokio::task::yield_now().await;
                }
                if task % 2 == 0 {
                    let created = store.create(key(number), &alices(number), began).await;
                    assert!(
                        matches!(created, Created::Stored | Created::Revoked),
                        "a login beside a revocation answered {created:?}"
                    );
                } else {
                    let visitor = Sample::new(now).handle(number).build();
                    let rotated = store
                        .rotate_begun((key(number), key(number + 500)), 1, &signed_in(&visitor), now, began)
                        .await;
                    assert!(
                        matches!(rotated, Rotated::Stored | Rotated::Revoked),
                        "a login by rotation beside a revocation answered {rotated:?}"
                    );
                }
                began
            }
        }))
        .await;
        let mut alive = Vec::new();
        for (login, began) in (0..=32).zip(began) {
            let number = number_of(login) + if login % 2 == 0 { 0 } else { 500 };
            if store.load(key(number), now).await.is_some() {
                assert!(
                    began > before,
                    "a login that began before revoke-all answered is alive after it: the thief stays signed in (P12)"
                );
                alive.push(handle(number_of(login)));
            }
        }
        alive.sort();
        let mut listed: Vec<_> = store.list(&alice, 50, now).await.iter().map(Record::handle).collect();
        listed.sort();
        assert_eq!(
            listed, alive,
            "beside revoke-all a login is listed and not alive, or alive and not listed (P12)"
        );
        let fresh = store
            .create(key(number_of(999)), &alices(number_of(999)), store.epoch())
            .await;
        assert_eq!(
            fresh,
            Created::Stored,
            "a login that begins after revoke-all answered must succeed (P12)"
        );
    }
}

/// Logins that begin at any moment of a revocation: what was stored and what was refused agree with what loads and is listed.
pub(in super::super) async fn a_login_that_was_refused_is_never_alive(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    for round in 0..12_u64 {
        let answers = race((0..16_u64).map(|task| {
            let (store, alice) = (store.clone(), alice.clone());
            async move {
                if task == 7 {
                    store.revoke(&alice, Revoke::All, now).await;
                    return None;
                }
                let number = 100 * round + task;
                Some((number, store.create(key(number), &alices(number), store.epoch()).await))
            }
        }))
        .await;
        let listed: Vec<_> = store.list(&alice, 5, now).await.iter().map(Record::handle).collect();
        for (number, created) in answers.into_iter().flatten() {
            let alive = store.load(key(number), now).await.is_some();
            assert!(
                !alive || created == Created::Stored,
                "a login that answered {created:?} is alive (P12)"
            );
            assert_eq!(
                alive,
                listed.contains(&handle(number)),
                "beside a revocation a login is alive and not listed, or listed and not alive (P12)"
            );
        }
        store.revoke(&alice, Revoke::All, now).await;
    }
}
