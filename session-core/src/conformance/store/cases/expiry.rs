//! Deadlines hold to the millisecond, whether or not anything was swept.

use std::time::Duration;

use crate::conformance::sample::{self, Sample, after, just_before, key};
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::Rotated;

async fn assert_deadline(store: &TestStore, number: u64, record: &Record, what: &str) {
    store.put(key(number), record).await;
    let deadline = record.expires_at();
    assert!(
        store.load(key(number), just_before(deadline)).await.is_some(),
        "{what} must load until the last millisecond before its deadline (P8)"
    );
    for late in [deadline, after(deadline, 1), after(deadline, 86_400)] {
        assert_eq!(
            store.load(key(number), late).await,
            None,
            "{what} loads although it has expired: the deadline holds whether or not a sweep came by (P8)"
        );
    }
}

pub(in super::super) async fn an_idle_deadline_holds_to_the_millisecond(store: TestStore) {
    assert_deadline(
        &store,
        1,
        &Sample::new(sample::now()).idle(60).build(),
        "a record with an idle timeout",
    )
    .await;
}

pub(in super::super) async fn an_absolute_deadline_holds_to_the_millisecond(store: TestStore) {
    assert_deadline(
        &store,
        1,
        &Sample::new(sample::now()).fixed(60).build(),
        "a record with an absolute timeout",
    )
    .await;
}

pub(in super::super) async fn the_earlier_of_two_deadlines_counts(store: TestStore) {
    let now = sample::now();
    let lifetime = Sample::new(now).idle(60).build().lifetime();
    for (number, seconds) in [(1, 30), (2, 90)] {
        let lifetime = lifetime
            .with_absolute(Duration::from_secs(seconds))
            .expect("within the limits");
        let record = Sample::new(now).lifetime(lifetime).build();
        assert_eq!(record.expires_at(), after(now, seconds.min(60)));
        assert_deadline(&store, number, &record, "a record with both timeouts").await;
    }
}

pub(in super::super) async fn the_idle_deadline_counts_from_the_stored_sighting(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).seen_at(after(now, 500)).build();
    assert_deadline(&store, 1, &record, "a record last seen long after it began").await;
}

pub(in super::super) async fn rotate_finds_an_expired_record_gone(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).idle(60).build();
    store.put(key(1), &record).await;
    let deadline = record.expires_at();
    let renewed = Sample::of(&record).next_revision().seen_at(deadline).build();
    assert_eq!(
        store.rotate((key(1), key(2)), 1, &renewed, deadline).await,
        Rotated::Gone,
        "rotate at the deadline must answer Gone although the record was not swept (P6)"
    );
    for number in [1, 2] {
        assert_eq!(
            store.load(key(number), deadline).await,
            None,
            "rotate has revived an expired session (P6)"
        );
    }
}
