//! When the committer syncs, how many it answers at once, and how long it waits before it opens the database again.

use session_core::{OwnerLimit, Revocations};

use super::*;

fn create(number: u64, admission: Admission) -> (Request, tokio::sync::oneshot::Receiver<Result<Created>>) {
    let (reply, answer) = Reply::channel();
    let request = Request::Create {
        key: key(number),
        record: sample(number).owner("alice").record(),
        admission,
        now: at(START),
        reply,
    };
    (request, answer)
}

/// Whether what a step committed is synced when it ends.
fn is_synced(committer: &Committer) -> bool {
    committer.unsynced_since.get().is_none()
}

#[test]
fn a_relaxed_write_is_synced_at_once_only_if_everything_is_to_be_durable() {
    for (durability, synced) in [(Durability::Process, false), (Durability::PowerLoss, true)] {
        let home = tempfile::tempdir().unwrap();
        let (send, mut committer) = by_hand(home.path(), durability);
        committer.sync();
        let (request, answer) = create(1, Admission::default());
        send.send(request).unwrap();
        let _ = committer.step();
        assert_eq!(answer.blocking_recv().unwrap().unwrap(), Created::Stored);
        assert_eq!(is_synced(&committer), synced, "{durability:?}");
    }
}

#[test]
fn a_login_that_ends_another_session_is_durable() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    committer.sync();
    let began = Revocations::new().epoch();
    let admission = || Admission::new(began).with_limit(OwnerLimit::end_oldest(1).unwrap());
    let (first, _answer) = create(1, admission());
    let (second, answer) = create(2, admission());
    send.send(first).unwrap();
    let _ = committer.step();
    assert!(!is_synced(&committer));
    send.send(second).unwrap();
    let _ = committer.step();
    assert!(matches!(
        answer.blocking_recv().unwrap().unwrap(),
        Created::Displaced(_)
    ));
    assert!(is_synced(&committer), "what was ended may come back");
}

#[test]
fn what_is_committed_is_synced_after_its_time_and_not_before() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    // Nobody asks for anything: the step is over when the time is.
    let since = Instant::now() - SYNC_AFTER + Duration::from_millis(50);
    committer.unsynced_since.set(Some(since));
    let _ = committer.step();
    assert!(is_synced(&committer));
    assert!(since.elapsed() >= SYNC_AFTER);
    // Somebody always asks for something: the group that is behind time syncs.
    committer.unsynced_since.set(Some(Instant::now() - SYNC_AFTER));
    let (request, _answer) = create(1, Admission::default());
    send.send(request).unwrap();
    let _ = committer.step();
    assert!(is_synced(&committer));
}

#[test]
fn a_group_is_no_larger_than_its_bound() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    for _ in 0..GROUP + 10 {
        let (reply, _answer) = Reply::channel();
        send.send(Request::Delete { key: key(1), reply }).unwrap();
    }
    let _ = committer.step();
    assert_eq!(send.len(), 10);
}

#[test]
fn a_store_that_is_down_waits_before_it_opens_and_longer_each_time() {
    let home = tempfile::tempdir().unwrap();
    let (_send, mut committer) = by_hand(home.path(), Durability::Process);
    for pause in [FIRST_PAUSE, 2 * FIRST_PAUSE] {
        committer.take_down();
        let start = Instant::now();
        let _ = committer.step();
        assert!(start.elapsed() >= pause);
        assert!(committer.tables.is_some(), "it is open again");
    }
    committer.sync();
    assert_eq!(committer.pause, FIRST_PAUSE, "a sync shows that the disk takes writes");
}

#[test]
fn a_store_that_is_down_waits_for_those_who_walk_and_not_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let (_send, mut committer) = by_hand(home.path(), Durability::Process);
    let walking = committer.permit.clone();
    let start = Instant::now();
    committer.take_down();
    let _ = committer.step();
    assert!(start.elapsed() >= FIRST_PAUSE + LET_GO);
    assert!(committer.tables.is_some(), "it is open again");
    assert!(walking.check(home.path()).is_err());
}

#[tokio::test]
async fn a_chunk_of_a_sweep_looks_at_a_bounded_number_of_places() {
    let home = tempfile::tempdir().unwrap();
    let store = FjallStore::open(home.path()).unwrap();
    let count = REAP as u64 + 3;
    for number in 0..count {
        let created = store.create(key(number), sample(number).record(), Admission::default(), at(START));
        assert_eq!(created.await.unwrap(), Created::Stored);
    }
    let now = Timestamp::MAX;
    let limit = usize::MAX;
    let mut chunks = Vec::new();
    for _ in 0..2 {
        let reaped = store.ask(|reply| Request::Reap { now, limit, reply }).await.unwrap();
        chunks.push((reaped.removed, reaped.rest));
    }
    assert_eq!(chunks, [(REAP, Rest::Something), (3, Rest::Nothing)]);
}
