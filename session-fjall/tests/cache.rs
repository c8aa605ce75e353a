//! The cache of sessions answers what the engine would: after each way in which a session changes or ends, and while it does.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use session_core::{
    Admission, Created, Deleted, ErrorKind, Owner, OwnerIndex, OwnerLimit, Record, Replaced, Revoke, Rotated, Rotation,
    Store, Touched,
};
use session_fjall::{Content, FjallStore};
use support::{HOUR, START, Sample, at, key, sample};
use tempfile::TempDir;

/// Room for everything, for three sessions, and none.
const SIZES: [u64; 3] = [1 << 20, 1500, 0];

fn store(record_cache: u64) -> (TempDir, FjallStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::builder(folder.path().join("sessions"))
        .record_cache(record_cache)
        .open()
        .unwrap();
    (folder, store)
}

async fn load(store: &FjallStore, number: u64) -> Option<Record> {
    store.load(key(number), at(START + 100)).await.unwrap()
}

/// Each session has an owner of its own.
fn owned(number: u64) -> Sample {
    sample(number).owner(&format!("user {number}"))
}

fn owner(number: u64) -> Owner {
    Owner::new(format!("user {number}")).unwrap()
}

fn at_revision(number: u64, revision: u64) -> Record {
    let mut sample = owned(number);
    sample.revision = revision;
    sample.record()
}

async fn create(store: &FjallStore, number: u64) {
    let created = store
        .create(key(number), owned(number).record(), store.epoch().into(), at(START))
        .await;
    assert_eq!(created.unwrap(), Created::Stored);
}

async fn replace(store: &FjallStore, number: u64, expected: u64) {
    let next = at_revision(number, expected + 1);
    let replaced = store.replace(key(number), expected, next, at(START)).await;
    assert_eq!(replaced.unwrap(), Replaced::Stored);
}

async fn touch(store: &FjallStore, number: u64, seen: u64) {
    let touched = store
        .touch(key(number), at(START + seen), at(START + HOUR + seen))
        .await;
    assert_eq!(touched.unwrap(), Touched::Recorded);
}

/// Each way in which a session leaves its key.
#[derive(Clone, Copy, Debug)]
enum End {
    Deleted,
    Rotated,
    Revoked,
    RevokedWithOthers,
    RevokedAlone,
    Displaced,
    Swept,
    Cleared,
}

impl End {
    const ALL: [Self; 8] = [
        Self::Deleted,
        Self::Rotated,
        Self::Revoked,
        Self::RevokedWithOthers,
        Self::RevokedAlone,
        Self::Displaced,
        Self::Swept,
        Self::Cleared,
    ];

    async fn bring(self, store: &FjallStore, number: u64, revision: u64) {
        let owner = owner(number);
        let now = at(START + 100);
        let revoke = async |which| assert_eq!(store.revoke(&owner, which, now).await.unwrap(), 1);
        match self {
            Self::Deleted => assert_eq!(store.delete(key(number)).await.unwrap(), Deleted::Removed),
            Self::Rotated => {
                let next = at_revision(number, revision + 1);
                let rotation = Rotation::new(key(number), revision, key(number + 1_000_000), next, now);
                assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
            }
            Self::Revoked => revoke(Revoke::All).await,
            Self::RevokedWithOthers => revoke(Revoke::Others(sample(number + 1).handle())).await,
            Self::RevokedAlone => revoke(Revoke::One(owned(number).handle())).await,
            Self::Displaced => {
                let mut newer = owned(number);
                newer.handle[14] = 1;
                newer.created_at += 1;
                newer.seen_at += 1;
                let admission = Admission::from(store.epoch()).with_limit(OwnerLimit::end_oldest(1).unwrap());
                let created = store.create(key(number + 2_000_000), newer.record(), admission, now);
                let ended = vec![owned(number).handle()];
                assert_eq!(created.await.unwrap(), Created::Displaced(ended));
            }
            Self::Swept => assert!(store.sweep(at(START + 2 * HOUR), usize::MAX).await.unwrap().removed > 0),
            Self::Cleared => assert!(store.clear().await.unwrap() > 0),
        }
    }
}

#[tokio::test]
async fn each_change_shows_in_the_next_load() {
    for size in SIZES {
        let (_folder, store) = store(size);
        assert_eq!(load(&store, 1).await, None);
        create(&store, 1).await;
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 1)));
        replace(&store, 1, 1).await;
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 2)));
        touch(&store, 1, 50).await;
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 2).seen(at(START + 50))));
        touch(&store, 1, 20).await;
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 2).seen(at(START + 50))));
        let conflict = store.replace(key(1), 1, at_revision(1, 2), at(START)).await.unwrap();
        assert_eq!(conflict, Replaced::Conflict(at_revision(1, 2).seen(at(START + 50))));
        replace(&store, 1, 2).await;
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 3).seen(at(START + 50))));
        let rotation = Rotation::new(key(1), 3, key(2), at_revision(1, 4), at(START));
        assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
        assert_eq!(load(&store, 1).await, None);
        assert_eq!(load(&store, 2).await, Some(at_revision(1, 4).seen(at(START + 50))));
        assert_eq!(store.verify().unwrap(), 1);
    }
}

#[tokio::test]
async fn what_has_ended_does_not_load_also_by_a_clock_that_was_set_back() {
    for size in SIZES {
        for end in End::ALL {
            let (_folder, store) = store(size);
            create(&store, 1).await;
            assert!(load(&store, 1).await.is_some());
            end.bring(&store, 1, 1).await;
            assert_eq!(load(&store, 1).await, None, "{end:?}");
            store.verify().unwrap();
        }
    }
}

#[tokio::test]
async fn an_expired_session_does_not_load_from_memory_either() {
    let (_folder, store) = store(SIZES[0]);
    create(&store, 1).await;
    assert!(load(&store, 1).await.is_some());
    assert!(store.load(key(1), at(START + HOUR)).await.unwrap().is_none());
    touch(&store, 1, 30).await;
    assert!(store.load(key(1), at(START + HOUR)).await.unwrap().is_some());
}

#[tokio::test]
async fn what_an_import_brings_back_loads() {
    for size in SIZES {
        let (_folder, store) = store(size);
        create(&store, 1).await;
        let mut export = Vec::new();
        store.export(&mut export, Content::Values, at(START), |_| {}).unwrap();
        assert_eq!(store.delete(key(1)).await.unwrap(), Deleted::Removed);
        assert_eq!(load(&store, 1).await, None);
        store.import(&*export, at(START), |_| {}).unwrap();
        assert_eq!(load(&store, 1).await, Some(at_revision(1, 1)));
    }
}

#[tokio::test]
async fn a_closed_store_loads_nothing_from_memory() {
    let (folder, store) = store(SIZES[0]);
    create(&store, 1).await;
    assert!(load(&store, 1).await.is_some());
    store.close().await.unwrap();
    let error = store.load(key(1), at(START)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let again = FjallStore::open(folder.path().join("sessions")).unwrap();
    assert_eq!(load(&again, 1).await, Some(at_revision(1, 1)));
}

/// What its writer was told about a session.
#[derive(Default)]
struct Told {
    revision: AtomicU64,
    seen: AtomicU64,
    ending: AtomicBool,
    ended: AtomicBool,
}

/// Loads until the session has ended: never less than was answered before the load began, and never backwards.
async fn watch(store: FjallStore, told: Arc<Told>, number: u64) {
    let (mut revision, mut seen, mut gone) = (0, 0, false);
    let mut other = 0;
    loop {
        let ended = told.ended.load(Ordering::SeqCst);
        let least = (told.revision.load(Ordering::SeqCst), told.seen.load(Ordering::SeqCst));
        match load(&store, number).await {
            None => {
                assert!(told.ending.load(Ordering::SeqCst), "it was there");
                gone = true;
            }
            Some(record) => {
                assert!(!ended, "its end was answered");
                assert!(!gone, "its end was seen");
                let now = (record.revision(), record.seen_at().unix_millis() - START);
                assert!(now.0 >= least.0.max(revision), "revision {} after {}", now.0, least.0);
                assert!(now.1 >= least.1.max(seen), "seen {} after {}", now.1, least.1);
                (revision, seen) = now;
            }
        }
        if ended {
            return;
        }
        // Makes room where there is little.
        other += 1;
        let _ = load(&store, 9_000_000 + other % 8).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_load_is_behind_an_answer_while_a_session_changes_and_ends() {
    const ROUNDS: u64 = 16;
    for size in SIZES {
        let (_folder, store) = store(size);
        for (kind, end) in End::ALL.into_iter().enumerate() {
            for other in 0..8 {
                // There already unless the last kind swept or cleared them away.
                let other = 9_000_000 + other;
                let created = store.create(key(other), owned(other).record(), store.epoch().into(), at(START));
                let _ = created.await.unwrap();
            }
            for round in 0..ROUNDS {
                let number = (kind as u64) * ROUNDS + round;
                create(&store, number).await;
                let told = Arc::new(Told::default());
                let mut watchers = tokio::task::JoinSet::new();
                for _ in 0..3 {
                    watchers.spawn(watch(store.clone(), Arc::clone(&told), number));
                }
                for revision in 1..6 {
                    replace(&store, number, revision).await;
                    told.revision.store(revision + 1, Ordering::SeqCst);
                    touch(&store, number, revision).await;
                    told.seen.store(revision, Ordering::SeqCst);
                }
                told.ending.store(true, Ordering::SeqCst);
                end.bring(&store, number, 6).await;
                told.ended.store(true, Ordering::SeqCst);
                watchers.join_all().await;
            }
        }
        store.verify().unwrap();
    }
}

/// `load` would answer the same, at the price of a future.
#[tokio::test]
async fn a_session_in_memory_is_loaded_without_waiting() {
    for (size, held) in [(1 << 20, true), (0, false)] {
        let (_folder, store) = store(size);
        create(&store, 1).await;
        let loaded = store.load_cached(key(1), at(START + 100));
        assert_eq!(loaded, held.then(|| owned(1).record()));
    }
}
