//! The probe as a process of its own: SIGTERM ends it, and its store is closed by then.

#[path = "../examples/probe/app.rs"]
mod app;
#[path = "../examples/probe/options.rs"]
mod options;
#[path = "../examples/probe/run.rs"]
mod probe;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use clap::Parser;
use session_core::conformance::http::client::Browser;
use session_fjall::FjallStore;

/// A running probe; killed when dropped.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    browser: Browser,
}

/// Runs in the child only: the probe, in this same test binary.
#[test]
fn child_that_serves() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let options = options::Options::parse_from(arguments.split('\n'));
    actix_web::rt::System::new()
        .block_on(probe::run(options))
        .expect("the probe runs until it is stopped");
}

const ARGUMENTS: &str = "SESSION_PROBE_ARGUMENTS";

impl Process {
    fn start(data: &Path) -> Self {
        let data = data.to_str().expect("a temporary folder has a plain name");
        let mut child = Command::new(std::env::current_exe().expect("a test has a path"))
            .args(["--exact", "child_that_serves", "--nocapture"])
            .env(
                ARGUMENTS,
                ["probe", "--listen", "127.0.0.1:0", "--data", data].join(
                    "
",
                ),
            )
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test runs itself");
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let addr = loop {
            let mut line = String::new();
            assert!(
                out.read_line(&mut line).expect("the probe writes text") > 0,
                "the probe ended"
            );
            // The test harness may have begun a line.
            if let Some((_, addr)) = line.trim().split_once("listening on http://") {
                break addr.parse().expect("an address");
            }
        };
        let browser = Browser::new(addr, "session");
        Self { child, out, browser }
    }

    /// SIGTERM; returns what it said.
    fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success());
        let status = self.child.wait().expect("the probe ends");
        assert!(status.success(), "stopping cleanly is a success: {status}");
        let mut said = String::new();
        self.out.read_to_string(&mut said).expect("the probe writes text");
        said
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_clean_stop_and_a_start_keep_everybody_signed_in() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut probe = Process::start(data.path());
    assert_eq!(probe.browser.post("/login/alice", "").await.status, 200);
    let token = probe.browser.token().to_owned();
    assert!(probe.terminate().contains("stopped\n"));

    let store = FjallStore::open(data.path().join("store")).expect("nobody holds the folder");
    assert_eq!(store.count().expect("a store counts"), 1);
    drop(store);

    let probe = Process::start(data.path());
    let mut browser = probe.browser.with_token(&token);
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
    assert!(probe.terminate().contains("stopped\n"));
}
