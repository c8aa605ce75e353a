//! Sessions go out as lines of JSON, and come back.

use std::fs;

use session_core::{Inventory, Store};
use session_fjall::FjallStore;

use crate::damage;
use crate::program::{Home, live, now, run, run_with_input};
use crate::support::{at, key};

#[tokio::test]
async fn an_import_keeps_browsers_signed_in() {
    let home = Home::with(30).await;
    let file = home.path("sessions.jsonl");
    let to = file.to_str().unwrap();
    assert_eq!(
        home.run(&["export", "--values", "--output", to, "--json"])
            .ended(0)
            .json()["sessions"],
        60
    );
    let other = home.path("other");
    run(&other, &["setup"]).ended(0);
    let imported = run(&other, &["import", to, "--json"]).ended(0).json();
    assert_eq!((&imported["sessions"], &imported["expired"]), (&30.into(), &30.into()));

    let (one, other) = (home.open(), FjallStore::open(&other).unwrap());
    assert_eq!(other.verify().unwrap(), 30);
    for number in 0..30 {
        let session = other.load(key(number), at(now())).await.unwrap();
        assert!(session.is_some(), "a browser is signed out");
        assert_eq!(session, one.load(key(number), at(now())).await.unwrap());
    }
}

#[tokio::test]
async fn an_export_says_what_it_left_out() {
    let home = Home::with(3).await;
    assert_eq!(home.run(&["export"]).ended(0).err, "exported 6 sessions\n");
    damage::at_once(&home.store(), damage::Damage::Flipped, 0..2);
    assert_eq!(
        home.run(&["export"]).ended(0).err,
        "exported 4 sessions, left out 2 damaged records\n"
    );
}

#[tokio::test]
async fn an_import_says_what_it_left_out_and_what_signing_keys_are_for() {
    let home = Home::with(3).await;
    let export = home.run(&["export", "--values"]).ended(0).out;
    assert_eq!(
        run_with_input(&home.store(), &["import", "-"], export.as_bytes())
            .ended(0)
            .out,
        "imported 0 sessions, left out 3 sessions: there already, left out 3 sessions: expired; \
         browsers stay signed in if the application has the same signing keys\n"
    );
}

#[tokio::test]
async fn an_import_overwrites_nothing() {
    let home = Home::with(3).await;
    let export = home.run(&["export", "--values"]).ended(0).out;
    let before = home.open().page(None, 100).await.unwrap();
    let ran = run_with_input(&home.store(), &["import", "-", "--json"], export.as_bytes()).ended(0);
    assert_eq!(
        (&ran.json()["present"], &ran.json()["sessions"]),
        (&3.into(), &0.into())
    );
    assert_eq!(home.open().page(None, 100).await.unwrap(), before);
}

#[tokio::test]
async fn an_export_to_a_file_is_private_and_overwrites_nothing() {
    let home = Home::with(3).await;
    let file = home.path("sessions.jsonl");
    home.run(&["export", "--values", "--output", file.to_str().unwrap()])
        .ended(0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&file).unwrap();
    home.run(&["export", "--output", file.to_str().unwrap()]).ended(2);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[cfg(unix)]
#[tokio::test]
async fn an_export_takes_over_no_file_that_stands_where_its_draft_goes() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::with(3).await;
    let (file, draft, theirs) = (
        home.path("sessions.jsonl"),
        home.path("sessions.jsonl.part"),
        home.path("theirs"),
    );
    let export = || {
        home.run(&["export", "--values", "--output", file.to_str().unwrap()])
            .ended(0);
        assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!draft.exists());
        fs::remove_file(&file).unwrap();
    };
    // What an interrupted one left, readable by all.
    fs::write(&draft, "").unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o644)).unwrap();
    export();
    fs::write(&theirs, "theirs").unwrap();
    symlink(&theirs, &draft).unwrap();
    export();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    // Under its own name, too, a link is something that is there, also one that leads nowhere.
    symlink(home.path("nowhere"), &file).unwrap();
    home.run(&["export", "--output", file.to_str().unwrap()]).ended(2);
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
}

#[tokio::test]
async fn a_listing_cannot_be_imported() {
    let home = Home::with(3).await;
    let listing = home.run(&["export"]).ended(0).out;
    assert_eq!(listing.lines().count(), 8);
    for line in listing.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line.get("store_key").is_none() && line.get("record").is_none());
    }
    let ran = run_with_input(&home.store(), &["import", "-"], listing.as_bytes()).ended(1);
    assert!(ran.err.contains("values"), "{}", ran.err);
}

#[tokio::test]
async fn what_is_no_whole_export_is_refused_with_the_line() {
    let home = Home::with(0).await;
    home.put((0..3).map(|number| (number, live(number)))).await;
    let export = home.run(&["export", "--values"]).ended(0).out;
    let lines: Vec<&str> = export.lines().collect();
    let other = home.path("other");
    run(&other, &["setup"]).ended(0);
    let flipped = lines[2].replacen("\"record\":\"U", "\"record\":\"V", 1);
    assert_ne!(flipped, lines[2]);
    for (wrong, said) in [
        (String::new(), "cut off"),
        ("hello\n".into(), "line 1"),
        ("{}\n".into(), "no export"),
        (lines[..3].join("\n"), "cut off"),
        ([lines[0], lines[1], lines[4]].join("\n"), "lines are missing"),
        ([lines[0], lines[1], &flipped, lines[3]].join("\n"), "line 3"),
    ] {
        let ran = run_with_input(&other, &["import", "-"], wrong.as_bytes()).ended(1);
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    run(&other, &["verify"]).ended(0);
}
