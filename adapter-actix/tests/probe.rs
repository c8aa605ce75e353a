//! The probe as a process of its own: SIGTERM ends it, and its store is closed by then.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use session_core::conformance::http::client::Browser;
use session_fjall::FjallStore;

/// A running probe; killed when dropped.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    browser: Browser,
}

/// `cargo test` builds examples beside the tests.
fn probe() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("a test lies in target/…/deps");
    target
        .join("examples")
        .join(format!("probe{}", std::env::consts::EXE_SUFFIX))
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(probe())
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the probe is built as an example of this crate");
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the probe writes text");
        let addr = line.trim().strip_prefix("listening on http://").expect(&line);
        let browser = Browser::new(addr.parse().expect("an address"), "session");
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
    assert_eq!(probe.terminate(), "stopped\n");

    let store = FjallStore::open(data.path().join("store")).expect("nobody holds the folder");
    assert_eq!(store.count().expect("a store counts"), 1);
    drop(store);

    let probe = Process::start(data.path());
    let mut browser = probe.browser.with_token(&token);
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
    assert_eq!(probe.terminate(), "stopped\n");
}
