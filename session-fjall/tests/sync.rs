//! What the durable class rests on: the disk is told to keep a change before the change is acknowledged. Watched from outside, in the
//! system calls of a child process, this same test binary.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else
#![cfg(target_os = "linux")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use session_core::{
    Admission, Created, Deleted, Owner, OwnerIndex, OwnerLimit, Revoke, Rotated, Rotation, Store, Timestamp,
};
use session_fjall::{Durability, FjallStore};
use support::{START, at, key, sample};

const FOLDER: &str = "SESSION_FJALL_SYNC_FOLDER";
const DURABILITY: &str = "SESSION_FJALL_SYNC_DURABILITY";
const ROUNDS: u64 = 20;

fn say(what: &str) {
    // One write, which the trace shows.
    std::io::stdout().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// Runs in the child only.
#[tokio::test]
async fn child_whose_system_calls_are_watched() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let durability = match std::env::var(DURABILITY).as_deref() {
        Ok("power loss") => Durability::PowerLoss,
        _ => Durability::Process,
    };
    let store = FjallStore::builder(folder).durability(durability).open().unwrap();
    let owner = Owner::new("alice").unwrap();
    say("ready");
    for round in 0..ROUNDS {
        let new = |offset| key(4 * round + offset);
        for offset in 0..2 {
            let record = sample(4 * round + offset).owner("alice").record();
            assert_eq!(
                store
                    .create(new(offset), record, store.epoch().into(), Timestamp::default())
                    .await
                    .unwrap(),
                Created::Stored
            );
            say("created");
        }
        let mut next = sample(4 * round).owner("alice");
        next.revision = 2;
        let (old, record) = (new(0), next.record());
        let rotation = Rotation::new(old, 1, new(2), record, at(START));
        assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
        say("rotated");
        assert_eq!(store.delete(new(1)).await.unwrap(), Deleted::Removed);
        say("deleted");
        let admission = Admission::new(store.epoch()).with_limit(OwnerLimit::end_oldest(1).unwrap());
        let record = sample(4 * round + 3).owner("alice").record();
        let created = store.create(new(3), record, admission, at(START)).await.unwrap();
        assert!(matches!(created, Created::Displaced(_)), "{created:?}");
        say("displaced");
        assert_eq!(store.revoke(&owner, Revoke::All, at(START)).await.unwrap(), 1);
        say("revoked");
    }
    say("done");
}

/// An acknowledgement of the child, and what the system was asked since the one before.
#[derive(Clone, Debug)]
struct Acknowledged {
    what: String,
    syncs: usize,
    /// Bytes that were written, by the store alone.
    bytes: usize,
}

fn watch(durability: &str) -> Vec<Acknowledged> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-s", "16", "-e", "trace=fdatasync,fsync,write", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_whose_system_calls_are_watched", "--nocapture"])
        .env(FOLDER, folder.path().join("store"))
        .env(DURABILITY, durability)
        .stdout(Stdio::null())
        .status()
        .expect("strace runs");
    assert!(status.success(), "{status}");
    let mut acknowledged = Vec::new();
    let (mut syncs, mut bytes) = (0, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        // A call that another thread interrupts is shown in two lines; the second one says that it returned.
        let returned = line.ends_with("= 0");
        if returned && (line.contains("fdatasync") || line.contains("fsync")) {
            syncs += 1;
        } else if let Some((_, said)) = line.split_once("write(1, \"") {
            acknowledged.push(Acknowledged {
                what: said.split('\\').next().unwrap_or_default().to_owned(),
                syncs: std::mem::take(&mut syncs),
                bytes: std::mem::take(&mut bytes),
            });
        } else if let Some((_, written)) = line.rsplit_once(" = ").filter(|(call, _)| call.contains("write")) {
            let written: usize = written.parse().unwrap_or(0);
            // Whoever wakes a thread of tokio's writes 8.
            bytes += if written == 8 { 0 } else { written };
        }
    }
    // Before and behind it the test harness writes.
    let at = |mark: &str| {
        acknowledged
            .iter()
            .position(|acknowledged| acknowledged.what == mark)
            .expect("the child was traced")
    };
    acknowledged[at("ready") + 1..at("done")].to_vec()
}

#[test]
#[ignore = "needs strace"]
fn strace_shows_a_write_before_every_answer_and_a_sync_before_every_durable_one() {
    let acknowledged = watch("process");
    let of = |what: &str| -> Vec<&Acknowledged> { acknowledged.iter().filter(|said| said.what == what).collect() };
    for what in ["rotated", "deleted", "displaced", "revoked"] {
        let found = of(what);
        assert_eq!(found.len() as u64, ROUNDS);
        assert!(
            found.iter().all(|said| said.syncs > 0 && said.bytes > 0),
            "{what} was acknowledged before a sync: {found:?}"
        );
    }
    let created = of("created");
    assert!(
        created.iter().all(|said| said.bytes > 100),
        "what is acknowledged would be lost with the process: {created:?}"
    );
    let relaxed: usize = created.iter().map(|said| said.syncs).sum();
    assert!(
        relaxed <= 5,
        "the relaxed class waits for the disk: {relaxed} syncs in {} creates",
        2 * ROUNDS
    );
}

#[test]
#[ignore = "needs strace"]
fn strace_shows_a_sync_before_every_answer_if_so_configured() {
    let acknowledged = watch("power loss");
    assert!(acknowledged.iter().any(|said| said.what == "created"));
    let unsynced: Vec<_> = acknowledged.iter().filter(|said| said.syncs == 0).collect();
    assert!(unsynced.is_empty(), "acknowledged before a sync: {unsynced:?}");
}
