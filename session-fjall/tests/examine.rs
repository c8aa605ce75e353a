//! What an examination finds, and what a repair makes of it. The damage is done to the database behind the store's back.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod damage;
mod support;

use std::path::Path;

use damage::Damage;
use session_core::{Admission, Created, ErrorKind, Inventory, Owner, OwnerIndex, Page, Revoke, Store, Touched};
use session_fjall::{Content, Examination, Finding, FjallStore, Index, Repair};
use support::{HOUR, START, at, key, sample};

fn examine(path: &Path, repair: Repair) -> Examination {
    FjallStore::open(path).unwrap().examine(repair, |_| {}).unwrap()
}

/// Examines, repairs and examines again; answers what was found first.
fn repaired(path: &Path) -> Examination {
    let first = examine(path, Repair::Nothing);
    assert_eq!(first.mended, 0);
    let again = examine(path, Repair::Indexes);
    assert_eq!(
        (again.missing, again.leftover, again.damaged),
        (first.missing, first.leftover, first.damaged)
    );
    let last = examine(path, Repair::Nothing);
    assert_eq!((last.missing, last.leftover), (0, 0), "{:?}", last.findings);
    assert_eq!(last.sessions, first.sessions);
    assert_eq!(last.damaged, first.damaged);
    first
}

#[tokio::test]
async fn a_sound_store_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    // One that is in use stands in the queue where it stood before.
    let store = FjallStore::open(folder.path()).unwrap();
    let touched = store.touch(key(7), at(START + 9000), at(START + HOUR)).await;
    assert_eq!(touched.unwrap(), Touched::Recorded);
    drop(store);
    let found = examine(folder.path(), Repair::Nothing);
    assert!(found.is_sound(), "{:?}", found.findings);
    assert_eq!(found.sessions, 300);
}

#[test]
fn each_kind_of_fault_makes_a_store_unsound() {
    let kinds: [fn(&mut Examination) -> &mut u64; 4] = [
        |found| &mut found.missing,
        |found| &mut found.leftover,
        |found| &mut found.damaged,
        |found| &mut found.doubled,
    ];
    for kind in kinds {
        let mut found = Examination::default();
        assert!(found.is_sound());
        *kind(&mut found) = 1;
        assert!(!found.is_sound(), "{found:?}");
    }
}

#[tokio::test]
async fn an_export_counts_what_it_cannot_read_and_holds_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 5).await;
    damage::at_once(folder.path(), Damage::Flipped, 1..3);
    let store = FjallStore::open(folder.path()).unwrap();
    let mut lines = Vec::new();
    let exported = store.export(&mut lines, Content::Listing, at(START), |_| {}).unwrap();
    assert_eq!((exported.sessions, exported.unreadable), (3, 2));
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 1 + 3 + 1);
}

/// It costs a look at each record for each entry.
#[tokio::test]
async fn an_index_is_searched_for_what_is_left_over_only_if_it_holds_more_than_the_records_account_for() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 30).await;
    let walks = || {
        let mut walks = Vec::new();
        let store = FjallStore::open(folder.path()).unwrap();
        store
            .examine(Repair::Nothing, |progress| walks.push(progress.walking))
            .unwrap();
        walks
    };
    assert_eq!(walks(), ["records", "deadlines", "owners"]);
    // Its place in the queue is where it should be; whose it is, nobody can tell.
    damage::damage_record(folder.path(), 7);
    assert_eq!(walks(), ["records", "deadlines", "owners", "owners, searching"]);
    damage::remove_record(folder.path(), 8);
    assert_eq!(
        walks(),
        [
            "records",
            "deadlines",
            "deadlines, searching",
            "owners",
            "owners, searching"
        ]
    );
}

#[tokio::test]
async fn a_missing_entry_in_each_index_is_found_and_written_again() {
    for (index, name) in [
        (Index::Seen, "seen"),
        (Index::Deadlines, "deadlines"),
        (Index::Owners, "owners"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        damage::filled(folder.path(), 300).await;
        let key = damage::remove_index_entry(folder.path(), name, 7);
        let first = repaired(folder.path());
        let handle = sample(7).handle();
        let finding = Finding::Missing { key, handle, index };
        assert!(first.findings.contains(&finding), "{:?}", first.findings);
        let shown = finding.to_string();
        assert!(shown.contains(&handle.to_string()) && shown.ends_with(name), "{shown}");

        // Found by its owner, and swept, as ever.
        let store = FjallStore::open(folder.path()).unwrap();
        let owner = Owner::new("user 7").unwrap();
        let page = Page { after: None, limit: 10 };
        assert_eq!(store.list(&owner, page, at(START)).await.unwrap().sessions.len(), 1);
        assert_eq!(store.sweep(at(START + 100 * HOUR), 1000).await.unwrap().removed, 300);
        assert_eq!(store.verify().unwrap(), 0);
    }
}

#[tokio::test]
async fn entries_without_a_record_are_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::remove_record(folder.path(), 7);
    let first = repaired(folder.path());
    assert_eq!((first.missing, first.leftover, first.sessions), (0, 3, 299));
    for index in [Index::Seen, Index::Deadlines, Index::Owners] {
        let key = Some(key(7));
        assert!(
            first.findings.contains(&Finding::Leftover { key, index }),
            "{:?}",
            first.findings
        );
    }
}

#[tokio::test]
async fn a_place_in_an_owner_s_list_that_leads_to_a_session_of_others_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::misdirect(folder.path(), 7, 8);
    let first = repaired(folder.path());
    assert_eq!(
        (first.missing, first.leftover, first.doubled),
        (1, 1, 0),
        "{:?}",
        first.findings
    );
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(store.verify().unwrap(), 300);
    let owner = Owner::new("user 7").unwrap();
    let page = Page { after: None, limit: 10 };
    let listed = store.list(&owner, page, at(START)).await.unwrap().sessions;
    assert_eq!((listed.len(), listed[0].key), (1, key(7)));
}

#[tokio::test]
async fn a_missing_entry_hides_none_that_is_left_over_in_the_same_index() {
    for (index, name) in [(Index::Deadlines, "deadlines"), (Index::Owners, "owners")] {
        let folder = tempfile::tempdir().unwrap();
        damage::filled(folder.path(), 300).await;
        damage::remove_index_entry(folder.path(), name, 7);
        damage::remove_record(folder.path(), 8);
        let first = repaired(folder.path());
        assert_eq!((first.missing, first.leftover), (1, 3), "{:?}", first.findings);
        let key = Some(key(8));
        assert!(
            first.findings.contains(&Finding::Leftover { key, index }),
            "{:?}",
            first.findings
        );
    }
}

#[tokio::test]
async fn more_damage_than_is_listed_is_mended_too() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::at_once(folder.path(), Damage::Record, 0..250);
    let first = repaired(folder.path());
    assert_eq!(first.leftover, 750);
    assert_eq!(first.findings.len(), Examination::MOST_FINDINGS);
}

#[tokio::test]
async fn a_damaged_record_is_kept_unless_it_may_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::damage_record(folder.path(), 7);
    let first = repaired(folder.path());
    assert_eq!((first.missing, first.leftover, first.damaged), (0, 0, 1));
    let Finding::Damaged { key: place, why } = &first.findings[0] else {
        panic!("{:?}", first.findings)
    };
    assert_eq!(*place, key(7));
    assert!(why.contains("checksum"), "{why}");

    let removed = examine(folder.path(), Repair::IndexesAndDamaged);
    assert_eq!((removed.missing, removed.leftover, removed.damaged), (0, 0, 1));
    assert_eq!(removed.mended, 2, "the record, and its place in its owner's list");
    let last = examine(folder.path(), Repair::Nothing);
    assert!(last.is_sound(), "{:?}", last.findings);
    assert_eq!(last.sessions, 299);
}

#[tokio::test]
async fn a_damaged_record_holds_up_neither_the_inventory_nor_the_end_of_all() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 30).await;
    damage::damage_record(folder.path(), 7);
    let store = FjallStore::open(folder.path()).unwrap();
    let page = store.page(None, 100).await.unwrap();
    assert_eq!((page.records.len(), page.unreadable), (29, vec![key(7)]));
    let stats = store.stats(at(START), |_| {}).unwrap();
    assert_eq!((stats.sessions, stats.unreadable, stats.owners), (29, 1, 30));
    assert_eq!(store.verify().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.clear().await.unwrap(), 30);
    assert_eq!(store.verify().unwrap(), 0);
}

/// Two records under one place of their owner's list: the list leads to the later one alone.
async fn doubled(path: &Path) -> FjallStore {
    damage::filled(path, 30).await;
    let store = FjallStore::open(path).unwrap();
    let record = sample(7).owner("user 7").record();
    let created = store.create(key(100), record, Admission::default(), at(START)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    store
}

#[tokio::test]
async fn two_records_of_one_session_are_a_fault_that_no_repair_hides() {
    let folder = tempfile::tempdir().unwrap();
    let store = doubled(folder.path()).await;
    let handle = sample(7).handle();
    for repair in [
        Repair::Nothing,
        Repair::Indexes,
        Repair::IndexesAndDamaged,
        Repair::Nothing,
    ] {
        let found = store.examine(repair, |_| {}).unwrap();
        assert_eq!(
            (found.doubled, found.missing, found.leftover, found.mended),
            (1, 0, 0, 0),
            "{found:?}"
        );
        assert!(!found.is_sound());
        let (key, other) = (key(7), key(100));
        assert_eq!(found.findings, [Finding::Doubled { key, other, handle }]);
        assert!(
            found.findings[0].to_string().contains(&handle.to_string()),
            "{}",
            found.findings[0]
        );
    }
    assert_eq!(store.verify().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn both_records_of_one_session_end_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = doubled(folder.path()).await;
    assert_eq!(store.clear().await.unwrap(), 31);
    drop(store);
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(store.verify().unwrap(), 0);
    let record = sample(7).owner("user 7").record();
    let created = store.create(key(7), record, store.epoch().into(), at(START)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    drop(store);
    assert_eq!(FjallStore::open(folder.path()).unwrap().verify().unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_record_holds_up_neither_its_owners_list_nor_the_end_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    for number in 0..5 {
        let mut session = sample(number).owner("alice");
        session.created_at = START - number;
        session.seen_at = START - number;
        let created = store
            .create(key(number), session.record(), Admission::default(), at(START))
            .await;
        assert_eq!(created.unwrap(), Created::Stored);
    }
    store.close().await.unwrap();
    damage::damage_record(folder.path(), 2);
    damage::malform_sighting(folder.path(), 3);

    let store = FjallStore::open(folder.path()).unwrap();
    let alice = Owner::new("alice").unwrap();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(&alice, Page { after, limit: 1 }, at(START)).await.unwrap();
        listed.extend(page.sessions.iter().map(|owned| owned.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, [key(0), key(1), key(4)]);
    // By itself it is an error, and no absence.
    assert_eq!(
        store.load(key(2), at(START)).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    let others = Revoke::Others(sample(0).handle());
    assert_eq!(store.revoke(&alice, others, at(START)).await.unwrap(), 4);
    assert_eq!(store.count().unwrap(), 1);
}

#[tokio::test]
async fn a_page_of_everything_looks_at_no_more_entries_than_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::at_once(folder.path(), Damage::Record, 0..250);
    let store = FjallStore::open(folder.path()).unwrap();
    let (mut found, mut pages, mut after) = (0, 0, None);
    loop {
        let page = store.page(after, 10).await.unwrap();
        found += page.records.len();
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (50, 30));
}

#[tokio::test]
async fn a_repair_beside_requests_takes_nothing_that_they_stored() {
    let folder = tempfile::tempdir().unwrap();
    damage::filled(folder.path(), 300).await;
    damage::at_once(folder.path(), Damage::Record, 0..100);
    let store = FjallStore::open(folder.path()).unwrap();
    let mut number = 1000;
    let runtime = tokio::runtime::Handle::current();
    // The report is made in the middle of the walk, which sees the store as it was when it began.
    let found = std::thread::scope(|scope| {
        let walk = scope.spawn(|| {
            store.examine(Repair::Indexes, |_| {
                number += 1;
                let owner = format!("user {}", number - 1000);
                let record = sample(number).owner(&owner).record();
                let _ = runtime.block_on(store.create(key(number), record, store.epoch().into(), at(START)));
                let owner = Owner::new("user 250").unwrap();
                let _ = runtime.block_on(store.revoke(&owner, Revoke::All, at(START)));
            })
        });
        walk.join().unwrap().unwrap()
    });
    assert_eq!(found.leftover, 300);
    assert!(number > 1002);
    assert_eq!(store.verify().unwrap(), 200 - 1 + (number - 1000));
}

#[tokio::test]
async fn a_backup_opens_as_a_store_and_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("sessions"), folder.path().join("copy"));
    damage::filled(&path, 300).await;
    let store = FjallStore::open(&path).unwrap();
    // One without an owner.
    let created = store.create(key(300), sample(300).record(), Admission::default(), at(START));
    assert_eq!(created.await.unwrap(), Created::Stored);
    let expected = store.page(None, 1000).await.unwrap();
    assert_eq!(store.backup(&copy, |_| {}).unwrap(), 301);
    // What happens to one is nothing to the other.
    store.clear().await.unwrap();
    for _ in 0..2 {
        let copy = FjallStore::open(&copy).unwrap();
        assert_eq!(copy.page(None, 1000).await.unwrap(), expected);
        assert_eq!(copy.verify().unwrap(), 301);
    }
    let copy = FjallStore::open(&copy).unwrap();
    assert_eq!(copy.sweep(at(START + 100 * HOUR), 1000).await.unwrap().removed, 301);
    assert_eq!(copy.verify().unwrap(), 0);
}

#[tokio::test]
async fn a_backup_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("sessions"), folder.path().join("other"));
    damage::filled(&path, 3).await;
    damage::filled(&other, 5).await;
    let store = FjallStore::open(&path).unwrap();
    assert_eq!(store.backup(&other, |_| {}).unwrap_err().kind(), ErrorKind::Foreign);
    assert_eq!(FjallStore::open(&other).unwrap().verify().unwrap(), 5);
    std::fs::create_dir(folder.path().join("theirs")).unwrap();
    std::fs::write(folder.path().join("theirs/notes"), "").unwrap();
    let error = store.backup(folder.path().join("theirs"), |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
}

#[tokio::test]
async fn a_backup_into_around_or_below_the_store_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    damage::filled(&path, 3).await;
    let store = FjallStore::open(&path).unwrap();
    let mut targets: Vec<_> = [
        "",
        "copy",
        "db/copy",
        "db/keyspaces/7",
        "missing/../db/copy",
        "..",
        "../sessions/copy",
        "../x/../sessions/copy",
    ]
    .map(|inner| path.join(inner))
    .into();
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        targets.push(link.join("copy"));
    }
    for target in targets {
        let error = store.backup(&target, |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{}: {error}", target.display());
        let real = folder.path().canonicalize().unwrap();
        assert!(
            error.to_string().contains(real.join("sessions").to_str().unwrap()),
            "{error}"
        );
        for made in ["copy", "db/copy", "db/keyspaces/7", "missing"] {
            assert!(!path.join(made).exists(), "{made} was left behind");
        }
    }
    drop(store);
    assert_eq!(FjallStore::open(&path).unwrap().verify().unwrap(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_private_also_in_an_empty_folder_that_others_could_enter() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("sessions"), folder.path().join("copy"));
    damage::filled(&path, 3).await;
    std::fs::create_dir(&copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    FjallStore::open(&path).unwrap().backup(&copy, |_| {}).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
    // One that is closed already is left as it is.
    let copy = folder.path().join("another");
    std::fs::create_dir(&copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o1700)).unwrap();
    FjallStore::open(&path).unwrap().backup(&copy, |_| {}).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o1700);
}
