//! What the committer does when the engine fails under it.

use session_core::{Admission, Created, Deleted, Error, ErrorKind, OwnerIndex, Revoke, Store, Timestamp};

use super::request::{Reply, Request};
use crate::FjallStore;
use support::{START, at, key, sample};

#[path = "../../tests/support/mod.rs"]
mod support;

/// Asks until the store is up again; the committer paces itself, so nothing here waits longer than it does.
async fn until_up<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn survives(failure: fn(Reply<()>) -> Request) {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    let record = || sample(1).owner("alice").record();
    let created = store
        .create(key(1), record(), Admission::default(), Timestamp::default())
        .await
        .unwrap();
    assert_eq!(created, Created::Stored);
    let began = store.epoch();
    let owner = session_core::Owner::new("alice").unwrap();

    let error = store.ask(failure).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = store.delete(key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = store.load(key(1), at(START)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let loaded = until_up(async || store.load(key(1), at(START)).await).await;
    assert_eq!(loaded, Some(record()));
    // The history of revocations outlives the database.
    assert_eq!(store.revoke(&owner, Revoke::All, at(START)).await.unwrap(), 1);
    assert_eq!(
        store
            .create(key(2), record(), began.into(), Timestamp::default())
            .await
            .unwrap(),
        Created::Revoked
    );
    assert_eq!(store.delete(key(1)).await.unwrap(), Deleted::Absent);
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_failed_write_makes_the_store_unavailable_until_it_is_open_again() {
    survives(|reply| Request::Break { reply }).await;
}

#[tokio::test]
async fn a_panic_leaves_no_caller_hanging_and_the_store_opens_again() {
    survives(|reply| Request::Panic { reply }).await;
}

#[tokio::test]
async fn a_store_that_is_down_can_be_closed_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let _: Error = store.ask(|reply| Request::Break { reply }).await.unwrap_err();
    assert_eq!(store.close().await.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(store);
    FjallStore::open(folder.path()).unwrap();
}

#[test]
fn absent_is_durable_too_after_the_store_was_reopened() {
    use super::*;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sessions");
    let mut folder = Folder::claim(&path).unwrap();
    let tables = Tables::open(&mut folder, 1 << 20).unwrap();
    let state = RwLock::new(State::Open(tables.clone()));
    let shared = Arc::new(Shared {
        path,
        state,
        revocations: Revocations::new(),
    });
    let (send, waiting) = flume::bounded(16);
    let mut committer = Committer::new(shared, waiting, folder, tables, 1 << 20, Durability::Process);

    let (reply, _created) = Reply::channel();
    let record = sample(1).owner("alice").record();
    send.send(Request::Create {
        key: key(1),
        record,
        admission: Admission::default(),
        now: Timestamp::default(),
        reply,
    })
    .unwrap();
    let _ = committer.step();
    committer.sync();
    let (reply, first) = Reply::channel();
    send.send(Request::Delete { key: key(1), reply }).unwrap();
    let (reply, _broken) = Reply::channel();
    send.send(Request::Break { reply }).unwrap();
    let _ = committer.step();
    assert!(first.recv().unwrap().is_err(), "not durable, and said so");
    let _ = committer.step();
    assert!(committer.tables.is_some(), "it is open again");
    let (reply, again) = Reply::channel();
    send.send(Request::Delete { key: key(1), reply }).unwrap();
    let _ = committer.step();
    assert_eq!(again.recv().unwrap().unwrap(), Deleted::Absent);
    assert!(
        committer.unsynced_since.is_none(),
        "the answer rests on a delete that nothing has synced"
    );
}

#[tokio::test]
async fn a_mend_looks_again_and_leaves_alone_what_is_sound_by_now() {
    use super::Mend;
    use crate::layout;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).owner("alice").record();
    let created = store
        .create(key(1), record.clone(), Admission::default(), at(START))
        .await;
    assert_eq!(created.unwrap(), Created::Stored);
    let what = vec![
        Mend::Session(key(1)),
        Mend::Session(key(2)),
        Mend::Deadline(layout::deadline_key(record.expires_at(), key(1)).to_vec()),
        Mend::Owner(layout::owner_key(&record).unwrap().to_vec()),
        Mend::Damaged(key(1)),
    ];
    let mended = store.ask(|reply| Request::Mend { what, reply }).await.unwrap();
    assert_eq!(mended, 0);
    assert_eq!(store.load(key(1), at(START)).await.unwrap(), Some(record));
    assert_eq!(store.verify().unwrap(), 1);
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_restored_session_takes_no_place_that_leads_to_another_record() {
    use super::Restored;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).owner("alice").record();
    let restore = async |number| {
        let restored = store.ask(|reply| Request::Restore {
            key: key(number),
            record: record.clone(),
            began: store.epoch(),
            now: at(START),
            reply,
        });
        restored.await.unwrap()
    };
    assert_eq!(restore(1).await, Restored::Stored);
    assert_eq!(restore(1).await, Restored::Present);
    assert_eq!(restore(2).await, Restored::Superseded);
    assert_eq!(store.verify().unwrap(), 1);
}
