//! `replace` is a compare-and-set on the revision; it never creates, and it keeps sightings that came in between.

use crate::conformance::sample::{self, Sample, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::{Replaced, Touched};

fn count(record: &Record) -> u64 {
    let value = record.values().get("count").expect("the counter is part of the record");
    u64::from_le_bytes(value.bytes.try_into().expect("the counter has eight bytes"))
}

fn with_count(record: &Record, count: u64) -> Record {
    Sample::of(record)
        .next_revision()
        .value("count", &count.to_le_bytes())
        .build()
}

pub(in super::super) async fn a_replaced_record_loads_as_the_new_one(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).value("gone", b"soon").build();
    store.put(key(1), &first).await;
    let second = Sample::new(now).revision(2).value("new", b"value").build();
    assert_eq!(
        store.replace(key(1), 1, &second, now).await,
        Replaced::Stored,
        "replace with the present revision must store"
    );
    assert_eq!(
        store.load(key(1), now).await,
        Some(second),
        "after replace the record must load as it was handed over, values that were left out included"
    );
}

pub(in super::super) async fn another_revision_is_a_conflict_that_hands_back_the_current_record(store: TestStore) {
    let now = sample::now();
    let current = Sample::new(now).revision(3).value("whose", b"current").build();
    store.put(key(1), &current).await;
    for expected in [1, 2, 4] {
        let mine = Sample::new(now).revision(expected + 1).value("whose", b"mine").build();
        assert_eq!(
            store.replace(key(1), expected, &mine, now).await,
            Replaced::Conflict(current.clone()),
            "replace expecting revision {expected} over revision 3 must answer Conflict with what is stored (P5)"
        );
    }
    assert_eq!(
        store.load(key(1), now).await,
        Some(current),
        "a replace that answered Conflict has overwritten the record: an update is lost (P5)"
    );
}

pub(in super::super) async fn a_conflict_hands_back_the_latest_sighting(store: TestStore) {
    let now = sample::now();
    let first = sample::record(now);
    store.put(key(1), &first).await;
    let seen = sample::after(now, 600);
    assert_eq!(
        store.touch(key(1), &first, seen).await,
        Touched::Recorded,
        "touch refused a live session (P9)"
    );
    let stale = Sample::of(&first).revision(9).build();
    assert_eq!(
        store.replace(key(1), 8, &stale, seen).await,
        Replaced::Conflict(first.seen(seen)),
        "what Conflict hands back must be what load answers, the latest sighting included"
    );
}

pub(in super::super) async fn replace_never_creates(store: TestStore) {
    let now = sample::now();
    for expected in [0, 1] {
        let record = Sample::new(now).revision(expected + 1).build();
        assert_eq!(
            store.replace(key(1), expected, &record, now).await,
            Replaced::Gone,
            "replace under a key without a session must answer Gone (P6)"
        );
        assert_eq!(
            store.load(key(1), now).await,
            None,
            "replace has created a session: a late save must not (P6)"
        );
    }
}

pub(in super::super) async fn replace_finds_an_expired_record_gone(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).idle(60).build();
    store.put(key(1), &first).await;
    let deadline = first.expires_at();
    let revived = Sample::of(&first).next_revision().seen_at(deadline).build();
    assert_eq!(
        store.replace(key(1), 1, &revived, deadline).await,
        Replaced::Gone,
        "replace at the deadline must answer Gone although the record was not swept (P6)"
    );
    assert_eq!(
        store.load(key(1), deadline).await,
        None,
        "replace has revived an expired session (P6)"
    );
}

pub(in super::super) async fn replace_keeps_a_later_sighting(store: TestStore) {
    let now = sample::now();
    let first = sample::record(now);
    store.put(key(1), &first).await;
    let seen = sample::after(now, 900);
    assert_eq!(
        store.touch(key(1), &first, seen).await,
        Touched::Recorded,
        "touch refused a live session (P9)"
    );
    let second = Sample::of(&first).next_revision().value("new", b"value").build();
    assert_eq!(
        store.replace(key(1), 1, &second, seen).await,
        Replaced::Stored,
        "a sighting must not count as a commit: touch leaves the revision as it is (P9)"
    );
    assert_eq!(
        store.load(key(1), seen).await,
        Some(second.seen(seen)),
        "replace has taken back a sighting that touch recorded meanwhile (P9)"
    );
}

pub(in super::super) async fn replace_brings_its_own_later_sighting(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).idle(60).build();
    store.put(key(1), &first).await;
    let later = sample::after(now, 50);
    let second = Sample::of(&first).next_revision().seen_at(later).build();
    assert_eq!(
        store.replace(key(1), 1, &second, later).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert_eq!(
        store.load(key(1), sample::after(now, 109)).await,
        Some(second),
        "a record that was replaced with a later sighting must live until the deadline that follows from it (P8)"
    );
    assert_eq!(
        store.load(key(1), sample::after(now, 110)).await,
        None,
        "it must end at that deadline (P8)"
    );
}

pub(in super::super) async fn replace_changes_the_lifetime(store: TestStore) {
    let now = sample::now();
    let day = Sample::new(now).idle(86_400).build();
    store.put(key(1), &day).await;
    let minute = Sample::of(&day).next_revision().idle(60).build();
    assert_eq!(
        store.replace(key(1), 1, &minute, now).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert_eq!(
        store.load(key(1), sample::after(now, 60)).await,
        None,
        "a lifetime that replace has shortened must count at once (P8)"
    );
    let week = Sample::of(&minute).next_revision().idle(7 * 86_400).build();
    assert_eq!(
        store.replace(key(1), 2, &week, sample::after(now, 59)).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert_eq!(
        store.load(key(1), sample::after(now, 86_400)).await,
        Some(week),
        "a lifetime that replace has extended must count at once (P8)"
    );
}

pub(in super::super) async fn replace_leaves_other_sessions_alone(store: TestStore) {
    let now = sample::now();
    let others: Vec<Record> = (0..8).map(|number| Sample::new(now).handle(number).build()).collect();
    for (number, record) in (0..).zip(&others) {
        store.put(key(number), record).await;
    }
    let changed = Sample::of(&others[3]).next_revision().value("new", b"value").build();
    assert_eq!(
        store.replace(key(3), 1, &changed, now).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    for (number, record) in (0..).zip(&others).filter(|(number, _)| *number != 3) {
        assert_eq!(
            store.load(key(number), now).await.as_ref(),
            Some(record),
            "replace changed another session"
        );
    }
}

pub(in super::super) async fn replace_leaves_the_owner_index_alone(store: TestStore) {
    let now = sample::now();
    let alice = sample::owner("alice");
    let first = Sample::new(now).handle(1).owner("alice").build();
    store.put(key(1), &first).await;
    let second = Sample::of(&first).next_revision().value("new", b"value").build();
    assert_eq!(
        store.replace(key(1), 1, &second, now).await,
        Replaced::Stored,
        "replace refused a live session"
    );
    assert_eq!(
        store.list(&alice, 10, now).await,
        vec![second],
        "after replace the session must be listed once, as it now is (P12)"
    );
}

pub(in super::super) async fn sixty_four_parallel_increments_make_sixty_four(store: TestStore) {
    let now = sample::now();
    let first = Sample::new(now).value("count", &0_u64.to_le_bytes()).build();
    store.put(key(1), &first).await;
    // All have loaded before any saves: 64 requests that came at once.
    let increments = (0..64).map(|_| {
        let (store, mut current) = (store.clone(), first.clone());
        async move {
            loop {
                let next = with_count(&current, count(&current) + 1);
                current = match store.replace(key(1), current.revision(), &next, now).await {
                    Replaced::Stored => return,
                    Replaced::Conflict(newer) => newer,
                    Replaced::Gone => panic!("replace answered Gone for a live session (P5)"),
                };
            }
        }
    });
    race(increments).await;
    let end = store.load(key(1), now).await.expect("the counter's session is live");
    assert_eq!(
        count(&end),
        64,
        "64 parallel increments with retries must make 64: an update was lost (P5)"
    );
    assert_eq!(
        end.revision(),
        65,
        "64 commits must have raised the revision from 1 to 65 (P5)"
    );
}

pub(in super::super) async fn of_parallel_replaces_with_one_revision_one_wins(store: TestStore) {
    let now = sample::now();
    for round in 0..8 {
        let first = Sample::new(now).value("count", &0_u64.to_le_bytes()).build();
        store.put(key(round), &first).await;
        let answers = race((0..16).map(|number| {
            let (store, next) = (store.clone(), with_count(&first, number));
            async move { store.replace(key(round), 1, &next, now).await }
        }))
        .await;
        let winners: Vec<u64> = (0..)
            .zip(&answers)
            .filter(|(_, answer)| **answer == Replaced::Stored)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(
            winners.len(),
            1,
            "of 16 parallel replaces that expect one revision exactly one may answer Stored (P5)"
        );
        let left = store.load(key(round), now).await.expect("the session is live");
        assert_eq!(
            count(&left),
            winners[0],
            "what loads is not what the winner has stored (P5)"
        );
        for answer in answers {
            match answer {
                Replaced::Stored => {}
                Replaced::Conflict(current) => {
                    assert_eq!(current, left, "Conflict must hand back what the winner left (P5)");
                }
                Replaced::Gone => panic!("replace answered Gone for a live session (P5)"),
            }
        }
    }
}
