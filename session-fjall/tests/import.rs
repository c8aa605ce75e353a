//! What an import brings back, and what it must not: ids that were given up, and a second record of a session that is there (P6, P12).
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod support;

use std::path::Path;

use session_core::{
    Admission, Created, Error, ErrorKind, Owner, OwnerIndex, Revoke, Rotated, Rotation, Store, Touched,
};
use session_fjall::{Content, FjallStore, Imported, Repair};
use support::{HOUR, SECOND, START, Sample, at, key, sample};

fn alice() -> Owner {
    Owner::new("alice").unwrap()
}

async fn put(store: &FjallStore, number: u64, sample: &Sample) {
    let created = store
        .create(key(number), sample.record(), Admission::default(), at(START))
        .await;
    assert_eq!(created.unwrap(), Created::Stored);
}

/// As a renewal or a login does: another key, the same handle.
async fn renew(store: &FjallStore, old: u64, new: u64, sample: &Sample) {
    let mut renewed = sample.clone();
    renewed.revision = 2;
    let rotation = Rotation::new(key(old), 1, key(new), renewed.record(), at(START));
    assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
}

fn export(store: &FjallStore) -> Vec<u8> {
    let mut export = Vec::new();
    store.export(&mut export, Content::Values, at(START), |_| {}).unwrap();
    export
}

fn import(store: &FjallStore, export: &[u8]) -> Result<Imported, Error> {
    store.import(export, at(START), |_| {})
}

fn open(folder: &Path, name: &str) -> FjallStore {
    FjallStore::open(folder.join(name)).unwrap()
}

#[tokio::test]
async fn a_session_that_was_renewed_since_is_not_brought_back_under_its_old_key() {
    // With an owner and without one; and if a login gave it one.
    for (before, after) in [("alice", "alice"), ("", ""), ("", "alice"), ("bob", "alice")] {
        let named = |owner: &str| {
            if owner.is_empty() {
                sample(1)
            } else {
                sample(1).owner(owner)
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), "s");
        put(&store, 1, &named(before)).await;
        let export = export(&store);
        renew(&store, 1, 2, &named(after)).await;

        let imported = import(&store, &export).unwrap();
        assert_eq!((imported.sessions, imported.superseded), (0, 1), "{before} {after}");
        assert!(
            store.load(key(1), at(START)).await.unwrap().is_none(),
            "a dead id lives again"
        );
        assert!(store.examine(Repair::Nothing, |_| {}).unwrap().is_sound());
        if !after.is_empty() {
            assert_eq!(store.revoke(&alice(), Revoke::All, at(START)).await.unwrap(), 1);
            assert!(
                store.load(key(2), at(START)).await.unwrap().is_none(),
                "a revoked session is in use"
            );
        }
    }
}

#[tokio::test]
async fn of_one_session_under_two_keys_an_import_stores_the_first_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "s");
    put(&store, 1, &sample(1)).await;
    let before = export(&store);
    renew(&store, 1, 2, &sample(1)).await;
    let after = export(&store);
    // Two exports put together by hand, in an order that is not that of keys.
    let lines = |export: &[u8]| {
        String::from_utf8(export.to_vec())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (one, other) = (lines(&before), lines(&after));
    let both = [
        &one[0],
        &one[1],
        &other[1],
        &one[2].replace("\"sessions\":1", "\"sessions\":2"),
    ]
    .map(|line| format!("{line}\n"));

    let into = open(folder.path(), "t");
    let imported = import(&into, both.concat().as_bytes()).unwrap();
    assert_eq!((imported.sessions, imported.superseded), (1, 1));
}

#[tokio::test]
async fn what_is_left_out_is_counted_by_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "s");
    put(&store, 1, &sample(1).owner("alice")).await;
    put(&store, 2, &sample(2).owner("alice")).await;
    let mut short = sample(3).owner("alice");
    short.idle = Some(SECOND);
    put(&store, 3, &short).await;
    put(&store, 4, &sample(4)).await;
    let export = export(&store);
    renew(&store, 2, 5, &sample(2).owner("alice")).await;
    store.delete(key(4)).await.unwrap();
    let imported = store.import(&export[..], at(START + 2 * SECOND), |_| {}).unwrap();
    let Imported {
        sessions,
        present,
        superseded,
        expired,
        revoked,
        ..
    } = imported;
    assert_eq!((sessions, present, superseded, expired, revoked), (1, 1, 1, 1, 0));
}

#[tokio::test]
async fn a_revocation_during_an_import_ends_what_the_import_has_still_to_bring() {
    let folder = tempfile::tempdir().unwrap();
    let from = open(folder.path(), "s");
    put(&from, 1, &sample(1).owner("alice")).await;
    let export = export(&from);
    let store = open(folder.path(), "t");
    let revoking = store.clone();
    let runtime = tokio::runtime::Handle::current();
    let imported = std::thread::spawn(move || {
        store.import(&export[..], at(START), |at| {
            if at.walking == "sessions" {
                runtime
                    .block_on(revoking.revoke(&alice(), Revoke::All, support::at(START)))
                    .unwrap();
            }
        })
    });
    let imported = tokio::task::spawn_blocking(|| imported.join().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((imported.sessions, imported.revoked), (0, 1));
}

#[tokio::test]
async fn a_revision_that_no_commit_could_follow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "s");
    let mut last = sample(1).owner("alice");
    last.revision = u64::MAX;
    put(&store, 1, &last).await;
    let error = import(&open(folder.path(), "t"), &export(&store)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("line 2") && error.to_string().contains("revision"),
        "{error}"
    );
}

#[tokio::test]
async fn of_two_exports_behind_one_another_none_is_left_out_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let mut both = Vec::new();
    for number in [1, 2] {
        let store = open(folder.path(), &number.to_string());
        put(&store, number, &sample(number)).await;
        both.extend(export(&store));
    }
    let store = open(folder.path(), "s");
    let error = import(&store, &both).unwrap_err();
    assert!(
        error.to_string().contains("line 4") && error.to_string().contains("end"),
        "{error}"
    );
    assert_eq!(store.count().unwrap(), 1, "what comes before is stored");
    // An editor may leave an empty line.
    both.truncate(both.len() / 2);
    both.extend(b"\n \n");
    assert_eq!(import(&store, &both).unwrap().present, 1);
}

/// A value may be that large if the application allows it.
#[tokio::test]
async fn a_session_of_megabytes_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let large = sample(1).text(&"x".repeat(2 * 1024 * 1024));
    let store = open(folder.path(), "s");
    put(&store, 1, &large).await;
    let other = open(folder.path(), "other");
    assert_eq!(import(&other, &export(&store)).unwrap().sessions, 1);
    assert_eq!(other.load(key(1), at(START)).await.unwrap(), Some(large.record()));
}

#[tokio::test]
async fn a_line_may_be_as_long_as_is_said() {
    const LONGEST: usize = 16 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "s");
    put(&store, 1, &sample(1)).await;
    let export = String::from_utf8(export(&store)).unwrap();
    let [head, session, end] = export.lines().collect::<Vec<_>>()[..] else {
        panic!("{export}")
    };
    let of_length = |length: usize| {
        let blanks = " ".repeat(length - session.len() - 1);
        let other = open(folder.path(), &length.to_string());
        import(&other, format!("{head}\n{session}{blanks}\n{end}\n").as_bytes())
    };
    assert_eq!(of_length(LONGEST).unwrap().sessions, 1);
    assert_eq!(of_length(LONGEST + 1).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_session_comes_back_as_it_was_last_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(folder.path(), "s"), open(folder.path(), "other"));
    put(&store, 1, &sample(1)).await;
    let seen = store.touch(key(1), at(START + 9000), at(START + HOUR)).await;
    assert_eq!(seen.unwrap(), Touched::Recorded);
    import(&other, &export(&store)).unwrap();
    let loaded = other.load(key(1), at(START + 9000)).await.unwrap().unwrap();
    assert_eq!(loaded.seen_at(), at(START + 9000));
}

#[tokio::test]
async fn a_line_longer_than_any_record_is_refused_without_being_read() {
    /// Never ends, and counts what was taken from it.
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            into.fill(b'x');
            self.0 += into.len() as u64;
            assert!(self.0 < 1 << 26, "it is read without an end");
            Ok(into.len())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "s");
    let error = store
        .import(std::io::BufReader::new(Endless(0)), at(START), |_| {})
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("line 1"), "{error}");
}
