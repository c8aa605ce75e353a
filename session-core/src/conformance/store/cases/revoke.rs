//! `revoke` ends the chosen sessions of one owner for good, and says how many were live.

use crate::conformance::sample::{self, Sample, after, handle, key};
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::{Deleted, Replaced, Revoke, Rotated, Touched};

/// Three sessions of alice under the keys 0, 1, 2; one of bob under 10; a visitor's under 20.
async fn put_people(store: &TestStore) -> Vec<Record> {
    let now = sample::now();
    let mut alices = Vec::new();
    for number in 0..3 {
        let record = Sample::new(after(now, number)).handle(number).owner("alice").build();
        store.put(key(number), &record).await;
        alices.push(record);
    }
    store
        .put(key(10), &Sample::new(now).handle(10).owner("bob").build())
        .await;
    store.put(key(20), &Sample::new(now).handle(20).build()).await;
    alices
}

/// Asserts which of alice's sessions load and are listed, and that nobody else's was touched.
async fn assert_left(store: &TestStore, left: &[u64], what: &str) {
    let now = after(sample::now(), 10);
    for number in 0..3 {
        let alive = store.load(key(number), now).await.is_some();
        let expected = left.contains(&number);
        assert!(
            alive == expected,
            "after revoking {what} session {number} {}: it must be otherwise from the moment revoke answers (P11)",
            if alive { "still loads" } else { "is gone" }
        );
    }
    let listed = store.list(&sample::owner("alice"), 10, now).await;
    let mut listed: Vec<_> = listed.iter().map(Record::handle).collect();
    let mut expected: Vec<_> = left.iter().map(|number| handle(*number)).collect();
    listed.sort();
    expected.sort();
    assert_eq!(
        listed, expected,
        "after revoking {what} the owner's list is not what is left (P12)"
    );
    for number in [10, 20] {
        let alive = store.load(key(number), now).await.is_some();
        assert!(
            alive,
            "revoking {what} of one owner has ended somebody else's session (P12)"
        );
    }
}

pub(in super::super) async fn revoking_one_ends_that_session_only(store: TestStore) {
    put_people(&store).await;
    let ended = store
        .revoke(
            &sample::owner("alice"),
            Revoke::One(handle(1)),
            after(sample::now(), 10),
        )
        .await;
    assert_eq!(ended, 1, "revoking one live session must count one (P12)");
    assert_left(&store, &[0, 2], "one").await;
}

pub(in super::super) async fn revoking_others_spares_the_one_that_is_named(store: TestStore) {
    put_people(&store).await;
    let ended = store
        .revoke(
            &sample::owner("alice"),
            Revoke::Others(handle(1)),
            after(sample::now(), 10),
        )
        .await;
    assert_eq!(ended, 2, "revoking all but one of three sessions must count two (P12)");
    assert_left(&store, &[1], "all others").await;
}

pub(in super::super) async fn revoking_all_ends_every_session_of_the_owner(store: TestStore) {
    put_people(&store).await;
    let ended = store
        .revoke(&sample::owner("alice"), Revoke::All, after(sample::now(), 10))
        .await;
    assert_eq!(ended, 3, "revoking all of three sessions must count three (P12)");
    assert_left(&store, &[], "all").await;
}

pub(in super::super) async fn many_sessions_are_revoked_at_once(store: TestStore) {
    let now = sample::now();
    for number in 0..300 {
        store
            .put(key(number), &Sample::new(now).handle(number).owner("alice").build())
            .await;
    }
    let ended = store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    assert_eq!(
        ended, 300,
        "revoking all must end sessions however many there are (P12)"
    );
    for number in 0..300 {
        assert_eq!(
            store.load(key(number), now).await,
            None,
            "a session loads after revoke-all answered (P11)"
        );
    }
}

pub(in super::super) async fn a_handle_revokes_only_together_with_its_owner(store: TestStore) {
    put_people(&store).await;
    let now = after(sample::now(), 10);
    for unknown in [handle(10), handle(20), handle(99)] {
        let ended = store.revoke(&sample::owner("alice"), Revoke::One(unknown), now).await;
        assert_eq!(
            ended, 0,
            "revoking a handle that is not the owner's must end nothing (P12)"
        );
    }
    assert_left(&store, &[0, 1, 2], "a handle that is not the owner's").await;
}

pub(in super::super) async fn revoking_an_owner_without_sessions_ends_nothing(store: TestStore) {
    put_people(&store).await;
    let ended = store
        .revoke(&sample::owner("carol"), Revoke::All, after(sample::now(), 10))
        .await;
    assert_eq!(ended, 0, "an owner without sessions has none to revoke (P12)");
    assert_left(&store, &[0, 1, 2], "an owner without sessions").await;
}

pub(in super::super) async fn revoke_counts_live_sessions_only(store: TestStore) {
    let now = sample::now();
    for (number, idle) in [(0, 60), (1, 61), (2, 3600)] {
        store
            .put(
                key(number),
                &Sample::new(now).handle(number).owner("alice").idle(idle).build(),
            )
            .await;
    }
    let alice = sample::owner("alice");
    assert_eq!(
        store.revoke(&alice, Revoke::All, after(now, 60)).await,
        2,
        "revoke must count the sessions that were live, and one of three had expired (P12)"
    );
    assert_eq!(
        store.revoke(&alice, Revoke::All, after(now, 60)).await,
        0,
        "a second revoke-all has counted sessions that the first one ended (P12)"
    );
}

pub(in super::super) async fn nothing_revives_a_revoked_session(store: TestStore) {
    let records = put_people(&store).await;
    let now = after(sample::now(), 10);
    let alice = sample::owner("alice");
    store.revoke(&alice, Revoke::One(handle(0)), now).await;
    store.revoke(&alice, Revoke::Others(handle(2)), now).await;
    for (number, record) in (0..2).zip(&records) {
        let late = Sample::of(record).next_revision().build();
        let replaced = store.replace(key(number), 1, &late, now).await;
        assert_eq!(
            replaced,
            Replaced::Gone,
            "replace of a revoked session must answer Gone (P6)"
        );
        let touched = store.touch(key(number), record, now).await;
        assert_eq!(
            touched,
            Touched::Gone,
            "touch of a revoked session must answer Gone (P6)"
        );
        let rotated = store.rotate((key(number), key(number + 100)), 1, &late, now).await;
        assert_eq!(
            rotated,
            Rotated::Gone,
            "rotate of a revoked session must answer Gone (P6)"
        );
        assert_eq!(
            store.load(key(number + 100), now).await,
            None,
            "a revoked session lives on under a new key (P6)"
        );
        assert_eq!(
            store.delete(key(number)).await,
            Deleted::Absent,
            "delete of a revoked session must answer Absent"
        );
    }
    assert_left(
        &store,
        &[2],
        "two of three, and after late saves, touches and renewals,",
    )
    .await;
}

pub(in super::super) async fn a_renewed_session_is_revoked_under_its_new_key(store: TestStore) {
    let records = put_people(&store).await;
    let now = after(sample::now(), 10);
    let renewed = Sample::of(&records[1]).next_revision().build();
    assert_eq!(
        store.rotate((key(1), key(50)), 1, &renewed, now).await,
        Rotated::Stored,
        "rotate refused a live session"
    );
    assert_eq!(
        store.revoke(&sample::owner("alice"), Revoke::All, now).await,
        3,
        "revoke must count a renewed session once"
    );
    assert_eq!(
        store.load(key(50), now).await,
        None,
        "a session that was renewed loads after revoke-all (P11)"
    );
}

pub(in super::super) async fn revocations_of_different_owners_do_not_mix(store: TestStore) {
    let now = sample::now();
    for number in 0..40 {
        let record = Sample::new(now)
            .handle(number)
            .owner(&format!("user {}", number % 8))
            .build();
        store.put(key(number), &record).await;
    }
    let counts = crate::conformance::store::steps::race((0..4).map(|user| {
        let store = store.clone();
        async move {
            store
                .revoke(&sample::owner(&format!("user {user}")), Revoke::All, now)
                .await
        }
    }))
    .await;
    assert_eq!(
        counts,
        [5, 5, 5, 5],
        "parallel revocations of four owners must each count their owner's sessions (P12)"
    );
    for number in 0..40 {
        let alive = store.load(key(number), now).await.is_some();
        assert_eq!(
            alive,
            number % 8 >= 4,
            "a revocation reached the wrong owner's session, or missed one (P12)"
        );
    }
}
