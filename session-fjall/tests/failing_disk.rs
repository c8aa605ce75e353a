//! A disk that fails: `strace` makes system calls of a child process, this same test binary, return an error, so the engine is the real
//! one. What fails and when is counted for each thread, so it is the same in every run.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else
#![cfg(target_os = "linux")]

#[path = "torture/chance.rs"]
mod chance;
#[allow(dead_code)]
#[path = "torture/disk.rs"]
mod disk;
#[path = "torture/load.rs"]
mod load;
mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chance::Chance;
use load::Lane;
use session_core::{Created, Error, ErrorKind, Owner, OwnerIndex, Page, Record, Replaced, Store};
use session_fjall::{Durability, FjallStore};
use support::{START, at, key, sample};

const FOLDER: &str = "SESSION_FJALL_FAILING_FOLDER";
const SEED: &str = "SESSION_FJALL_FAILING_SEED";
const DURABILITY: &str = "SESSION_FJALL_FAILING_DURABILITY";
const OPS: usize = 250;
const ROUNDS: u64 = 60;
/// Writers at once: more than are answered together, and a part of as many again.
const TOGETHER: u64 = 40;
/// More than fit into one table's block, so that reading them reads the disk.
const SESSIONS: u64 = 1500;
/// A key that no lane uses.
const NOBODY: u64 = 1 << 60;
/// The store opens again after 0.1 s, 0.2 s, 0.4 s and so on.
const PATIENCE: Duration = Duration::from_secs(60);

fn say(what: &str) {
    // One write, which the trace shows.
    std::io::stdout().write_all(format!("{what}\n").as_bytes()).unwrap();
}

fn check(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("the session store at ") && said.contains("check the disk"),
        "{said}"
    );
}

/// What this process has used of the processor.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Asks until the store makes something durable again. Nothing may spin meanwhile.
async fn until_it_is_back(store: &FjallStore) {
    let (since, used) = (Instant::now(), cpu());
    while let Err(error) = store.delete(key(NOBODY)).await {
        check(&error);
        assert!(since.elapsed() < PATIENCE, "it does not come back: {error:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (took, used) = (since.elapsed(), cpu() - used);
    assert!(
        used < took / 2 + Duration::from_millis(200),
        "{used:?} of the processor in {took:?}"
    );
}

/// Runs in the child only: random operations. After each that failed, the store must be as before it or as after it.
#[tokio::test]
async fn child_whose_writes_fail() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let durability = match std::env::var(DURABILITY).as_deref() {
        Ok("power loss") => Durability::PowerLoss,
        _ => Durability::Process,
    };
    let mut chance = Chance::new(std::env::var(SEED).unwrap().parse().unwrap());
    let builder = || FjallStore::builder(&folder).durability(durability);
    let store = builder().open().unwrap();
    let mut lane = Lane::new(1, 300);
    let mut failed = 0;
    say("ready");
    for _ in 0..OPS {
        let op = lane.choose(&mut chance);
        let mut done = lane.clone();
        done.apply(op);
        let durable = op.is_durable() || durability == Durability::PowerLoss;
        match lane.perform(&store, op).await {
            Ok(()) => {
                say(if durable { "durable" } else { "relaxed" });
                lane = done;
            }
            Err(error) => {
                say("failed");
                check(&error);
                failed += 1;
                until_it_is_back(&store).await;
                let found = lane.found(&store, done.used()).await.unwrap();
                if found == done.expected() {
                    lane = done;
                } else {
                    assert!(
                        found == lane.expected(),
                        "{op} was done by half, or something before it is lost"
                    );
                }
            }
        }
    }
    say(&format!("failures {failed}"));
    until_it_is_back(&store).await;
    assert!(lane.found(&store, lane.used()).await.unwrap() == lane.expected());
    store.verify().unwrap();
    store.close().await.unwrap();
    let store = builder().open().unwrap();
    assert!(lane.found(&store, lane.used()).await.unwrap() == lane.expected());
    store.verify().unwrap();
    say("done");
}

/// Runs in the child only: many write at once. Whoever is told that a session is stored finds it, then and later.
#[tokio::test]
async fn child_whose_writes_fail_among_many() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = FjallStore::open(folder).unwrap();
    let mut stored = Vec::new();
    let mut failed = 0;
    say("ready");
    for round in 0..ROUNDS {
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..TOGETHER {
            let (store, number) = (store.clone(), round * TOGETHER + number);
            let record = sample(number).owner("alice").record();
            writers.spawn(async move {
                let created = store.create(key(number), record, store.epoch().into(), at(START)).await;
                created.map(|created| (created, number))
            });
        }
        for created in writers.join_all().await {
            match created {
                Ok((created, number)) => {
                    assert_eq!(created, Created::Stored);
                    stored.push(number);
                }
                Err(error) => {
                    check(&error);
                    failed += 1;
                }
            }
        }
        if store.load(key(NOBODY), at(START)).await.is_err() {
            until_it_is_back(&store).await;
            all_there(&store, &stored).await;
        }
    }
    say(&format!("failures {failed}"));
    until_it_is_back(&store).await;
    all_there(&store, &stored).await;
    store.verify().unwrap();
    say("done");
}

async fn all_there(store: &FjallStore, numbers: &[u64]) {
    for number in numbers {
        let loaded = store.load(key(*number), at(START)).await.unwrap();
        assert_eq!(
            loaded,
            Some(sample(*number).owner("alice").record()),
            "session {number}"
        );
    }
}

/// How often something failed.
struct Failures {
    doing: &'static str,
    count: usize,
}

impl Failures {
    fn of(doing: &'static str) -> Self {
        Self { doing, count: 0 }
    }

    /// There is a bound, because what reads more than lies between two failures can never succeed.
    fn add(&mut self, error: &Error) {
        check(error);
        self.count += 1;
        assert!(self.count < 1000, "{} does not come back: {error:?}", self.doing);
    }

    fn say(self) -> usize {
        say(&format!("{} failed {}", self.doing, self.count));
        self.count
    }
}

/// Runs in the child only: everything is read until it is there. Nothing may be taken for absent.
#[tokio::test]
async fn child_whose_reads_fail() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    // As little memory as lets the store open in a dozen reads: with none, the engine reads twice for each entry of the journal.
    let builder = || FjallStore::builder(&folder).cache_size(64 * 1024).record_cache(0);
    let mut opening = Failures::of("opening");
    let store = loop {
        match builder().open() {
            Ok(store) => break store,
            Err(error) => opening.add(&error),
        }
    };
    let mut failed = opening.say();
    let alice = Owner::new("alice").unwrap();
    let mut loading = Failures::of("loading");
    for number in 0..SESSIONS {
        let found = loop {
            match store.load(key(number), at(START)).await {
                Ok(found) => break found,
                Err(error) => loading.add(&error),
            }
        };
        assert_eq!(found, Some(sample(number).owner("alice").record()), "session {number}");
    }
    failed += loading.say();
    let mut listing = Failures::of("listing");
    let mut listed = 0;
    let mut page = Page { after: None, limit: 10 };
    loop {
        match store.list(&alice, page, at(START)).await {
            Ok(part) => {
                listed += part.sessions.len();
                match part.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
            Err(error) => listing.add(&error),
        }
    }
    assert_eq!(listed as u64, SESSIONS);
    failed += listing.say();
    // The committer reads too, before it compares.
    let mut replacing = Failures::of("replacing");
    for number in 0..SESSIONS {
        let replaced = loop {
            match store.replace(key(number), 1, replacement(number), at(START)).await {
                Ok(replaced) => break replaced,
                Err(error) => replacing.add(&error),
            }
        };
        assert_eq!(replaced, Replaced::Stored, "session {number}");
    }
    failed += replacing.say();
    say(&format!("failures {failed}"));
    say("done");
}

fn replacement(number: u64) -> Record {
    let mut sample = sample(number).owner("alice");
    sample.revision = 2;
    sample.record()
}

/// What happened in a child.
struct Seen {
    said: Vec<String>,
    /// What the child said, and the results of what was watched, in their order.
    trace: Vec<String>,
    injected: usize,
}

impl Seen {
    fn failures(&self) -> usize {
        let failures = self.said.iter().find_map(|said| said.strip_prefix("failures "));
        failures.unwrap().parse().unwrap()
    }
}

fn run(
    child: &str,
    folder: &std::path::Path,
    inject: &str,
    only: Option<&std::path::Path>,
    env: &[(&str, &str)],
) -> Seen {
    let scratch = tempfile::tempdir().unwrap();
    let trace = scratch.path().join("trace");
    let mut strace = Command::new("strace");
    let (calls, _) = inject.split_once(':').unwrap();
    strace.args([
        "-f",
        "-qq",
        "-s",
        "16",
        "-e",
        &format!("trace={calls},write"),
        "-e",
        &format!("inject={inject}"),
    ]);
    if let Some(only) = only {
        strace.arg("-P").arg(only);
    }
    let output = strace
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", child, "--nocapture"])
        .env(FOLDER, folder)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("strace runs");
    let said: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let same = format!("{inject} {env:?}");
    assert!(
        output.status.success() && said.iter().any(|said| said == "done"),
        "{same}: {complaints}\n{said:?}"
    );
    assert!(!complaints.contains("panicked"), "{same}: {complaints}");
    let trace: Vec<String> = std::fs::read_to_string(&trace)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let injected = trace.iter().filter(|line| line.contains("(INJECTED)")).count();
    assert!(injected > 0, "{same}: nothing failed");
    println!(
        "{same}: {injected} calls failed, {said:?}",
        said = said.iter().find(|said| said.starts_with("failures"))
    );
    Seen { said, trace, injected }
}

#[test]
#[ignore = "needs strace"]
fn strace_failing_syncs_are_never_acknowledged_and_the_store_comes_back() {
    for (seed, when, durability) in [
        ("1", "3..5", "process"),
        ("2", "2+9", "process"),
        ("3", "4..5", "power loss"),
        ("4", "1..2", "process"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let inject = format!("fdatasync:error=EIO:when={when}");
        let env = [(SEED, seed), (DURABILITY, durability)];
        let seen = run(
            "child_whose_writes_fail",
            &folder.path().join("store"),
            &inject,
            None,
            &env,
        );
        assert!(seen.failures() > 0);
        // The latest sync before a durable answer was no failure.
        let mut last = true;
        for line in &seen.trace {
            if line.contains("fdatasync") && line.contains(" = ") {
                last = line.ends_with("= 0");
            } else if line.contains("write(1, \"durable") {
                assert!(last, "seed {seed}: acknowledged after a sync that failed");
            }
        }
    }
}

#[test]
#[ignore = "needs strace"]
fn strace_failing_writes_leave_nothing_half_done_and_the_store_comes_back() {
    for (seed, error, when) in [("1", "ENOSPC", "40..42"), ("2", "EIO", "25..26"), ("3", "EIO", "30+60")] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        // So that the journal has a name to watch.
        drop(FjallStore::open(&store).unwrap());
        let journal = disk::journal(&store);
        let inject = format!("write:error={error}:when={when}");
        let seen = run(
            "child_whose_writes_fail",
            &store,
            &inject,
            Some(&journal),
            &[(SEED, seed)],
        );
        assert!(seen.failures() > 0, "{} calls failed", seen.injected);
    }
}

#[test]
#[ignore = "needs strace"]
fn strace_a_write_that_fails_among_many_costs_nothing_that_was_acknowledged() {
    for (error, when) in [("ENOSPC", "20..21"), ("EIO", "30+60")] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        drop(FjallStore::open(&store).unwrap());
        let journal = disk::journal(&store);
        let inject = format!("write:error={error}:when={when}");
        let seen = run(
            "child_whose_writes_fail_among_many",
            &store,
            &inject,
            Some(&journal),
            &[],
        );
        assert!(
            seen.failures() > seen.injected,
            "{} calls failed, and {} writers were told",
            seen.injected,
            seen.failures()
        );
    }
}

#[test]
#[ignore = "needs strace"]
fn strace_failing_reads_are_errors_and_never_absence() {
    // The count is each thread's own: that of the test opens, loads and lists, and the committer's replaces.
    for (when, fail) in [
        ("3..40", &["opening"][..]),
        ("300..400", &["loading", "replacing"]),
        ("40+53", &["loading", "listing", "replacing"]),
        ("50+701", &["loading", "listing", "replacing"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = FjallStore::open(&path).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            for number in 0..SESSIONS {
                let record = sample(number).owner("alice").record();
                let created = store
                    .create(key(number), record, store.epoch().into(), at(START))
                    .await
                    .unwrap();
                assert_eq!(created, Created::Stored);
            }
            store.close().await.unwrap();
        });
        let inject = format!("pread64:error=EIO:when={when}");
        let seen = run("child_whose_reads_fail", &path, &inject, None, &[]);
        for doing in fail {
            let none = format!("{doing} failed 0");
            assert!(!seen.said.contains(&none), "{when}: {none}");
        }
        let store = FjallStore::open(&path).unwrap();
        assert_eq!(store.verify().unwrap(), SESSIONS);
        runtime.block_on(async {
            for number in 0..SESSIONS {
                let found = store.load(key(number), at(START)).await.unwrap();
                assert_eq!(found, Some(replacement(number)), "session {number}");
            }
        });
    }
}
