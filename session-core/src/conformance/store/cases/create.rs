//! `create` never overwrites.

use crate::conformance::sample::{self, Sample, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::store::Created;

pub(in super::super) async fn a_key_that_is_taken_is_a_collision(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).handle(1).value("whose", b"first").build();
    let second = Sample::new(now).handle(2).value("whose", b"second").build();
    store.put(key(1), &first).await;
    let created = store.create(key(1), &second, store.epoch()).await;
    assert_eq!(
        created,
        Created::Collision,
        "create under a key that is taken must answer Collision (P7)"
    );
    let loaded = store.load(key(1), now).await;
    assert_eq!(
        loaded,
        Some(first),
        "create has overwritten a session: one visitor would see another's data (P7)"
    );
}

pub(in super::super) async fn of_parallel_creates_under_one_key_one_wins(store: TestStore) {
    let now = sample::now();
    for round in 0..4 {
        let record = move |number: u64| {
            Sample::new(now)
                .handle(number)
                .value("n", &number.to_le_bytes())
                .build()
        };
        let answers = race((0..16).map(|number| {
            let store = store.clone();
            async move { store.create(key(round), &record(number), store.epoch()).await }
        }))
        .await;
        let winners: Vec<u64> = (0..)
            .zip(&answers)
            .filter(|(_, answer)| **answer == Created::Stored)
            .map(|(n, _)| n)
            .collect();
        assert_eq!(
            winners.len(),
            1,
            "of 16 parallel creates under one key exactly one may answer Stored: {answers:?}"
        );
        let loaded = store.load(key(round), now).await;
        assert_eq!(
            loaded,
            Some(record(winners[0])),
            "what loads is not what the create that answered Stored has stored"
        );
    }
}

pub(in super::super) async fn a_session_without_owner_is_never_refused_as_revoked(store: TestStore) {
    let now = sample::now();
    let began = store.epoch();
    store
        .revoke(&sample::owner("alice"), crate::store::Revoke::All, now)
        .await;
    for (number, began) in [(1, began), (2, crate::store::Epoch::default())] {
        let created = store.create(key(number), &sample::record(now), began).await;
        assert_eq!(
            created,
            Created::Stored,
            "a visitor without owner was refused because somebody's sessions were revoked"
        );
    }
}
