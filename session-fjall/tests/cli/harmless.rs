//! What the program does not do: overwrite, remove what is not ours, show what is secret, or ask nobody.

use std::fs;

use session_core::{ErrorKind, Inventory};
use session_fjall::FjallStore;

use crate::program::{Home, live, now, program, run};
use crate::support::HOUR;

#[tokio::test]
async fn a_store_in_use_is_left_alone_with_what_to_do_instead() {
    let home = Home::with(3).await;
    let store = home.open();
    for command in ["stats", "list", "sweep", "verify", "setup"] {
        let ran = home.run(&[command]).ended(3);
        assert!(ran.out.is_empty(), "{}", ran.out);
        let pid = format!("pid {}", std::process::id());
        for needed in [home.store().to_str().unwrap(), &pid, "LOCK", "admin routes"] {
            assert!(ran.err.contains(needed), "{command} does not say {needed}: {}", ran.err);
        }
    }
    for command in [&["drop", "--yes"][..], &["clear", "--yes"], &["backup", "elsewhere"]] {
        home.run(command).ended(3);
    }
    assert_eq!(store.verify().unwrap(), 6);
}

#[tokio::test]
async fn nothing_is_ended_or_removed_unasked() {
    let home = Home::with(3).await;
    for command in [&["clear"][..], &["drop"], &["revoke", "--all"]] {
        let ran = home.run(command).ended(2);
        assert!(ran.err.contains("--yes"), "{}", ran.err);
    }
    assert_eq!(home.open().verify().unwrap(), 6);
}

#[test]
fn only_setup_makes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    for command in [
        &["stats"][..],
        &["list"],
        &["sweep"],
        &["verify", "--repair"],
        &["clear", "--yes"],
        &["import", "-"],
        &["export"],
    ] {
        let ran = run(&path, command).ended(1);
        assert!(
            ran.err.contains(path.to_str().unwrap()) && ran.err.contains("there is none"),
            "{}",
            ran.err
        );
        assert!(!path.exists(), "{command:?}");
    }
    assert_eq!(run(&path, &["setup", "--json"]).ended(0).json()["created"], true);
    assert_eq!(run(&path, &["setup", "--json"]).ended(0).json()["created"], false);
    run(&path, &["stats"]).ended(0);
}

#[tokio::test]
async fn only_what_is_ours_is_dropped() {
    let home = Home::with(3).await;
    let theirs = home.path("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("notes"), "theirs").unwrap();
    for command in [&["drop", "--yes"][..], &["setup"], &["clear", "--yes"]] {
        run(&theirs, command).ended(1);
    }
    assert_eq!(fs::read(theirs.join("notes")).unwrap(), b"theirs");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);

    home.run(&["drop", "--yes"]).ended(0);
    assert!(!home.store().exists());
    assert_eq!(home.run(&["drop", "--json"]).ended(0).json()["removed"], false);
}

#[tokio::test]
async fn values_are_shown_only_on_demand() {
    let home = Home::with(0).await;
    let planted = live(1).owner("user 1").text("very-secret-value");
    home.put([(1, planted)].into_iter()).await;
    let handle = live(1).handle().to_string();
    let encoded = base64("very-secret-value");
    for command in [
        &["stats"][..],
        &["list"],
        &["list", "--owner", "user 1"],
        &["show", &handle],
        &["verify"],
        &["export"],
        &["sweep"],
        &["revoke", "--owner", "nobody"],
    ] {
        for format in [&[][..], &["--json"]] {
            let ran = home.run(&[command, format].concat()).ended(0);
            assert!(
                !ran.shown().contains("secret") && !ran.shown().contains(&encoded),
                "{command:?}: {}",
                ran.shown()
            );
        }
    }
    assert!(
        home.run(&["show", &handle, "--values"])
            .ended(0)
            .out
            .contains("very-secret-value")
    );
    let shown = home.run(&["show", &handle, "--values", "--json"]).ended(0).json();
    assert_eq!(shown["values"][0]["value"], encoded.as_str());
}

/// base64url without padding, of a length that needs none.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = text
        .bytes()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    let digit = |six: &[u8]| six.iter().fold(0, |sum, bit| sum * 2 + bit) << (6 - six.len());
    bits.chunks(6)
        .map(|six| char::from(DIGITS[usize::from(digit(six))]))
        .collect()
}

#[tokio::test]
async fn an_interrupted_sweep_leaves_a_sound_store() {
    let home = Home::with(0).await;
    let long_ago = now() - 100 * HOUR;
    let expired = (0..5000).map(|number| {
        let mut sample = live(number);
        (sample.created_at, sample.seen_at) = (long_ago, long_ago);
        (number, sample)
    });
    home.put(expired).await;
    let child = program(&home.store(), &["sweep"]).spawn().unwrap();
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let mut child = child;
    let _ = child.wait().unwrap();
    home.run(&["verify"]).ended(0);
    home.run(&["sweep"]).ended(0);
    assert_eq!(home.open().verify().unwrap(), 0);
}

#[tokio::test]
async fn a_backup_opens_as_a_store_and_is_equal() {
    let home = Home::with(30).await;
    let copy = home.path("copy");
    let to = copy.to_str().unwrap();
    assert_eq!(home.run(&["backup", to, "--json"]).ended(0).json()["records"], 60);
    run(&copy, &["verify"]).ended(0);
    let (one, other) = (home.open(), FjallStore::open(&copy).unwrap());
    assert_eq!(other.verify().unwrap(), 60);
    assert_eq!(one.page(None, 100).await.unwrap(), other.page(None, 100).await.unwrap());
    let error = one.backup(&copy, |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    one.close().await.unwrap();
    other.close().await.unwrap();
    // Never over another store.
    home.run(&["backup", to]).ended(1);
    run(&copy, &["verify"]).ended(0);
}

/// `session-fjall list | head -1`, and a disk that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn whoever_reads_may_have_had_enough_and_what_cannot_be_written_is_an_error() {
    let home = Home::with(3).await;
    for command in ["list", "export"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = program(&home.store(), &[command]).stdout(writer).output().unwrap();
        assert_eq!(
            (ran.status.code(), ran.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{command}"
        );
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let ran = program(&home.store(), &[command]).stdout(full).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{command}");
        assert!(
            said.starts_with("error: writing ") && said.contains("No space left"),
            "{said}"
        );
    }
}

#[test]
fn the_help_lists_exit_codes_and_examples() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["--help"]).ended(0).out;
    for needed in ["Exit codes", "Examples", "verify", "--json"] {
        assert!(help.contains(needed), "{help}");
    }
    run(folder.path(), &["nonsense"]).ended(2);
}
