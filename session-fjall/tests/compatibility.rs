//! Folders that released versions wrote stay readable (P16). Of each format there are two: one of a store that was closed, whose sessions
//! are in tables, and one of a process that was killed, whose sessions are in the journal alone.
//!
//! A fixture of a released format is never edited. Until the first release, and for a new format, this writes them anew:
//!
//! ```text
//! SESSION_FJALL_WRITE_FIXTURES=1 cargo test -p session-fjall --test compatibility
//! ```
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_core::conformance::sample::{Sample, key, owner};
use session_core::{
    Admission, Created, Deleted, ErrorKind, Lifetime, OwnerIndex, Page, Persistence, Record, Replaced, Revoke, Rotated,
    Rotation, Store, Timestamp, Touched,
};
use session_fjall::FjallStore;

const FIXTURES: [&str; 2] = ["folder_v1_closed.bin", "folder_v1_killed.bin"];

/// 2026-01-01T00:00:00Z, when the sessions begin, and how many minutes later.
fn at(minutes: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_767_225_600_000 + minutes * 60_000)
}

/// When everything is read.
const NOW: u64 = 50;

/// Everything that matters is said: what a sample is by default may change.
fn begun(number: u64) -> Sample {
    let lifetime = Lifetime::sliding(Duration::from_secs(3600)).unwrap();
    let lifetime = lifetime.with_absolute(Duration::from_secs(24 * 3600)).unwrap();
    Sample::new(at(0))
        .handle(number)
        .created_at(at(0))
        .seen_at(at(0))
        .lifetime(lifetime)
        .persistence(Persistence::Browser)
        .revision(1)
        .without_owner()
        .without_values()
        .versioned_value("visits", 0, &[number as u8])
}

/// The live sessions, by the number of their key.
fn live() -> BTreeMap<u64, Record> {
    let fixed = Lifetime::fixed(Duration::from_secs(7 * 24 * 3600)).unwrap();
    let remembered = begun(3).owner("alice").label("Firefox on Linux").lifetime(fixed);
    let mut live = BTreeMap::from([
        (1, begun(1).build()),
        (2, begun(2).owner("alice").build()),
        (3, remembered.persistence(Persistence::Remembered).build()),
        (4, begun(4).owner("grüße@example.com").seen_at(at(40)).build()),
        // Rotated from 5.
        (105, begun(5).owner("alice").revision(2).build()),
        (6, begun(6).revision(9).versioned_value("cart", 2, &[7; 3000]).build()),
    ]);
    live.extend((20..60).map(|number| (number, begun(number).owner("bob").build())));
    live
}

/// Stored, and expired at [`NOW`].
fn expired() -> [(u64, Record); 2] {
    let short = Lifetime::sliding(Duration::from_secs(60)).unwrap();
    [
        (7, begun(7).lifetime(short).build()),
        (8, begun(8).owner("alice").lifetime(short).build()),
    ]
}

/// Rotated, deleted, revoked.
const DEAD: [u64; 3] = [5, 9, 10];

async fn fill(store: &FjallStore) {
    let create = async |number: u64, record: Record| {
        let admission = Admission::new(store.epoch());
        let created = store.create(key(number), record, admission, at(0)).await.unwrap();
        assert_eq!(created, Created::Stored);
    };
    let mut records = live();
    records.remove(&105);
    records.insert(4, begun(4).owner("grüße@example.com").build());
    records.insert(5, begun(5).owner("alice").build());
    let large = records.insert(6, begun(6).revision(8).build()).unwrap();
    records.insert(9, begun(9).owner("alice").build());
    records.insert(10, begun(10).owner("carol").build());
    records.extend(expired());
    for (number, record) in records {
        create(number, record).await;
    }
    assert_eq!(store.touch(key(4), at(40), at(100)).await.unwrap(), Touched::Recorded);
    let rotation = Rotation::new(key(5), 1, key(105), live()[&105].clone(), at(1));
    assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
    assert_eq!(store.replace(key(6), 8, large, at(1)).await.unwrap(), Replaced::Stored);
    assert_eq!(store.delete(key(9)).await.unwrap(), Deleted::Removed);
    assert_eq!(store.revoke(&owner("carol"), Revoke::All, at(1)).await.unwrap(), 1);
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Files and folders one behind the other: length of the path (2, little-endian), the path, length of the content (4; all ones for a
/// folder), the content. Git keeps no empty folders; and a journal goes without the zeros that the engine allocates.
fn pack(root: &Path, at: &Path, packed: &mut Vec<u8>) {
    let mut entries: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        packed.extend((name.len() as u16).to_le_bytes());
        packed.extend(name.as_bytes());
        if path.is_dir() {
            packed.extend(u32::MAX.to_le_bytes());
            pack(root, &path, packed);
            continue;
        }
        let mut content = fs::read(&path).unwrap();
        if path.extension().is_some_and(|kind| kind == "jnl") {
            content.truncate(content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        }
        packed.extend((content.len() as u32).to_le_bytes());
        packed.extend(content);
    }
}

fn unpack(name: &str, to: &Path) {
    let packed = fs::read(fixture(name)).unwrap();
    let mut rest = packed.as_slice();
    let mut take = |length: usize| {
        let (taken, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(taken)
    };
    fs::create_dir_all(to).unwrap();
    while let Some(length) = take(2) {
        let path = take(u16::from_le_bytes(length.try_into().unwrap()).into()).unwrap();
        let path = to.join(std::str::from_utf8(path).unwrap());
        match u32::from_le_bytes(take(4).unwrap().try_into().unwrap()) {
            u32::MAX => fs::create_dir(path).unwrap(),
            length => fs::write(path, take(length as usize).unwrap()).unwrap(),
        }
    }
    #[cfg(unix)]
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

/// Writes the fixtures, if it is told to; see above.
#[tokio::test]
async fn fixtures_are_written_on_request_only() {
    if std::env::var_os("SESSION_FJALL_WRITE_FIXTURES").is_none() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("sessions");
    let store = FjallStore::open(&folder).unwrap();
    fill(&store).await;
    let write = |name: &str| {
        let mut packed = Vec::new();
        pack(&folder, &folder, &mut packed);
        fs::write(fixture(name), packed).unwrap();
    };
    // As it is while the process runs: all that a process leaves that is killed now.
    write(FIXTURES[1]);
    store.close().await.unwrap();
    write(FIXTURES[0]);
}

async fn finds_everything(name: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("sessions");
    unpack(name, &folder);
    let store = FjallStore::open(&folder).unwrap();
    let live = live();
    for (number, record) in &live {
        let loaded = store.load(key(*number), at(NOW)).await.unwrap();
        assert_eq!(loaded.as_ref(), Some(record), "{name}: session {number}");
    }
    for number in DEAD.into_iter().chain(expired().map(|(number, _)| number)) {
        let loaded = store.load(key(number), at(NOW)).await.unwrap();
        assert_eq!(loaded, None, "{name}: session {number} has ended");
    }
    for (number, record) in expired() {
        let loaded = store.load(key(number), at(0)).await.unwrap();
        assert_eq!(
            loaded,
            Some(record),
            "{name}: session {number} is stored until it is swept"
        );
    }
    assert_eq!(store.verify().unwrap(), live.len() as u64 + 2, "{name}");
    for name in ["alice", "bob", "carol", "grüße@example.com"] {
        let page = Page {
            after: None,
            limit: 100,
        };
        let listed = store.list(&owner(name), page, at(NOW)).await.unwrap().sessions;
        let mut listed: Vec<_> = listed.into_iter().map(|owned| *owned.key.as_bytes()).collect();
        let owned = live.iter().filter(|(_, record)| record.owner() == Some(&owner(name)));
        let mut expected: Vec<_> = owned.map(|(number, _)| *key(*number).as_bytes()).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{name}");
    }
    // And it goes on.
    let next = begun(2).owner("alice").revision(2).build();
    let replaced = store.replace(key(2), 1, next.clone(), at(NOW)).await.unwrap();
    assert_eq!(replaced, Replaced::Stored);
    assert_eq!(store.revoke(&owner("bob"), Revoke::All, at(NOW)).await.unwrap(), 40);
    assert_eq!(store.sweep(at(NOW), 100).await.unwrap().removed, 2, "{name}");
    store.close().await.unwrap();
    let store = FjallStore::open(&folder).unwrap();
    assert_eq!(store.load(key(2), at(NOW)).await.unwrap(), Some(next));
    assert_eq!(store.verify().unwrap(), live.len() as u64 - 40, "{name}");
    let end = at(365 * 24 * 60);
    while store.sweep(end, 100).await.unwrap().removed > 0 {}
    assert_eq!(
        store.verify().unwrap(),
        0,
        "{name}: every session is in the queue of deadlines"
    );
}

#[tokio::test]
async fn a_closed_folder_of_format_1_opens_with_everything_in_it() {
    finds_everything(FIXTURES[0]).await;
}

#[tokio::test]
async fn a_folder_of_format_1_that_a_kill_left_opens_with_everything_in_it() {
    finds_everything(FIXTURES[1]).await;
}

#[tokio::test]
async fn a_folder_of_a_newer_format_is_refused_and_left_as_it_is() {
    for name in FIXTURES {
        let scratch = tempfile::tempdir().unwrap();
        unpack(name, scratch.path());
        let format = scratch.path().join("FORMAT");
        let text = fs::read_to_string(&format).unwrap();
        assert!(text.contains("version 1"), "{name}: {text:?}");
        fs::write(&format, text.replace("version 1", "version 2")).unwrap();
        let packed = |folder: &Path| {
            let mut packed = Vec::new();
            pack(folder, folder, &mut packed);
            packed
        };
        let before = packed(scratch.path());
        let error = FjallStore::open(scratch.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedFormat, "{name}: {error}");
        assert!(packed(scratch.path()) == before, "{name}: something was changed");
    }
}
