//! What the committer does when the engine fails under it; [`pace`]: when it syncs, answers and opens again; [`killed`]: what a kill
//! leaves; [`clearing`]: what it keeps in mind of clearings.

mod clearing;
mod damage;
#[cfg(unix)]
mod killed;
mod pace;

use session_core::{Admission, Created, Deleted, Error, ErrorKind, OwnerIndex, Revoke, Store, Timestamp};

use super::request::{Reply, Request};
use super::*;
use crate::FjallStore;
use crate::support::{START, at, key, sample};

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

/// A committer whose steps are taken by hand, and where requests for it go.
fn by_hand(path: &Path, durability: Durability) -> (flume::Sender<Request>, Committer) {
    let mut folder = Folder::claim(path).unwrap();
    let tables = Tables::open(&mut folder, 1 << 20).unwrap();
    let permit = Permit::default();
    let state = RwLock::new(State::Open(tables.clone(), permit.clone()));
    let shared = Arc::new(Shared {
        path: path.to_owned(),
        state,
        cache: RecordCache::new(1 << 20),
        revocations: Revocations::new(),
    });
    let (send, waiting) = flume::bounded(1024);
    let committer = Committer::new(shared, waiting, folder, (tables, permit), 1 << 20, durability);
    (send, committer)
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
async fn what_is_loaded_after_a_failure_is_what_the_database_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).record();
    let created = store.create(key(1), record, Admission::default(), at(START)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    // As if its commit had been lost: the cache alone has it.
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    tables.records.remove(key(1).as_bytes()).unwrap();
    drop(tables);
    assert!(store.load(key(1), at(START)).await.unwrap().is_some());
    let _: Error = store.ask(|reply| Request::Break { reply }).await.unwrap_err();
    assert!(store.delete(key(1)).await.is_err(), "it is down by now");
    assert!(
        store.load(key(1), at(START)).await.is_err(),
        "nothing is loaded from memory"
    );
    let loaded = until_up(async || store.load(key(1), at(START)).await).await;
    assert_eq!(loaded, None);
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

#[tokio::test]
async fn a_walk_does_not_keep_a_failed_store_from_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    let record = sample(1).record();
    let created = store.create(key(1), record, Admission::default(), at(START)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    let (began, walking) = flume::bounded(1);
    let walker = store.clone();
    let walk = std::thread::spawn(move || {
        walker.stats(at(START), |_| {
            let _ = began.try_send(());
            while walker.read(|_| Ok(())).is_ok() {
                std::thread::yield_now();
            }
        })
    });
    walking.recv_async().await.unwrap();
    let _: Error = store.ask(|reply| Request::Break { reply }).await.unwrap_err();
    until_up(async || store.load(key(1), at(START)).await).await;
    let error = walk.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("reopened"), "{error}");
}

#[test]
fn closing_out_of_a_walk_is_an_error_and_no_deadlock() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    let mut closed = None;
    let walked = store.stats(at(START), |_| {
        closed.get_or_insert_with(|| store.ask_blocking(|reply| Request::Close { reply }));
    });
    let error = closed.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("walk"), "{error}");
    drop(walked);
    drop(store);
    FjallStore::open(folder.path().join("sessions")).unwrap();
}

/// Tokio lets a task wait a number of times and then holds every answer back until the task yields, which one that blocks never does.
#[test]
fn a_task_may_block_for_any_number_of_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    let (done, wait) = flume::bounded(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for number in 0..1000 {
                let key = key(number);
                store.ask_blocking(|reply| Request::Delete { key, reply }).unwrap();
            }
        });
        done.send(()).unwrap();
    });
    assert_eq!(
        wait.recv_timeout(Duration::from_secs(30)),
        Ok(()),
        "an answer is held back"
    );
}

#[test]
fn absent_is_durable_too_after_the_store_was_reopened() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(&home.path().join("sessions"), Durability::Process);

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
    assert!(first.blocking_recv().unwrap().is_err(), "not durable, and said so");
    let _ = committer.step();
    assert!(committer.tables.is_some(), "it is open again");
    let (reply, again) = Reply::channel();
    send.send(Request::Delete { key: key(1), reply }).unwrap();
    let _ = committer.step();
    assert_eq!(again.blocking_recv().unwrap().unwrap(), Deleted::Absent);
    assert!(
        committer.unsynced_since.get().is_none(),
        "the answer rests on a delete that nothing has synced"
    );
}

#[test]
fn what_was_committed_is_to_be_synced_whatever_becomes_of_the_request() {
    use super::write::Writer;
    let home = tempfile::tempdir().unwrap();
    let mut folder = Folder::claim(home.path()).unwrap();
    let tables = Tables::open(&mut folder, 1 << 20).unwrap();
    let unsynced_since = Cell::new(None);
    let mut writer = Writer {
        tables: &tables,
        path: home.path(),
        cache: &RecordCache::new(1 << 20),
        revocations: &Revocations::new(),
        low_water: &mut [0; DEADLINE_KEY],
        clearings: &mut Vec::new(),
        unsynced_since: &unsynced_since,
    };
    let deleted = writer.delete(key(1));
    assert!(matches!(deleted, Ok(Deleted::Absent)));
    assert_eq!(unsynced_since.get(), None, "nothing was committed");
    let began = Instant::now();
    let created = writer.create(key(1), sample(1).record(), Admission::default(), at(START));
    // As if the request had failed after its commit: the answer is not looked at.
    drop(created);
    let first = unsynced_since.get().unwrap();
    assert!(first >= began);
    let _ = writer.delete(key(1));
    assert_eq!(unsynced_since.get(), Some(first), "the oldest one counts");
}

#[tokio::test]
async fn what_a_clearing_leaves_in_owners_lists_goes_a_chunk_at_a_time() {
    use super::Leftovers;
    use super::sweep::CHUNK;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    for number in 0..600 {
        let record = sample(number).owner(&format!("user {number}")).record();
        let created = store.create(key(number), record, Admission::default(), at(START)).await;
        assert_eq!(created.unwrap(), Created::Stored);
    }
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    let listed = || tables.owners.iter().count();
    // Few stretches with many entries, some, and many with few.
    for (removed, gone) in [(0, 0..200), (30_000, 200..400), (u64::MAX, 400..600)] {
        for number in gone.clone() {
            tables.records.remove(key(number).as_bytes()).unwrap();
        }
        let mut leftovers = Some(Leftovers::after(removed));
        while let Some(from) = leftovers {
            let before = listed();
            leftovers = store
                .ask(|reply| Request::RemoveLeftovers { from, reply })
                .await
                .unwrap();
            assert!(before - listed() <= CHUNK);
        }
        assert_eq!(listed() as u64, 600 - gone.end);
    }
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

#[tokio::test]
async fn a_longer_life_leaves_a_session_where_it_is_queued() {
    use crate::layout;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).record();
    let created = store.create(key(1), record.clone(), Admission::default(), at(START));
    assert_eq!(created.await.unwrap(), Created::Stored);
    let later = record.clone().seen(at(START + 60));
    assert!(later.expires_at() > record.expires_at());
    let replaced = store.replace(key(1), record.revision(), later, at(START + 60)).await;
    assert_eq!(replaced.unwrap(), session_core::Replaced::Stored);
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    let queue: Vec<_> = tables
        .deadlines
        .iter()
        .map(|entry| entry.key().unwrap().to_vec())
        .collect();
    assert_eq!(queue, [layout::deadline_key(record.expires_at(), key(1)).to_vec()]);
}

#[tokio::test]
async fn a_replace_writes_the_record_alone_which_says_itself_when_it_was_last_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::builder(folder.path()).record_cache(0).open().unwrap();
    let record = sample(1).record();
    let created = store.create(key(1), record.clone(), Admission::default(), at(START));
    assert_eq!(created.await.unwrap(), Created::Stored);
    let sighting = || store.read(|reader| reader.sighting(key(1))).unwrap();
    let before = sighting();
    let later = record.clone().seen(at(START + 60));
    let replaced = store.replace(key(1), record.revision(), later.clone(), at(START + 60));
    assert_eq!(replaced.await.unwrap(), session_core::Replaced::Stored);
    assert_eq!(sighting(), before);
    assert_eq!(store.load(key(1), at(START + 60)).await.unwrap(), Some(later));
    assert_eq!(store.verify().unwrap(), 1);
}

/// Else the engine asks its threads by a message for each further write, and they stop for ever once their queue is full.
#[tokio::test]
async fn a_memtable_is_set_aside_before_the_engine_asks_its_threads_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    for number in 0..700 {
        let mut sample = sample(number);
        sample.payload = 50_000;
        let created = store.create(key(number), sample.record(), Admission::default(), at(START));
        assert_eq!(created.await.unwrap(), Created::Stored);
        let size = fjall::AbstractTree::active_memtable(&tables.records.tree).size();
        assert!(
            size <= crate::database::MEMTABLE,
            "{size} bytes after {number} sessions"
        );
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_up_no_sweep_and_is_looked_at_again_later() {
    use crate::layout;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::builder(folder.path()).record_cache(0).open().unwrap();
    let record = sample(1).record();
    for number in [1, 2] {
        let created = store.create(key(number), record.clone(), Admission::default(), at(START));
        assert_eq!(created.await.unwrap(), Created::Stored);
    }
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    tables.records.insert(key(1).as_bytes(), b"no record").unwrap();
    let now = record.expires_at();
    assert_eq!(store.sweep(now, 9).await.unwrap().removed, 1);
    assert!(tables.records.contains_key(key(1).as_bytes()).unwrap());
    let again = layout::deadline_key(now.saturating_add(Duration::from_secs(3600)), key(1));
    let queue: Vec<_> = tables
        .deadlines
        .iter()
        .map(|entry| entry.key().unwrap().to_vec())
        .collect();
    assert_eq!(queue, [again.to_vec()]);
}

#[tokio::test]
async fn a_place_that_is_left_over_in_the_queue_goes_and_the_session_keeps_its_own() {
    use crate::layout;
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).record();
    let created = store.create(key(1), record.clone(), Admission::default(), at(START));
    assert_eq!(created.await.unwrap(), Created::Stored);
    let later = record.clone().seen(at(START + 60));
    let replaced = store.replace(key(1), record.revision(), later, at(START + 60)).await;
    assert_eq!(replaced.unwrap(), session_core::Replaced::Stored);
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    let left_over = at(START + 1);
    tables
        .deadlines
        .insert(layout::deadline_key(left_over, key(1)), [])
        .unwrap();
    assert_eq!(store.sweep(left_over, 9).await.unwrap().removed, 0);
    let queue: Vec<_> = tables
        .deadlines
        .iter()
        .map(|entry| entry.key().unwrap().to_vec())
        .collect();
    assert_eq!(queue, [layout::deadline_key(record.expires_at(), key(1)).to_vec()]);
}

#[tokio::test]
async fn a_mend_gives_a_session_its_places_in_both_indexes_again() {
    use crate::layout::{self, Sighting};
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).owner("alice").record();
    let created = store
        .create(key(1), record.clone(), Admission::default(), at(START))
        .await;
    assert_eq!(created.unwrap(), Created::Stored);
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    let listed = layout::owner_key(&record).unwrap().to_vec();
    let due = layout::deadline_key(record.expires_at(), key(1)).to_vec();
    let queue = || -> Vec<Vec<u8>> {
        tables
            .deadlines
            .iter()
            .map(|entry| entry.key().unwrap().to_vec())
            .collect()
    };
    let mend = || {
        store.ask(|reply| Request::Mend {
            what: vec![Mend::Session(key(1))],
            reply,
        })
    };
    // Listed as somebody who is not there, and queued too late.
    tables.owners.insert(listed.clone(), key(9).as_bytes()).unwrap();
    let queued = record.expires_at().saturating_add(Duration::from_secs(60));
    let sighting = Sighting {
        seen_at: record.seen_at(),
        queued,
    };
    tables.seen.insert(key(1).as_bytes(), sighting.encode()).unwrap();
    tables.deadlines.remove(due.clone()).unwrap();
    tables
        .deadlines
        .insert(layout::deadline_key(queued, key(1)), [])
        .unwrap();
    assert_eq!(mend().await.unwrap(), 1);
    assert_eq!(queue(), std::slice::from_ref(&due));
    assert_eq!(&*tables.owners.get(&listed).unwrap().unwrap(), key(1).as_bytes());
    // Not queued at all.
    tables.deadlines.remove(due.clone()).unwrap();
    assert_eq!(mend().await.unwrap(), 1);
    assert_eq!(queue(), [due]);
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
