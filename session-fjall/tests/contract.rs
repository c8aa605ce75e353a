//! The contract as this store keeps it: what each operation does, on its own and against the indexes.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_core::{
    Admission, Backlog, Created, Cursor, Deleted, ErrorKind, MemoryStore, Owner, OwnerIndex, OwnerLimit, Page,
    Replaced, Revoke, Rotated, Rotation, Store, Touched,
};
use session_fjall::{Content, Durability, FjallStore, Repair};
use support::{HOUR, START, Sample, at, key, sample};
use tempfile::TempDir;

fn store() -> (TempDir, FjallStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    (folder, store)
}

async fn create(store: &dyn Store, number: u64, sample: &Sample) -> Created {
    store
        .create(key(number), sample.record(), Admission::default(), at(START))
        .await
        .unwrap()
}

fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

const ALL: Page = Page {
    after: None,
    limit: 100,
};

#[tokio::test]
async fn a_created_session_loads_and_is_never_overwritten() {
    let (_folder, store) = store();
    assert_eq!(create(&store, 1, &sample(1)).await, Created::Stored);
    assert_eq!(create(&store, 1, &sample(2)).await, Created::Collision);
    let loaded = store.load(key(1), at(START)).await.unwrap().unwrap();
    assert_eq!(loaded, sample(1).record());
    assert!(store.load(key(2), at(START)).await.unwrap().is_none());
    assert_eq!(store.verify().unwrap(), 1);
}

#[tokio::test]
async fn an_expired_session_is_absent_before_it_is_swept() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    assert!(store.load(key(1), at(START + HOUR - 1)).await.unwrap().is_some());
    assert!(store.load(key(1), at(START + HOUR)).await.unwrap().is_none());
    let replaced = store.replace(key(1), 1, sample(1).record(), at(START + HOUR)).await;
    assert_eq!(replaced.unwrap(), Replaced::Gone);
    let touched = store.touch(key(1), at(START + HOUR), at(START + 2 * HOUR)).await;
    assert_eq!(touched.unwrap(), Touched::Gone);
}

#[tokio::test]
async fn a_replace_compares_revisions_and_keeps_a_later_sighting() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    let touched = store.touch(key(1), at(START + 5000), at(START + HOUR + 5000)).await;
    assert_eq!(touched.unwrap(), Touched::Recorded);
    let mut next = sample(1);
    next.revision = 2;
    let now = at(START + 6000);
    assert_eq!(
        store.replace(key(1), 1, next.record(), now).await.unwrap(),
        Replaced::Stored
    );
    let seen = next.record().seen(at(START + 5000));
    assert_eq!(store.load(key(1), now).await.unwrap().unwrap(), seen);
    assert_eq!(
        store.replace(key(1), 1, next.record(), now).await.unwrap(),
        Replaced::Conflict(seen)
    );
    assert_eq!(
        store.replace(key(2), 1, next.record(), now).await.unwrap(),
        Replaced::Gone
    );
    assert_eq!(store.count().unwrap(), 1);
}

#[tokio::test]
async fn a_touch_moves_forward_only_and_keeps_the_session_from_the_sweep() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    for seen in [30, 10] {
        let touched = store.touch(key(1), at(START + seen), at(START + seen + HOUR)).await;
        assert_eq!(touched.unwrap(), Touched::Recorded);
    }
    let loaded = store.load(key(1), at(START + 40)).await.unwrap().unwrap();
    assert_eq!(loaded.seen_at(), at(START + 30));
    let swept = store.sweep(at(START + HOUR), 10).await.unwrap();
    assert_eq!((swept.removed, swept.backlog), (0, Backlog::Empty));
    assert_eq!(store.verify().unwrap(), 1);
    let swept = store.sweep(at(START + HOUR + 30), 10).await.unwrap();
    assert_eq!((swept.removed, swept.backlog), (1, Backlog::Empty));
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_touch_writes_a_few_bytes_however_much_a_session_holds() {
    const TOUCHES: u64 = 100;
    let (folder, store) = store();
    let mut large = sample(1);
    // The journal compresses what repeats itself.
    let noise = (0..2000).flat_map(|number| *key(number).as_bytes());
    large.text = Some(noise.map(|byte| char::from(b'0' + byte % 64)).collect());
    let _ = create(&store, 1, &large).await;
    let written = || {
        let files = std::fs::read_dir(folder.path().join("sessions/db")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let journal = files.find(|path| path.extension().is_some_and(|kind| kind == "jnl"));
        let journal = std::fs::read(journal.unwrap()).unwrap();
        journal.iter().rposition(|byte| *byte != 0).unwrap() as u64
    };
    let before = written();
    assert!(before > 10_000, "the journal is where writes go");
    for seen in 1..=TOUCHES {
        let touched = store.touch(key(1), at(START + seen), at(START + seen + HOUR)).await;
        assert_eq!(touched.unwrap(), Touched::Recorded);
    }
    let each = (written() - before) / TOUCHES;
    assert!((40..160).contains(&each), "{each} bytes");
}

#[tokio::test]
async fn a_shortened_session_is_swept_at_its_new_deadline() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    // The low-water mark lies above the new deadline now, and must come down again.
    let swept = store.sweep(at(START + HOUR - 1), 10).await.unwrap();
    assert_eq!(swept.removed, 0);
    let mut short = sample(1);
    short.revision = 2;
    short.idle = Some(60_000);
    assert_eq!(
        store.replace(key(1), 1, short.record(), at(START)).await.unwrap(),
        Replaced::Stored
    );
    assert_eq!(store.verify().unwrap(), 1);
    assert_eq!(store.sweep(at(START + 60_000), 10).await.unwrap().removed, 1);
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_session_created_below_the_low_water_mark_is_swept() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    assert_eq!(store.sweep(at(START + 2 * HOUR), 10).await.unwrap().removed, 1);
    let _ = create(&store, 2, &sample(2)).await;
    assert_eq!(store.sweep(at(START + 2 * HOUR), 10).await.unwrap().removed, 1);
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_sweep_stops_at_its_limit_and_goes_on_there() {
    let (_folder, store) = store();
    for number in 0..700 {
        let _ = create(&store, number, &sample(number)).await;
    }
    // Half of them live on: they cost the sweep a look each, and do not count.
    for number in 0..350 {
        let touched = store.touch(key(number), at(START + 1), at(START + 1 + HOUR)).await;
        assert_eq!(touched.unwrap(), Touched::Recorded);
    }
    let now = at(START + HOUR);
    let swept = store.sweep(now, 300).await.unwrap();
    assert_eq!((swept.removed, swept.backlog), (300, Backlog::Remaining));
    let swept = store.sweep(now, 300).await.unwrap();
    assert_eq!((swept.removed, swept.backlog), (50, Backlog::Empty));
    assert_eq!(store.verify().unwrap(), 350);
    let swept = store.sweep(now, 0).await.unwrap();
    assert_eq!((swept.removed, swept.backlog), (0, Backlog::Remaining));
}

#[tokio::test]
async fn a_rotation_has_one_winner_and_kills_the_old_key() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1).owner("alice")).await;
    let mut next = sample(1).owner("alice");
    next.revision = 2;
    let rotation = |new| Rotation::new(key(1), 1, key(new), next.record(), at(START));
    let (one, two) = tokio::join!(store.rotate(rotation(2)), store.rotate(rotation(3)));
    assert_eq!((one.unwrap(), two.unwrap()), (Rotated::Stored, Rotated::Gone));
    assert!(store.load(key(1), at(START)).await.unwrap().is_none());
    assert_eq!(store.verify().unwrap(), 1);
    let listed = store.list(&owner("alice"), ALL, at(START)).await.unwrap();
    assert_eq!(listed.sessions[0].record, next.record());
}

#[tokio::test]
async fn a_delete_answers_whether_there_was_a_session() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1).owner("alice")).await;
    assert_eq!(store.delete(key(1)).await.unwrap(), Deleted::Removed);
    assert_eq!(store.delete(key(1)).await.unwrap(), Deleted::Absent);
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_list_has_each_session_on_one_page_newest_first() {
    let (_folder, store) = store();
    for number in 0..25 {
        let mut sample = sample(number).owner("alice");
        sample.created_at += number / 2;
        sample.seen_at = sample.created_at;
        let _ = create(&store, number, &sample).await;
    }
    let _ = create(&store, 99, &sample(99).owner("bob")).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 4 };
        let page = store.list(&owner("alice"), page, at(START + 100)).await.unwrap();
        assert!(page.sessions.len() <= 4);
        found.extend(page.sessions.iter().map(|found| Cursor::of(&found.record)));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found.len(), 25);
    let place = |cursor: &Cursor| (std::cmp::Reverse(cursor.created_at), cursor.handle);
    assert!(found.is_sorted_by(|a, b| place(a) < place(b)));
}

#[tokio::test]
async fn a_revocation_spares_only_what_it_is_told_to() {
    let (_folder, store) = store();
    for number in 0..3 {
        let _ = create(&store, number, &sample(number).owner("alice")).await;
    }
    let _ = create(&store, 9, &sample(9).owner("bob")).await;
    let revoke = async |which| store.revoke(&owner("alice"), which, at(START)).await.unwrap();
    assert_eq!(revoke(Revoke::One(sample(9).handle())).await, 0);
    assert_eq!(revoke(Revoke::One(sample(0).handle())).await, 1);
    assert_eq!(revoke(Revoke::Others(sample(1).handle())).await, 1);
    assert_eq!(store.verify().unwrap(), 2);
    assert_eq!(revoke(Revoke::All).await, 1);
    assert_eq!(store.verify().unwrap(), 1);
}

#[tokio::test]
async fn a_login_that_began_before_a_revocation_is_refused() {
    let (_folder, store) = store();
    let _ = create(&store, 1, &sample(1)).await;
    let began = store.epoch();
    assert_eq!(store.revoke(&owner("alice"), Revoke::All, at(START)).await.unwrap(), 0);
    let record = sample(2).owner("alice").record();
    let created = store
        .create(key(2), record.clone(), began.into(), at(START))
        .await
        .unwrap();
    assert_eq!(created, Created::Revoked);
    let rotation = Rotation::new(key(1), 1, key(3), record.clone(), at(START)).with_admission(began);
    let rotated = store.rotate(rotation);
    assert_eq!(rotated.await.unwrap(), Rotated::Revoked);
    let created = store
        .create(key(2), record, store.epoch().into(), at(START))
        .await
        .unwrap();
    assert_eq!(created, Created::Stored);
}

#[tokio::test]
async fn clearing_ends_every_session() {
    let (_folder, store) = store();
    for number in 0..400 {
        let _ = create(&store, number, &sample(number).owner("alice")).await;
    }
    store.clear().await.unwrap();
    assert_eq!(store.verify().unwrap(), 0);
    assert_eq!(create(&store, 1, &sample(1)).await, Created::Stored);
    assert_eq!(store.verify().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_in_a_group_gets_the_right_answer() {
    for durability in [Durability::Process, Durability::PowerLoss] {
        let folder = tempfile::tempdir().unwrap();
        let store = FjallStore::builder(folder.path())
            .durability(durability)
            .queue(4)
            .open();
        let store = store.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let store = store.clone();
            tasks.spawn(async move {
                let record = sample(number).owner("alice").record();
                let created = store
                    .create(key(number), record, Admission::default(), at(START))
                    .await
                    .unwrap();
                assert_eq!(created, Created::Stored);
                if number % 2 == 0 {
                    assert_eq!(store.delete(key(number)).await.unwrap(), Deleted::Removed);
                    assert!(store.load(key(number), at(START)).await.unwrap().is_none());
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(store.verify().unwrap(), 100);
    }
}

#[tokio::test]
async fn a_cancelled_caller_disturbs_nobody() {
    let (_folder, store) = store();
    for number in 0..50 {
        let create = store.create(key(number), sample(number).record(), Admission::default(), at(START));
        tokio::select! {
            biased;
            _ = create => {}
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(create(&store, 99, &sample(99)).await, Created::Stored);
    assert_eq!(store.verify().unwrap(), store.count().unwrap());
}

#[tokio::test]
async fn closing_ends_a_walk_and_waits_until_it_has_let_go_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path().join("sessions")).unwrap();
    assert_eq!(create(&store, 1, &sample(1).owner("alice")).await, Created::Stored);
    type Walk = fn(&FjallStore, &mut dyn FnMut()) -> session_core::Result<()>;
    let walks: [Walk; 5] = [
        |store, walking| {
            store
                .export(Vec::new(), Content::Values, at(START), |_| walking())
                .map(drop)
        },
        |store, walking| store.examine(Repair::Nothing, |_| walking()).map(drop),
        |store, walking| store.stats(at(START), |_| walking()).map(drop),
        |store, walking| store.find(sample(2).handle(), |_| walking()).map(drop),
        |store, walking| {
            store
                .backup(store.path().with_extension("copy"), |_| walking())
                .map(drop)
        },
    ];
    let mut store = store;
    for walk in walks {
        let (began, walking) = flume::bounded(1);
        let walker = store.clone();
        let closed = Arc::new(AtomicBool::new(false));
        let answered = Arc::clone(&closed);
        let walk = std::thread::spawn(move || {
            walk(&walker, &mut || {
                let _ = began.try_send(());
                while walker.count().is_ok() {
                    std::thread::yield_now();
                }
                for _ in 0..1000 {
                    assert!(!answered.load(Ordering::SeqCst), "it was closed under a walk");
                    std::thread::yield_now();
                }
            })
        });
        walking.recv_async().await.unwrap();
        store.close().await.unwrap();
        closed.store(true, Ordering::SeqCst);
        // At once, although the walk had only begun.
        store = FjallStore::open(store.path()).unwrap();
        let error = walk.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("closed"), "{error}");
    }
}

#[tokio::test]
async fn a_closed_store_says_so_and_can_be_opened_again() {
    let (_folder, store) = store();
    let clone = store.clone();
    let _ = create(&store, 1, &sample(1)).await;
    store.close().await.unwrap();
    let error = clone.load(key(1), at(START)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = clone.delete(key(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let again = FjallStore::open(store.path()).unwrap();
    assert_eq!(again.verify().unwrap(), 1);
}

/// A small generator, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test]
async fn it_answers_like_the_reference_store_and_its_indexes_agree() {
    for seed in 1..=4 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let (folder, mut ours) = store();
        let reference = MemoryStore::new();
        let mut now = START;
        let mut revisions: BTreeMap<u64, u64> = BTreeMap::new();
        for step in 0..800 {
            now += dice.roll(HOUR / 20);
            let number = dice.roll(12);
            let name = ["alice", "bob"][dice.roll(2) as usize];
            let revision = revisions.entry(number).or_insert(1);
            let mut new = sample(dice.roll(1000) + 1000 * step);
            (new.created_at, new.seen_at) = (now, now);
            new.idle = [None, Some(60_000), Some(HOUR)][dice.roll(3) as usize];
            new.owner = (dice.roll(3) > 0).then(|| name.to_owned());
            let before = reference.load(key(number), at(now)).await.unwrap();
            if let Some(before) = &before {
                *revision = before.revision();
            }
            let expected = *revision + u64::from(dice.roll(5) == 0);
            let same = format!("seed {seed}, step {step}");
            let limit = match dice.roll(4) {
                0 => OwnerLimit::refuse(2).ok(),
                1 => OwnerLimit::end_oldest(2).ok(),
                _ => None,
            };
            let admission = |began| Admission::new(began).with_limit(limit);
            match dice.roll(9) {
                0 | 1 => {
                    let record = new.record();
                    let theirs = reference
                        .create(key(number), record.clone(), admission(reference.epoch()), at(now))
                        .await;
                    let answer = ours
                        .create(key(number), record, admission(ours.epoch()), at(now))
                        .await
                        .unwrap();
                    assert_eq!(answer, theirs.unwrap(), "{same}");
                }
                2 => {
                    // A commit keeps what identifies the session.
                    if let Some(before) = before {
                        new.handle = *before.handle().as_bytes();
                        new.created_at = before.created_at().unix_millis();
                        new.seen_at = new.seen_at.max(new.created_at);
                        new.owner = before.owner().map(|owner| owner.as_str().to_owned());
                    }
                    new.revision = expected + 1;
                    let record = new.record();
                    let theirs = reference.replace(key(number), expected, record.clone(), at(now)).await;
                    let answer = ours.replace(key(number), expected, record, at(now)).await.unwrap();
                    assert_eq!(answer, theirs.unwrap(), "{same}");
                }
                3 | 4 => {
                    new.revision = expected + 1;
                    if dice.roll(2) == 0
                        && let Some(before) = before
                    {
                        new.handle = *before.handle().as_bytes();
                        new.created_at = before.created_at().unix_millis();
                    }
                    let rotation = Rotation::new(key(number), expected, key(dice.roll(12)), new.record(), at(now))
                        .with_admission(admission(ours.epoch()));
                    let theirs = rotation.clone().with_admission(admission(reference.epoch()));
                    let theirs = reference.rotate(theirs);
                    let theirs = theirs.await.unwrap();
                    assert_eq!(ours.rotate(rotation).await.unwrap(), theirs, "{same}");
                }
                5 => {
                    let expires = at(now + HOUR);
                    let theirs = reference.touch(key(number), at(now), expires).await.unwrap();
                    let answer = ours.touch(key(number), at(now), expires).await.unwrap();
                    assert_eq!(answer, theirs, "{same}");
                }
                6 if before.is_some() => {
                    let theirs = reference.delete(key(number)).await.unwrap();
                    assert_eq!(ours.delete(key(number)).await.unwrap(), theirs, "{same}");
                }
                7 => {
                    let theirs = reference.sweep(at(now), 1000).await.unwrap();
                    assert_eq!(ours.sweep(at(now), 1000).await.unwrap(), theirs, "{same}");
                    assert_eq!(ours.count().unwrap(), reference.len() as u64, "{same}");
                }
                8 if dice.roll(4) == 0 => {
                    let theirs = reference.revoke(&owner(name), Revoke::All, at(now)).await.unwrap();
                    let answer = ours.revoke(&owner(name), Revoke::All, at(now)).await.unwrap();
                    assert_eq!(answer, theirs, "{same}");
                }
                _ => {}
            }
            if step % 20 == 0 {
                ours.verify().unwrap();
            }
            if step % 200 == 199 {
                drop(ours);
                ours = FjallStore::open(folder.path().join("sessions")).unwrap();
            }
            for number in 0..12 {
                let theirs = reference.load(key(number), at(now)).await.unwrap();
                assert_eq!(ours.load(key(number), at(now)).await.unwrap(), theirs, "{same}");
            }
            for name in ["alice", "bob"] {
                let theirs = reference.list(&owner(name), ALL, at(now)).await.unwrap();
                let answer = ours.list(&owner(name), ALL, at(now)).await.unwrap();
                assert_eq!(answer, theirs, "{same}");
            }
        }
    }
}
