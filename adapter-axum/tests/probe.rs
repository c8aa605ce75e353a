//! The probe as a process of its own: what survives SIGKILL, a restart and a search of the disk.

#[path = "../examples/probe/app.rs"]
mod app;
#[path = "../examples/probe/options.rs"]
mod options;
#[path = "../examples/probe/run.rs"]
mod probe;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64ct::{Base64UrlUnpadded, Encoding};
use clap::Parser;
use serde_json::Value::Null;
use session_core::conformance::http::client::Browser;

/// A running probe; killed when dropped.
struct Process {
    child: Child,
    addr: SocketAddr,
    log: std::thread::JoinHandle<String>,
}

/// Runs in the child only: the probe, in this same test binary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_serves() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    probe::run(options::Options::parse_from(arguments.split('\n')))
        .await
        .expect("the probe runs until it is stopped");
}

const ARGUMENTS: &str = "SESSION_PROBE_ARGUMENTS";

impl Process {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let data = data.to_str().expect("a temporary folder has a plain name");
        let arguments = [&["probe", "--listen", "127.0.0.1:0", "--data", data], arguments]
            .concat()
            .join(
                "
",
            );
        let mut child = Command::new(std::env::current_exe().expect("a test has a path"))
            .args(["--exact", "child_that_serves", "--nocapture"])
            .env(ARGUMENTS, arguments)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test runs itself");
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut log = String::new();
        let addr = loop {
            let mut line = String::new();
            assert!(
                out.read_line(&mut line).expect("the probe writes text") > 0,
                "the probe ended:\n{log}"
            );
            // The test harness may have begun a line.
            if let Some((_, addr)) = line.trim().split_once("listening on http://") {
                break addr.parse().expect("an address");
            }
            log += &line;
        };
        let log = std::thread::spawn(move || {
            out.read_to_string(&mut log).expect("the probe writes text");
            log
        });
        Self { child, addr, log }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.addr, "session")
    }

    /// SIGKILL; returns what it had logged.
    fn kill(mut self) -> String {
        self.child.kill().expect("the probe runs");
        self.child.wait().expect("the probe ends");
        self.log.join().expect("its output was read")
    }

    /// SIGTERM; returns what it had logged.
    fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success());
        let status = self.child.wait().expect("the probe ends");
        assert!(status.success(), "stopping cleanly is a success: {status}");
        self.log.join().expect("its output was read")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_parallel_increments_make_sixty_four_in_twenty_runs() {
    let data = tempfile::tempdir().unwrap();
    let probe = Process::start(data.path(), &[]);
    for run in 0..20 {
        let mut browser = probe.browser();
        browser.post("/set/run", &run.to_string()).await;
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let mut browser = browser.clone();
            requests.spawn(async move { browser.post("/add/n", "").await.status });
        }
        assert!(requests.join_all().await.into_iter().all(|status| status == 200));
        assert_eq!(browser.get("/get/n").await.value(), 64, "run {run}");
    }
    probe.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_process_loses_no_acknowledged_write_and_revives_no_logout() {
    let data = tempfile::tempdir().unwrap();
    let probe = Process::start(data.path(), &[]);
    let mut written = Vec::new();
    for number in 0..200 {
        let mut browser = probe.browser();
        assert_eq!(browser.post("/login/alice", "").await.status, 200);
        assert_eq!(browser.post("/set/k", &number.to_string()).await.status, 200);
        written.push(browser);
    }
    let mut ended = Vec::new();
    for browser in written.drain(..50) {
        let mut leaving = browser.clone();
        assert_eq!(leaving.post("/logout", "").await.status, 200);
        ended.push(browser);
    }
    probe.kill();

    let probe = Process::start(data.path(), &[]);
    for (number, browser) in (50..).zip(&written) {
        let mut browser = probe.browser().with_token(browser.token());
        assert_eq!(
            browser.get("/get/k").await.value(),
            number.to_string(),
            "an acknowledged write is lost"
        );
    }
    for browser in &ended {
        let mut browser = probe.browser().with_token(browser.token());
        assert_eq!(browser.get("/info").await.json()["owner"], Null, "a logout was undone");
    }
    let mut browser = probe.browser().with_token(written[0].token());
    assert_eq!(
        browser.get("/sessions").await.json().as_array().map(Vec::len),
        Some(150),
        "the list agrees"
    );
    probe.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_and_a_start_keep_everybody_signed_in() {
    let data = tempfile::tempdir().unwrap();
    let probe = Process::start(data.path(), &[]);
    let mut browser = probe.browser();
    browser.post("/login/alice", "").await;
    let log = probe.terminate();
    assert!(log.contains("stopped"), "{log}");
    let probe = Process::start(data.path(), &[]);
    let mut browser = probe.browser().with_token(browser.token());
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
    probe.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_and_no_token_is_found_on_disk_or_in_the_log() {
    let data = tempfile::tempdir().unwrap();
    let probe = Process::start(data.path(), &["--sweep-every", "1s"]);
    let mut tokens = HashSet::new();
    for number in 0..20 {
        let mut browser = probe.browser();
        browser.post("/set/k", "v").await;
        tokens.insert(browser.token().to_owned());
        browser.post(&format!("/login/user{number}"), "").await;
        tokens.insert(browser.token().to_owned());
        browser.post("/renew", "").await;
        tokens.insert(browser.token().to_owned());
        browser.get("/sessions").await;
        browser.with_token("A".repeat(64)).get("/info").await;
        if number % 2 == 0 {
            browser.post("/revoke-all", "").await;
        }
    }
    let log = probe.terminate();
    assert!(
        log.contains("session created") && log.contains("session token rejected"),
        "the log was not captured"
    );
    let files = files_below(data.path());
    let key = std::fs::read_to_string(data.path().join("session.key")).unwrap();
    let key = key.lines().last().unwrap();
    assert!(files.len() > 5, "the store wrote files: {files:?}");
    assert_eq!(tokens.len(), 60);
    let secrets = Secrets::of(&tokens);
    assert!(
        secrets.are_in(tokens.iter().next().unwrap().as_bytes()),
        "the search finds what is there"
    );
    assert!(!secrets.are_in(log.as_bytes()), "a part of a token is in the log");
    for file in &files {
        assert!(
            !secrets.are_in(&std::fs::read(file).unwrap()),
            "a part of a token is in {}",
            file.display()
        );
    }
    assert!(!log.contains(key), "the signing key is in the log");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Both halves of every token, as text and as bytes.
struct Secrets {
    text: HashSet<Vec<u8>>,
    raw: HashSet<Vec<u8>>,
}

impl Secrets {
    fn of(tokens: &HashSet<String>) -> Self {
        let halves = |bytes: &[u8]| bytes.chunks(bytes.len() / 2).map(<[u8]>::to_vec).collect::<Vec<_>>();
        Self {
            text: tokens.iter().flat_map(|token| halves(token.as_bytes())).collect(),
            raw: tokens
                .iter()
                .flat_map(|token| halves(&Base64UrlUnpadded::decode_vec(token).expect("base64url")))
                .collect(),
        }
    }

    fn are_in(&self, bytes: &[u8]) -> bool {
        // The engine allocates its journal in advance: 64 MiB, nearly all of it zeros.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        bytes.windows(32).any(|part| self.text.contains(part)) || bytes.windows(24).any(|part| self.raw.contains(part))
    }
}
