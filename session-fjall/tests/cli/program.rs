//! Runs the program, and a store with live sessions to run it on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use session_core::{Admission, Clock, Created, Store, SystemClock};
use session_fjall::FjallStore;
use tempfile::TempDir;

use crate::support::{HOUR, Sample, at, key, sample};

/// What the program did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Everything that was shown.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.shown()))
    }

    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.shown());
        self
    }
}

pub(crate) fn program(store: &Path, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_session-fjall"));
    program.arg("--store").arg(store).args(arguments).stdin(Stdio::null());
    program
}

pub(crate) fn run(store: &Path, arguments: &[&str]) -> Ran {
    Ran::new(&program(store, arguments).output().unwrap())
}

pub(crate) fn run_with_input(store: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut program = program(store, arguments);
    let piped = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::new(&child.wait_with_output().unwrap())
}

/// A closed store; removed with its folder.
pub(crate) struct Home {
    folder: TempDir,
}

pub(crate) fn now() -> u64 {
    SystemClock::new().now().unix_millis()
}

/// A session that began an hour ago and is live.
pub(crate) fn live(number: u64) -> Sample {
    let mut sample = sample(number);
    sample.created_at = now() - HOUR;
    sample.seen_at = now() - HOUR / 2;
    sample.idle = Some(10 * HOUR);
    sample
}

impl Home {
    /// A store with live sessions of owners `user 0` to `user 9` in turn, and as many that expired this year, of nobody.
    pub(crate) async fn with(sessions: u64) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let expired = (1000..1000 + sessions).map(sample);
        let live = (0..sessions).map(|number| live(number).owner(&format!("user {}", number % 10)));
        home.put((0..).zip(live)).await;
        home.put((1000..).zip(expired)).await;
        home
    }

    pub(crate) async fn put(&self, samples: impl Iterator<Item = (u64, Sample)>) {
        let store = FjallStore::open(self.store()).unwrap();
        for (number, sample) in samples {
            let record = sample.record();
            let created = store.create(key(number), record, Admission::default(), at(now())).await;
            assert_eq!(created.unwrap(), Created::Stored);
        }
        store.close().await.unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("sessions")
    }

    pub(crate) fn open(&self) -> FjallStore {
        FjallStore::open(self.store()).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.store(), arguments)
    }
}
