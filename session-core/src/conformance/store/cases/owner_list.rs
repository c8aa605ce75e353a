//! An owner's sessions are listed newest first, page by page, exactly, also while they change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::conformance::sample::{self, Sample, after, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::record::Record;
use crate::store::{Cursor, Owned, Page, Revoke, Rotated, Touched};

/// Puts sessions of alice, one every ten seconds, the session of a number under the key of that number; oldest first.
async fn put_alices(store: &TestStore, many: u64) -> Vec<Record> {
    let now = sample::now();
    let mut records = Vec::new();
    for number in 0..many {
        let record = Sample::new(after(now, 10 * number))
            .handle(number)
            .owner("alice")
            .build();
        store.put(key(number), &record).await;
        records.push(record);
    }
    records
}

fn newest_first(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| (std::cmp::Reverse(record.created_at()), record.handle()));
    records
}

pub(in super::super) async fn an_owner_without_sessions_has_an_empty_list(store: TestStore) {
    let now = sample::now();
    store
        .put(key(1), &Sample::new(now).handle(1).owner("bob").build())
        .await;
    store.put(key(2), &Sample::new(now).handle(2).build()).await;
    let listed = store.list(&sample::owner("alice"), 10, now).await;
    assert_eq!(listed, vec![], "list answered sessions for an owner who has none (P12)");
}

pub(in super::super) async fn sessions_are_listed_newest_first(store: TestStore) {
    let records = put_alices(&store, 5).await;
    let listed = store.list(&sample::owner("alice"), 10, after(sample::now(), 60)).await;
    assert_eq!(
        listed,
        newest_first(records),
        "list must answer the owner's live sessions, the newest first (P12)"
    );
}

pub(in super::super) async fn sessions_that_began_together_are_ordered_by_handle(store: TestStore) {
    let now = sample::now();
    let mut records = Vec::new();
    for number in 0..12 {
        let record = Sample::new(now).handle(number).owner("alice").build();
        store.put(key(number), &record).await;
        records.push(record);
    }
    for limit in [1, 5, 20] {
        let listed = store.list(&sample::owner("alice"), limit, now).await;
        assert_eq!(
            listed,
            newest_first(records.clone()),
            "sessions that began in the same millisecond are ordered by handle, also across pages of {limit} (P12)"
        );
    }
}

pub(in super::super) async fn pages_of_every_size_cover_the_list_exactly(store: TestStore) {
    let expected = newest_first(put_alices(&store, 12).await);
    for limit in 1..=13 {
        let listed = store
            .list(&sample::owner("alice"), limit, after(sample::now(), 120))
            .await;
        assert_eq!(
            listed, expected,
            "pages of {limit} do not cover 12 sessions exactly once (P12)"
        );
    }
}

pub(in super::super) async fn a_list_shows_the_latest_sighting(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).handle(1).owner("alice").build();
    store.put(key(1), &record).await;
    let seen = after(now, 900);
    assert_eq!(
        store.touch(key(1), &record, seen).await,
        Touched::Recorded,
        "touch refused a live session"
    );
    let listed = store.list(&sample::owner("alice"), 10, seen).await;
    assert_eq!(
        listed,
        vec![record.seen(seen)],
        "list must show what load answers, the latest sighting included (P12)"
    );
}

pub(in super::super) async fn sessions_of_others_are_not_listed(store: TestStore) {
    let now = sample::now();
    // Names that an index could mix up if it cut, joined or matched them as patterns.
    let names = [
        "alice", "alice2", "alic", "Alice", "alice:1", "ali*", " alice", "alice ",
    ];
    for (number, name) in (0..).zip(names) {
        store
            .put(key(number), &Sample::new(now).handle(number).owner(name).build())
            .await;
    }
    for (number, name) in (0..).zip(names) {
        let listed = store.list(&sample::owner(name), 10, now).await;
        let handles: Vec<_> = listed.iter().map(Record::handle).collect();
        assert_eq!(
            handles,
            vec![sample::handle(number)],
            "the list of {name:?} is not exactly that owner's (P12)"
        );
    }
}

pub(in super::super) async fn an_expired_session_is_not_listed(store: TestStore) {
    let now = sample::now();
    store
        .put(key(1), &Sample::new(now).handle(1).owner("alice").idle(60).build())
        .await;
    let kept = Sample::new(now).handle(2).owner("alice").idle(61).build();
    store.put(key(2), &kept).await;
    let listed = store.list(&sample::owner("alice"), 1, after(now, 60)).await;
    assert_eq!(
        listed,
        vec![kept],
        "list shows a session that has expired, although nothing was swept (P8)"
    );
    assert_eq!(
        store.list(&sample::owner("alice"), 1, after(now, 61)).await,
        vec![],
        "list shows expired sessions (P8)"
    );
}

pub(in super::super) async fn a_touched_session_stays_listed(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).handle(1).owner("alice").idle(60).build();
    store.put(key(1), &record).await;
    for step in 1..=4 {
        assert_eq!(
            store.touch(key(1), &record, after(now, 50 * step)).await,
            Touched::Recorded,
            "touch was refused"
        );
    }
    let listed = store.list(&sample::owner("alice"), 10, after(now, 255)).await;
    assert_eq!(
        listed.len(),
        1,
        "a session that touches have extended is no longer listed (P12)"
    );
}

pub(in super::super) async fn a_cursor_outlives_its_session(store: TestStore) {
    let expected = newest_first(put_alices(&store, 6).await);
    let alice = sample::owner("alice");
    let now = after(sample::now(), 60);
    let mut listed = Vec::new();
    let next = store
        .list_page(&alice, None, 2, now, &mut listed)
        .await
        .expect("there are more pages");
    store.revoke(&alice, Revoke::One(next.handle), now).await;
    let newcomer = Sample::new(after(now, 60)).handle(50).owner("alice").build();
    store.put(key(50), &newcomer).await;
    let mut after = Some(next);
    while after.is_some() {
        after = store.list_page(&alice, after, 2, now, &mut listed).await;
    }
    assert_eq!(
        listed, expected,
        "the walk must go on behind its cursor although that session was revoked and a newer one came (P12)"
    );
}

pub(in super::super) async fn a_page_starts_behind_any_cursor(store: TestStore) {
    let expected = newest_first(put_alices(&store, 4).await);
    let alice = sample::owner("alice");
    let now = after(sample::now(), 60);
    for (position, record) in expected.iter().enumerate() {
        let mut listed = Vec::new();
        store
            .list_page(&alice, Some(Cursor::of(record)), 10, now, &mut listed)
            .await;
        assert_eq!(
            listed,
            expected[position + 1..],
            "a page must start right behind its cursor (P12)"
        );
    }
}

pub(in super::super) async fn a_walk_is_exact_while_sessions_come_and_go(store: TestStore) {
    let lasting = newest_first(put_alices(&store, 20).await);
    let now = after(sample::now(), 200);
    let done = Arc::new(AtomicBool::new(false));
    let walks = race((0..3_u64).map(|task| {
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            let alice = sample::owner("alice");
            if task == 0 {
                let mut walks = Vec::new();
                for limit in [1, 2, 3, 7, 1, 2, 3, 7] {
                    walks.push(store.list(&alice, limit, now).await);
                    tokio::task::yield_now().await;
                }
                done.store(true, Ordering::SeqCst);
                return walks;
            }
            // Sessions before, between and behind the lasting ones.
            for number in (1000 * task)..(1000 * task + 300) {
                let began = after(lasting_start(now), number % 19 * 10 + 5);
                let record = Sample::new(began).handle(number).owner("alice").build();
                store.put(key(number), &record).await;
                if task == 1 {
                    store.revoke(&alice, Revoke::One(record.handle()), now).await;
                } else {
                    store.delete(key(number)).await;
                }
                if done.load(Ordering::SeqCst) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Vec::new()
        }
    }))
    .await;
    for walk in walks.into_iter().flatten() {
        let seen: Vec<Record> = walk.into_iter().filter(|record| lasting.contains(record)).collect();
        assert_eq!(
            seen, lasting,
            "sessions that are live throughout must be on exactly one page each while others come and go (P12)"
        );
    }
}

/// When the first of twenty lasting sessions began, give or take the time that storing them took.
fn lasting_start(now: crate::clock::Timestamp) -> crate::clock::Timestamp {
    crate::clock::Timestamp::from_unix_millis(now.unix_millis() - 200_000)
}

pub(in super::super) async fn a_session_that_is_renewed_meanwhile_stays_listed(store: TestStore) {
    let records = put_alices(&store, 6).await;
    let now = after(sample::now(), 60);
    let answers = race((0..2_u64).map(|task| {
        let (store, mut record) = (store.clone(), records[3].clone());
        async move {
            let mut counts = Vec::new();
            for step in 0..40 {
                if task == 0 {
                    let listed = store.list(&sample::owner("alice"), 4, now).await;
                    counts.push(
                        listed
                            .iter()
                            .filter(|listed| listed.handle() == record.handle())
                            .count(),
                    );
                } else {
                    let next = Sample::of(&record).next_revision().build();
                    let (old, new) = (if step == 0 { key(3) } else { key(1000 + step) }, key(1001 + step));
                    let rotated = store.rotate((old, new), record.revision(), &next, now).await;
                    assert_eq!(rotated, Rotated::Stored, "rotate refused a live session");
                    record = next;
                }
                tokio::task::yield_now().await;
            }
            counts
        }
    }))
    .await;
    for count in answers.into_iter().flatten() {
        assert_eq!(
            count, 1,
            "a session that is renewed while its owner's list is read must be listed once (P12)"
        );
    }
}

pub(in super::super) async fn a_list_names_where_each_session_is_stored(store: TestStore) {
    let now = sample::now();
    let records = put_alices(&store, 3).await;
    let renewed = Sample::of(&records[1]).next_revision().build();
    let rotated = store
        .rotate((key(1), key(9)), records[1].revision(), &renewed, now)
        .await;
    assert_eq!(rotated, Rotated::Stored, "a session of the owner could not be renewed");
    let all = Page { after: None, limit: 10 };
    let page = store.index().list(&sample::owner("alice"), all, now).await;
    let page = page.expect("a list on a store without faults");
    for Owned { key, record } in page.sessions {
        let stored = store.load(key, now).await.map(|stored| stored.handle());
        assert_eq!(
            stored,
            Some(record.handle()),
            "a list names a key under which another session is stored, or none (P12)"
        );
    }
}
