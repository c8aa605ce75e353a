//! What survives `kill -9`: everything that was acknowledged. A child process, this same test binary, reports each acknowledged write on
//! its standard output and is killed in the midst of its work.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use session_core::{Admission, Created, Deleted, Replaced, Rotated, Rotation, Store, Timestamp, Touched};
use session_fjall::{Durability, FjallStore};
use support::{HOUR, START, at, key, sample};

const FOLDER: &str = "SESSION_FJALL_CRASH_FOLDER";
const LANES: u64 = 8;

/// What the child says it has done to a session.
fn say(what: &str, number: u64) {
    // In one write, so that lines of several lanes do not mix.
    let line = format!("{what} {number}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Runs in the child only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_writes_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = FjallStore::builder(folder)
        .durability(Durability::Process)
        .open()
        .unwrap();
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let store = store.clone();
        lanes.spawn(async move {
            for number in (lane..).step_by(LANES as usize) {
                let record = sample(number).owner("alice").record();
                let created = store
                    .create(key(number), record, Admission::default(), Timestamp::default())
                    .await
                    .unwrap();
                assert_eq!(created, Created::Stored);
                say("created", number);
                let mut next = sample(number).owner("alice");
                next.revision = 2;
                match number / LANES % 4 {
                    0 => {
                        assert_eq!(store.delete(key(number)).await.unwrap(), Deleted::Removed);
                        say("deleted", number);
                    }
                    1 => {
                        let stored = store.replace(key(number), 1, next.record(), at(START)).await.unwrap();
                        assert_eq!(stored, Replaced::Stored);
                        say("replaced", number);
                    }
                    2 => {
                        let new = key(number + (1 << 40));
                        let rotation = Rotation::new(key(number), 1, new, next.record(), at(START));
                        assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Stored);
                        say("rotated", number);
                    }
                    _ => {
                        let touched = store.touch(key(number), at(START + 9000), at(START + HOUR)).await;
                        assert_eq!(touched.unwrap(), Touched::Recorded);
                        say("touched", number);
                    }
                }
            }
        });
    }
    lanes.join_all().await;
}

#[tokio::test]
async fn everything_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut said: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..3 {
        // Each round kills later, and the rounds after the first start from a folder that was left by a kill.
        let path = folder.path().join("sessions");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut hear = |line: String| {
            if let Some((what, number)) = line.split_once(' ')
                && let Ok(number) = number.parse()
            {
                said.insert(number, what.to_owned());
            }
        };
        for line in lines.by_ref().take(400 * (round + 1)) {
            hear(line.unwrap());
        }
        child.kill().unwrap();
        // What was written to the pipe before the kill was acknowledged too.
        for line in lines {
            hear(line.unwrap());
        }
        child.wait().unwrap();

        let store = FjallStore::open(&path).unwrap();
        store.verify().unwrap();
        for (number, what) in &said {
            let now = at(START + 10_000);
            let here = store.load(key(*number), now).await.unwrap();
            let moved = store.load(key(*number + (1 << 40)), now).await.unwrap();
            let same = format!("round {round}: {what} {number}");
            match what.as_str() {
                // The write that follows may have happened without being acknowledged.
                "created" => match number / LANES % 4 {
                    0 => {}
                    2 => assert!(here.is_some() != moved.is_some(), "{same}"),
                    _ => assert!(here.is_some(), "{same}"),
                },
                "deleted" => assert!(here.is_none(), "{same}"),
                "replaced" => assert_eq!(here.map(|record| record.revision()), Some(2), "{same}"),
                "rotated" => assert!(here.is_none() && moved.is_some(), "{same}"),
                "touched" => assert_eq!(here.map(|record| record.seen_at()), Some(at(START + 9000)), "{same}"),
                _ => unreachable!("{same}"),
            }
        }
        assert!(said.len() > 100 * (round + 1), "{} sessions", said.len());
        // The next child begins with the same numbers.
        store.clear().await.unwrap();
        assert_eq!(store.verify().unwrap(), 0);
        said.clear();
    }
}
