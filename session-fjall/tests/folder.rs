//! What opening makes of a folder (P16): set up, opened, or refused with everything in it left as it was.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use session_core::{Admission, Created, Error, ErrorKind, Store, Timestamp};
use session_fjall::FjallStore;
use support::{START, at, key, sample};

/// Every file and folder below a path, with content and mode.
fn snapshot(path: &Path) -> BTreeMap<PathBuf, (Option<Vec<u8>>, fs::Permissions)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        found.insert(path, (content, metadata.permissions()));
    }
    found
}

fn refused(path: &Path) -> Error {
    let error = FjallStore::open(path).expect_err("this folder is to be refused");
    let shown = error.to_string();
    assert!(shown.contains(path.to_str().unwrap()), "{shown}");
    error
}

fn refused_untouched(path: &Path) -> Error {
    let before = snapshot(path);
    let error = refused(path);
    assert_eq!(snapshot(path), before);
    error
}

/// A store with sessions 0 to `sessions`, closed.
async fn filled(path: &Path, sessions: u64) {
    let store = FjallStore::open(path).unwrap();
    for number in 0..sessions {
        let record = sample(number).owner("alice").record();
        let created = store
            .create(key(number), record, Admission::default(), Timestamp::default())
            .await
            .unwrap();
        assert_eq!(created, Created::Stored);
    }
    store.close().await.unwrap();
}

#[test]
fn a_missing_folder_is_created_for_its_owner_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a/b/sessions");
    let store = FjallStore::open(&path).unwrap();
    assert_eq!(store.path(), path);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test]
async fn opening_again_changes_nothing_that_is_stored() {
    let scratch = tempfile::tempdir().unwrap();
    filled(scratch.path(), 300).await;
    for _ in 0..2 {
        let store = FjallStore::open(scratch.path()).unwrap();
        assert_eq!(store.verify().unwrap(), 300);
        let loaded = store.load(key(7), at(START)).await.unwrap().unwrap();
        assert_eq!(loaded, sample(7).owner("alice").record());
    }
}

#[test]
fn a_foreign_folder_is_left_as_it_is() {
    for files in [
        &["notes.txt"][..],
        &["LOCK", "CURRENT"],
        &["LOCK"],
        &["FORMAT"],
        &["LOCK", "db/version", "db/0.jnl"],
        &["version", "lock", "0.jnl"],
    ] {
        let scratch = tempfile::tempdir().unwrap();
        for file in files {
            let file = scratch.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "not ours\n").unwrap();
        }
        assert_eq!(
            refused_untouched(scratch.path()).kind(),
            ErrorKind::Foreign,
            "{files:?}"
        );
        let before = snapshot(scratch.path());
        let error = FjallStore::drop_store(scratch.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert_eq!(snapshot(scratch.path()), before);
    }
}

#[test]
fn a_foreign_fjall_database_is_left_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    {
        let database = fjall::Database::builder(scratch.path()).open().unwrap();
        let items = database
            .keyspace("records", fjall::KeyspaceCreateOptions::default)
            .unwrap();
        items.insert("theirs", "not ours").unwrap();
    }
    assert_eq!(refused_untouched(scratch.path()).kind(), ErrorKind::Foreign);
}

/// A path that cannot be followed does not say that there is no store.
#[test]
fn a_store_that_is_not_there_is_told_from_one_that_cannot_be_looked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let opened = FjallStore::builder(scratch.path().join(name)).open_existing();
        opened.expect_err("there is no store")
    };
    let error = open("missing");
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert!(error.to_string().contains("there is none"), "{error}");
    let error = open(&"x".repeat(4000));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_way_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "not ours").unwrap();
    assert_eq!(refused(&file).kind(), ErrorKind::Foreign);
    let error = FjallStore::open(file.join("sessions")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    let error = FjallStore::drop_store(file.join("sessions")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    assert_eq!(fs::read(&file).unwrap(), b"not ours");
}

#[tokio::test]
async fn a_newer_format_is_left_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    filled(scratch.path(), 3).await;
    let format = scratch.path().join("FORMAT");
    let text = fs::read_to_string(&format).unwrap();
    fs::write(&format, text.replace("version 1", "version 2")).unwrap();
    assert_eq!(refused_untouched(scratch.path()).kind(), ErrorKind::UnsupportedFormat);
}

#[tokio::test]
async fn a_damaged_format_marker_is_left_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    filled(scratch.path(), 3).await;
    for text in [
        "",
        "session-fjall store\n",
        "session-fjall store\nversion x\n",
        "session-fjall store\nversion 0\n",
        "\u{0}\u{0}",
    ] {
        fs::write(scratch.path().join("FORMAT"), text).unwrap();
        assert_eq!(refused_untouched(scratch.path()).kind(), ErrorKind::Corrupt, "{text:?}");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_holder_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    let store = FjallStore::open(&path).unwrap();
    let error = refused(&path);
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(
        error.to_string().contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    assert_eq!(FjallStore::drop_store(&path).unwrap_err().kind(), ErrorKind::Locked);
    // The one that was refused has disturbed nothing.
    assert_eq!(store.verify().unwrap(), 0);
    let clone = store.clone();
    drop(store);
    assert_eq!(refused(&path).kind(), ErrorKind::Locked);
    drop(clone);
    FjallStore::open(&path).unwrap();
}

#[tokio::test]
async fn an_interrupted_set_up_is_continued() {
    let scratch = tempfile::tempdir().unwrap();
    // Killed before the lock file was written.
    let path = scratch.path().join("one");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("LOCK"), "").unwrap();
    FjallStore::open(&path).unwrap();
    // Killed before the database was whole, and before the marker was in place.
    for left in ["db/0.jnl", "db/version", "FORMAT.new"] {
        let path = scratch.path().join(left.replace('/', "-"));
        filled(&path, 0).await;
        fs::remove_file(path.join("FORMAT")).unwrap();
        fs::remove_dir_all(path.join("db")).unwrap();
        fs::create_dir(path.join("db")).unwrap();
        fs::write(path.join(left), "half").unwrap();
        filled(&path, 3).await;
        assert_eq!(FjallStore::open(&path).unwrap().verify().unwrap(), 3, "{left}");
    }
}

#[tokio::test]
async fn an_interrupted_set_up_can_be_dropped_and_an_empty_folder_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    filled(&path, 3).await;
    fs::remove_file(path.join("FORMAT")).unwrap();
    FjallStore::drop_store(&path).unwrap();
    assert!(!path.exists());
    fs::create_dir(&path).unwrap();
    FjallStore::drop_store(&path).unwrap();
    assert!(path.is_dir());
}

#[tokio::test]
async fn a_database_that_cannot_be_removed_is_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    for drop in [false, true] {
        filled(&path, 3).await;
        if !drop {
            fs::remove_file(path.join("FORMAT")).unwrap();
        }
        let database = path.join("db");
        fs::remove_dir_all(&database).unwrap();
        fs::write(&database, "a file").unwrap();
        let error = if drop {
            FjallStore::drop_store(&path).unwrap_err()
        } else {
            refused(&path)
        };
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert_eq!(fs::read(&database).unwrap(), b"a file");
        fs::remove_dir_all(&path).unwrap();
    }
}

#[tokio::test]
async fn a_missing_keyspace_is_an_error_and_no_empty_index() {
    let scratch = tempfile::tempdir().unwrap();
    for missing in ["records", "seen", "deadlines", "owners"] {
        let path = scratch.path().join(missing);
        filled(&path, 3).await;
        {
            let database = fjall::Database::builder(path.join("db")).open().unwrap();
            let keyspace = database
                .keyspace(missing, fjall::KeyspaceCreateOptions::default)
                .unwrap();
            database.delete_keyspace(keyspace).unwrap();
        }
        assert_eq!(refused(&path).kind(), ErrorKind::Corrupt, "{missing}");
    }
}

/// A link, and what a disk is mounted on, cannot be removed as a folder is.
#[cfg(unix)]
#[tokio::test]
async fn a_store_behind_a_link_is_dropped_and_the_link_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let (path, link) = (scratch.path().join("sessions"), scratch.path().join("link"));
    filled(&path, 3).await;
    std::os::unix::fs::symlink(&path, &link).unwrap();
    FjallStore::drop_store(&link).unwrap();
    assert_eq!(fs::read_dir(&link).unwrap().count(), 0);
}

#[test]
fn a_store_is_shown_by_its_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let store = FjallStore::open(scratch.path()).unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains(scratch.path().to_str().unwrap()), "{shown}");
}

#[tokio::test]
async fn a_missing_database_is_an_error_and_no_empty_store() {
    let scratch = tempfile::tempdir().unwrap();
    for missing in ["db", "db/version", "db/keyspaces"] {
        let path = scratch.path().join(missing.replace('/', "-"));
        filled(&path, 3).await;
        let gone = path.join(missing);
        if gone.is_dir() {
            fs::remove_dir_all(gone).unwrap();
        } else {
            fs::remove_file(gone).unwrap();
        }
        assert_eq!(refused(&path).kind(), ErrorKind::Corrupt, "{missing}");
        FjallStore::drop_store(&path).unwrap();
        assert!(!path.exists());
    }
}

/// Files of the database, by the end of their name or their folder.
fn files(path: &Path, part: &str) -> Vec<PathBuf> {
    snapshot(path)
        .into_iter()
        .filter(|(path, (content, _))| content.is_some() && path.to_str().unwrap().contains(part))
        .map(|(path, _)| path)
        .collect()
}

#[tokio::test]
async fn a_damaged_table_is_an_error_that_names_the_path() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    filled(&path, 300).await;
    let tables = files(&path.join("db/keyspaces"), "/tables/");
    assert!(!tables.is_empty());
    for table in tables {
        let good = fs::read(&table).unwrap();
        for damage in ["first", "middle", "last", "cut"] {
            let mut bad = good.clone();
            match damage {
                "first" => bad[..16].fill(0xaa),
                "middle" => bad[good.len() / 2] ^= 1,
                "last" => *bad.last_mut().unwrap() ^= 1,
                _ => bad.truncate(good.len() / 2),
            }
            fs::write(&table, bad).unwrap();
            let what = format!("{} {damage}", table.display());
            // Damage is found when the store opens, or when the damaged block is read; it never shows as absence.
            match FjallStore::open(&path) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error:?}");
                    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                }
                Ok(store) => match store.verify() {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error:?}"),
                    Ok(count) => {
                        assert_eq!(count, 300, "{what}");
                        println!("{what} is not noticed, and does no harm");
                    }
                },
            }
            fs::write(&table, &good).unwrap();
        }
    }
    assert_eq!(FjallStore::open(&path).unwrap().verify().unwrap(), 300);
}

/// The engine would panic over them while it holds a lock, and end the process.
#[tokio::test]
async fn a_folder_of_others_among_the_engine_s_is_an_error_and_leaves_the_process_alive() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    filled(&path, 3).await;
    let keyspaces = path.join("db/keyspaces");
    let mut places = vec![path.join("db/old.jnl")];
    for stray in ["@eaDir", "notes", "-1", "07", "+7", "99999999999999999999"] {
        places.push(keyspaces.join(stray));
        places.push(keyspaces.join("1/tables").join(stray));
    }
    for stray in places {
        fs::create_dir(&stray).unwrap();
        let error = refused_untouched(&path);
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        let shown = error.to_string();
        assert!(
            shown.contains(stray.to_str().unwrap()) && shown.contains("move it"),
            "{shown}"
        );
        fs::remove_dir(stray).unwrap();
    }
    // Where it does no harm.
    fs::create_dir(path.join("db/@eaDir")).unwrap();
    fs::write(keyspaces.join("notes"), "theirs").unwrap();
    assert_eq!(FjallStore::open(&path).unwrap().verify().unwrap(), 3);
}

#[tokio::test]
async fn a_dropped_store_leaves_nothing_of_ours() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    filled(&path, 3).await;
    FjallStore::drop_store(&path).unwrap();
    assert!(!path.exists());
    FjallStore::drop_store(&path).unwrap();
    assert!(!path.exists());
    // What somebody else put into the folder stays.
    filled(&path, 3).await;
    fs::write(path.join("notes.txt"), "theirs").unwrap();
    FjallStore::drop_store(&path).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(fs::read(path.join("notes.txt")).unwrap(), b"theirs");
}

/// Copies a folder; journals without the zeros behind their content, which are megabytes.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for (path, (content, _)) in snapshot(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        match content {
            None => fs::create_dir_all(to).unwrap(),
            Some(mut content) => {
                if path.extension().is_some_and(|kind| kind == "jnl") {
                    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    content.truncate(end);
                }
                fs::write(to, content).unwrap();
            }
        }
    }
}

/// Damages the journal of copies of a folder in many places, and opens each.
fn with_damaged_journals(original: &Path, mut check: impl FnMut(FjallStore, &str)) {
    let good = original.with_extension("good");
    copy(original, &good);
    let journal = files(&good.join("db"), ".jnl").pop().unwrap();
    let content = fs::read(&journal).unwrap();
    let damaged = original.with_extension("damaged");
    for part in 0..40 {
        let place = content.len() * part / 40;
        for cut in [true, false] {
            copy(&good, &damaged);
            let mut content = content.clone();
            if cut {
                content.truncate(place);
            } else {
                content[place] ^= 1;
            }
            fs::write(damaged.join(journal.strip_prefix(&good).unwrap()), content).unwrap();
            match FjallStore::open(&damaged) {
                Ok(store) => check(store, &format!("{place}, cut: {cut}")),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_torn_journal_leaves_a_store_that_agrees_with_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    // Not closed: everything is in the journal alone.
    let store = FjallStore::open(&path).unwrap();
    for number in 0..50 {
        let record = sample(number).owner("alice").record();
        let created = store
            .create(key(number), record, Admission::default(), Timestamp::default())
            .await
            .unwrap();
        assert_eq!(created, Created::Stored);
    }
    let mut least = u64::MAX;
    with_damaged_journals(&path, |store, place| {
        let count = store.verify().unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(count <= 50);
        least = least.min(count);
    });
    assert!(least < 50);
}

#[tokio::test]
async fn after_a_clean_close_a_damaged_journal_costs_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    filled(&path, 50).await;
    with_damaged_journals(&path, |store, place| {
        assert_eq!(store.verify().unwrap(), 50, "{place}");
    });
}
