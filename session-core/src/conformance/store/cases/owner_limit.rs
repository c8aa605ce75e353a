//! How many sessions an owner may have: a login is counted in the step that stores it (P12).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Timestamp;
use crate::conformance::sample::{self, Sample, after, handle, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::error::Result;
use crate::id::Handle;
use crate::record::Record;
use crate::store::{Admission, Created, OwnerLimit, Replaced, Revoke, Rotated};

/// The session of that number: they begin one second after the other.
fn alices(number: u64, start: Timestamp) -> Record {
    let at = after(start, number);
    Sample::new(at).handle(number).owner("alice").build()
}

fn visitor(number: u64, start: Timestamp) -> Record {
    Sample::new(start).handle(number).build()
}

fn signed_in(visitor: &Record, at: Timestamp) -> Record {
    let sample = Sample::of(visitor).next_revision().created_at(at);
    sample.seen_at(at).owner("alice").build()
}

fn limited(store: &TestStore, limit: Result<OwnerLimit>) -> Admission {
    Admission {
        began: store.epoch(),
        limit: Some(limit.expect("a case allows at least one session")),
    }
}

async fn put_alices(store: &TestStore, numbers: std::ops::Range<u64>, start: Timestamp) {
    for number in numbers {
        store.put(key(number), &alices(number, start)).await;
    }
}

async fn handles(store: &TestStore, now: Timestamp) -> Vec<Handle> {
    let alice = sample::owner("alice");
    store.list(&alice, 100, now).await.iter().map(Record::handle).collect()
}

/// The handles of these numbers.
fn of<const N: usize>(numbers: [u64; N]) -> Vec<Handle> {
    numbers.map(handle).to_vec()
}

pub(in super::super) async fn a_login_beyond_the_limit_is_refused_and_changes_nothing(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..4, start).await;
    let guest = visitor(5, now);
    store.put(key(5), &guest).await;
    let terms = limited(&store, OwnerLimit::refuse(3));
    assert_eq!(
        store.create_on(key(4), &alices(4, start), terms, now).await,
        Created::Full,
        "create stored a fourth session where three are allowed (P12)"
    );
    assert_eq!(
        store
            .rotate_on((key(5), key(6)), 1, &signed_in(&guest, now), now, terms)
            .await,
        Rotated::Full,
        "rotate signed in to a fourth session where three are allowed (P12)"
    );
    for number in [4, 6] {
        let left = store.load(key(number), now).await;
        assert_eq!(left, None, "a login that was refused is alive (P12)");
    }
    assert_eq!(
        store.load(key(5), now).await,
        Some(guest),
        "a login that was refused must leave the visitor's session as it was (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([3, 2, 1]),
        "a login that was refused has changed the owner's list (P12)"
    );
}

pub(in super::super) async fn a_login_beyond_the_limit_ends_exactly_the_oldest(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..4, start).await;
    let guest = visitor(5, now);
    store.put(key(5), &guest).await;
    let terms = limited(&store, OwnerLimit::end_oldest(3));
    assert_eq!(
        store.create_on(key(4), &alices(4, start), terms, now).await,
        Created::Displaced(of([1])),
        "create beyond the limit must end the session that began first, and say so (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([4, 3, 2]),
        "create beyond the limit must end the oldest session and no other (P12)"
    );
    assert_eq!(
        store
            .rotate_on((key(5), key(6)), 1, &signed_in(&guest, now), now, terms)
            .await,
        Rotated::Displaced(of([2])),
        "a login by rotation beyond the limit must end the session that began first, and say so (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([5, 4, 3]),
        "a login by rotation beyond the limit must end the oldest session and no other (P12)"
    );
    for number in [1, 2, 5] {
        let left = store.load(key(number), now).await;
        assert_eq!(
            left, None,
            "a session that made room for a newer one must be dead at once (P12)"
        );
    }
    for number in [3, 4, 6] {
        let kept = store.load(key(number), now).await;
        assert!(kept.is_some(), "a session that had not to make room is gone (P12)");
    }
}

pub(in super::super) async fn nothing_revives_a_session_that_made_room(store: TestStore) {
    let start = sample::now();
    put_alices(&store, 1..2, start).await;
    let now = after(start, 60);
    let terms = limited(&store, OwnerLimit::end_oldest(1));
    let created = store.create_on(key(2), &alices(2, start), terms, now).await;
    assert_eq!(
        created,
        Created::Displaced(of([1])),
        "the only other session must make room (P12)"
    );
    let late = Sample::of(&alices(1, start)).next_revision().build();
    let replaced = store.replace(key(1), 1, &late, now).await;
    assert_eq!(
        replaced,
        Replaced::Gone,
        "a late replace revived a session that had made room (P6)"
    );
    let rotated = store.rotate((key(1), key(3)), 1, &late, now).await;
    assert_eq!(
        rotated,
        Rotated::Gone,
        "a late rotation revived a session that had made room (P6)"
    );
}

pub(in super::super) async fn sessions_that_began_together_make_room_in_the_order_of_the_list(store: TestStore) {
    let now = sample::now();
    for number in 1..4 {
        let together = Sample::new(now).handle(number).owner("alice").build();
        store.put(key(number), &together).await;
    }
    let listed = handles(&store, now).await;
    let later = after(now, 1);
    let terms = limited(&store, OwnerLimit::end_oldest(3));
    assert_eq!(
        store.create_on(key(9), &alices(9, now), terms, later).await,
        Created::Displaced(listed[2..].to_vec()),
        "of sessions that began together the last one of the list must make room (P12)"
    );
}

pub(in super::super) async fn a_limit_that_was_lowered_ends_as_many_as_it_takes(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..7, start).await;
    let terms = limited(&store, OwnerLimit::end_oldest(2));
    let created = store.create_on(key(7), &alices(7, start), terms, now).await;
    let Created::Displaced(mut ended) = created else {
        panic!("a login beyond a limit that was lowered answered {created:?} (P12)");
    };
    ended.sort();
    let mut expected = of([1, 2, 3, 4, 5]);
    expected.sort();
    assert_eq!(ended, expected, "all but the newest must make room (P12)");
    assert_eq!(
        handles(&store, now).await,
        of([7, 6]),
        "a login has left more sessions than its limit allows (P12)"
    );
}

pub(in super::super) async fn expired_sessions_do_not_count(store: TestStore) {
    let start = sample::now();
    for number in 1..4 {
        let short = Sample::new(after(start, number)).handle(number).owner("alice").idle(60);
        store.put(key(number), &short.build()).await;
    }
    let now = after(start, 600);
    let refuse = limited(&store, OwnerLimit::refuse(2));
    assert_eq!(
        store.create_on(key(601), &alices(601, start), refuse, now).await,
        Created::Stored,
        "a login was refused because of sessions that had expired: nobody could sign in until the cleaner came by (P12)"
    );
    let end_oldest = limited(&store, OwnerLimit::end_oldest(2));
    assert_eq!(
        store.create_on(key(602), &alices(602, start), end_oldest, now).await,
        Created::Stored,
        "a login has ended sessions although there was room: what had expired was counted (P12)"
    );
    let terms = limited(&store, OwnerLimit::refuse(2));
    assert_eq!(
        store.create_on(key(603), &alices(603, start), terms, now).await,
        Created::Full,
        "live sessions beside expired ones were not counted (P12)"
    );
}

pub(in super::super) async fn a_touched_session_counts_until_its_new_deadline(store: TestStore) {
    let start = sample::now();
    let busy = Sample::new(start).handle(1).owner("alice").idle(60).build();
    store.put(key(1), &busy).await;
    let _ = store.touch(key(1), &busy, after(start, 50)).await;
    let terms = limited(&store, OwnerLimit::refuse(1));
    assert_eq!(
        store
            .create_on(key(2), &alices(2, start), terms, after(start, 100))
            .await,
        Created::Full,
        "a session that was seen lately did not count (P12)"
    );
    assert_eq!(
        store
            .create_on(key(2), &alices(2, start), terms, after(start, 110))
            .await,
        Created::Stored,
        "a session that ended at its deadline still counts (P12)"
    );
}

pub(in super::super) async fn a_renewal_and_a_login_to_the_same_session_do_not_count(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    for (round, limit) in [(0, OwnerLimit::refuse(2)), (1, OwnerLimit::end_oldest(2))] {
        let [one, two, renewed, again] = [1, 2, 3, 4].map(|number| 10 * round + number);
        put_alices(&store, one..two + 1, start).await;
        let terms = limited(&store, limit);
        let renewal = Sample::of(&alices(one, start)).next_revision().build();
        assert_eq!(
            store.rotate_on((key(one), key(renewed)), 1, &renewal, now, terms).await,
            Rotated::Stored,
            "a renewal was counted as one more session (P12)"
        );
        let login = signed_in(&renewal, now);
        assert_eq!(
            store.rotate_on((key(renewed), key(again)), 2, &login, now, terms).await,
            Rotated::Stored,
            "a login to a session that is the owner's already was counted as one more (P12)"
        );
        assert_eq!(
            handles(&store, now).await,
            [handle(one), handle(two)],
            "a renewal or a login to the same session has ended another one (P12)"
        );
        store.revoke(&sample::owner("alice"), Revoke::All, now).await;
    }
}

pub(in super::super) async fn a_limit_is_for_each_owner_alone(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..4, start).await;
    let terms = limited(&store, OwnerLimit::end_oldest(1));
    let bobs = Sample::new(now).handle(9).owner("bob").build();
    assert_eq!(
        store.create_on(key(9), &bobs, terms, now).await,
        Created::Stored,
        "sessions of another owner were counted (P12)"
    );
    let nobodys = visitor(10, now);
    assert_eq!(
        store.create_on(key(10), &nobodys, terms, now).await,
        Created::Stored,
        "a session without owner was counted (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([3, 2, 1]),
        "a login has ended sessions of another owner (P12)"
    );
}

pub(in super::super) async fn a_change_of_owner_counts_for_the_new_one_and_frees_room_of_the_old_one(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..3, start).await;
    let bobs = Sample::new(start).handle(3).owner("bob").build();
    store.put(key(3), &bobs).await;
    let refuse = |most| limited(&store, OwnerLimit::refuse(most));
    let to_alice = signed_in(&bobs, now);
    assert_eq!(
        store.rotate_on((key(3), key(4)), 1, &to_alice, now, refuse(2)).await,
        Rotated::Full,
        "a session that changes its owner is one more of the new owner (P12)"
    );
    assert_eq!(
        store.rotate_on((key(3), key(4)), 1, &to_alice, now, refuse(3)).await,
        Rotated::Stored,
        "a session that changes its owner has room as any login has (P12)"
    );
    let bob_again = Sample::new(now).handle(5).owner("bob").build();
    assert_eq!(
        store.create_on(key(5), &bob_again, refuse(1), now).await,
        Created::Stored,
        "a session that went to another owner still counts for the old one (P12)"
    );
}

pub(in super::super) async fn a_revoked_or_deleted_session_makes_room(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..3, start).await;
    let alice = sample::owner("alice");
    let terms = limited(&store, OwnerLimit::refuse(2));
    store.revoke(&alice, Revoke::One(handle(1)), now).await;
    assert_eq!(
        store.create_on(key(3), &alices(3, start), terms, now).await,
        Created::Stored,
        "a session that was revoked still counts (P12)"
    );
    store.delete(key(2)).await;
    assert_eq!(
        store.create_on(key(4), &alices(4, start), terms, now).await,
        Created::Stored,
        "a session that was deleted still counts (P12)"
    );
}

pub(in super::super) async fn a_login_that_a_revocation_refuses_ends_nothing(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..3, start).await;
    let late = limited(&store, OwnerLimit::end_oldest(1));
    let alice = sample::owner("alice");
    store.revoke(&alice, Revoke::Others(handle(2)), now).await;
    assert_eq!(
        store.create_on(key(3), &alices(3, start), late, now).await,
        Created::Revoked,
        "a login that began before a revocation must be refused, whatever its limit (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([2]),
        "a login that was refused has ended a session (P12)"
    );
}

pub(in super::super) async fn a_collision_ends_nothing(store: TestStore) {
    let start = sample::now();
    let now = after(start, 60);
    put_alices(&store, 1..3, start).await;
    let guest = visitor(5, now);
    store.put(key(5), &guest).await;
    let terms = limited(&store, OwnerLimit::end_oldest(1));
    assert_eq!(
        store.create_on(key(2), &alices(3, start), terms, now).await,
        Created::Collision,
        "create onto a key that is taken must be a collision, and end nothing (P12)"
    );
    assert_eq!(
        store
            .rotate_on((key(5), key(2)), 1, &signed_in(&guest, now), now, terms)
            .await,
        Rotated::Collision,
        "rotate onto a key that is taken must be a collision, and end nothing (P12)"
    );
    assert_eq!(
        handles(&store, now).await,
        of([2, 1]),
        "a login that met a collision has ended a session (P12)"
    );
}

/// 64 logins at once, half by create and half by rotation, while others list: at no moment are there more than the limit.
async fn race_logins(store: &TestStore, limit: Result<OwnerLimit>, round: u64) -> usize {
    let start = sample::now();
    let now = after(start, 120);
    let terms = limited(store, limit);
    let most = terms.limit.map_or(usize::MAX, |limit| limit.most());
    let number_of = move |login: u64| 1000 * round + login;
    for login in (0..64).filter(|login| login % 2 == 1) {
        store
            .put(key(number_of(login)), &visitor(number_of(login), start))
            .await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let watching: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = 0;
                while !done.load(Ordering::SeqCst) {
                    seen = seen.max(handles(&store, now).await.len());
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    let stored = race((0..64_u64).map(|login| {
        let store = store.clone();
        async move {
            let number = number_of(login);
            if login % 2 == 0 {
                let created = store.create_on(key(number), &alices(number, start), terms, now).await;
                matches!(created, Created::Stored | Created::Displaced(_))
            } else {
                let record = signed_in(&visitor(number, start), after(start, login));
                let keys = (key(number), key(number + 500));
                let rotated = store.rotate_on(keys, 1, &record, now, terms).await;
                matches!(rotated, Rotated::Stored | Rotated::Displaced(_))
            }
        }
    }))
    .await;
    done.store(true, Ordering::SeqCst);
    for watcher in watching {
        let seen = watcher
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        assert!(
            seen <= most,
            "beside parallel logins {seen} sessions of one owner were listed where {most} are allowed (P12)"
        );
    }
    let mut alive = 0;
    for number in (0..64).map(number_of) {
        alive += usize::from(store.load(key(number + 500), now).await.is_some());
        let here = store.load(key(number), now).await;
        alive += usize::from(here.is_some_and(|record| record.owner().is_some()));
    }
    let listed = handles(store, now).await.len();
    assert_eq!(
        (alive, listed),
        (most, most),
        "64 parallel logins must leave exactly as many sessions as are allowed, alive and listed (P12)"
    );
    stored.into_iter().filter(|stored| *stored).count()
}

pub(in super::super) async fn of_64_parallel_logins_as_many_succeed_as_the_limit_allows(store: TestStore) {
    for round in 0..4 {
        let stored = race_logins(&store, OwnerLimit::refuse(5), round).await;
        assert_eq!(
            stored, 5,
            "of 64 parallel logins with a limit of 5 exactly 5 must succeed (P12)"
        );
        store.revoke(&sample::owner("alice"), Revoke::All, sample::now()).await;
    }
}

pub(in super::super) async fn of_64_parallel_logins_as_many_stay_as_the_limit_allows(store: TestStore) {
    for round in 0..4 {
        let stored = race_logins(&store, OwnerLimit::end_oldest(5), round).await;
        assert_eq!(stored, 64, "a login that may end older sessions was refused (P12)");
        store.revoke(&sample::owner("alice"), Revoke::All, sample::now()).await;
    }
}

/// Logins that began before a revocation neither survive it nor end what began after it.
pub(in super::super) async fn a_limit_holds_beside_a_revocation(store: TestStore) {
    let start = sample::now();
    let now = after(start, 600);
    let alice = sample::owner("alice");
    for round in 0..8_u64 {
        let terms = limited(&store, OwnerLimit::end_oldest(3));
        race((0..=16_u64).map(|login| {
            let (store, alice) = (store.clone(), alice.clone());
            async move {
                if login == 2 * round {
                    store.revoke(&alice, Revoke::All, now).await;
                    return;
                }
                let number = 100 * round + login;
                let _ = store.create_on(key(number), &alices(number, start), terms, now).await;
            }
        }))
        .await;
        assert_eq!(
            handles(&store, now).await,
            of([]),
            "a login that began before revoke-all answered is alive after it (P12)"
        );
        let number = 100 * round + 99;
        let terms = limited(&store, OwnerLimit::refuse(1));
        assert_eq!(
            store.create_on(key(number), &alices(number, start), terms, now).await,
            Created::Stored,
            "after revoke-all there must be room (P12)"
        );
    }
}
