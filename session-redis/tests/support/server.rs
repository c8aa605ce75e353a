//! [`Server`]: one redis-server.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use super::until;

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    process: Mutex<Process>,
}

struct Process {
    /// Waits until we are gone, then ends the server.
    guard: Child,
    pid: u32,
}

/// Ends the server, and removes its files, when standard input ends, which it does when the test process ends, in whatever way.
const GUARD: &str = r#"
redis-server "$@" </dev/null >/dev/null 2>&1 &
echo $!
cat >/dev/null
kill -9 $!
wait
rm -r "$FOLDER"
"#;

impl Server {
    /// Starts one with these settings, as on the command line, and waits until it answers.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(None, settings)
    }

    /// The same, with a file of settings.
    pub(crate) fn start_with(file: Option<&str>, settings: &[&str]) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("session-redis-{}-{port}", std::process::id()));
        let mut all = Vec::new();
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        if let Some(file) = file {
            let path = folder.join("server.conf");
            std::fs::write(&path, file).expect("a temporary file");
            all.push(path.display().to_string());
        }
        all.extend(["--port", &port.to_string(), "--bind", "127.0.0.1"].map(ToOwned::to_owned));
        all.extend(["--dir", &folder.display().to_string(), "--logfile", "log", "--save", ""].map(ToOwned::to_owned));
        all.extend(settings.iter().map(ToString::to_string));
        let process = Mutex::new(spawn(&folder, &all));
        let server = Self {
            port,
            folder,
            settings: all,
            process,
        };
        server.wait_until_it_answers();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its folder, for files that the settings name.
    pub(crate) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// As redis-cli would show it.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        cli(self.port, args)
    }

    pub(crate) fn kill(&self) {
        self.signal("KILL");
        until("the server is gone", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
        });
    }

    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// After [`kill`](Self::kill): on the same port, with the same files.
    pub(crate) fn restart(&self) {
        let kept = self.folder.with_extension("kept");
        std::fs::rename(&self.folder, &kept).expect("the files of a killed server can be moved");
        let mut process = self.process.lock().expect("no test panics here");
        process.end();
        std::fs::rename(&kept, &self.folder).expect("they can be moved back");
        *process = spawn(&self.folder, &self.settings);
        drop(process);
        self.wait_until_it_answers();
    }

    pub(crate) fn wait_until_it_answers(&self) {
        until("the server answers", || {
            let answer = self.cli(&["PING"]);
            answer.contains("PONG") || answer.contains("NOAUTH")
        });
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.lock().expect("no test panics here").pid;
        let done = Command::new("kill")
            .args([format!("-{signal}"), pid.to_string()])
            .status();
        assert!(done.is_ok_and(|done| done.success()), "signal {signal} for {pid}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut process) = self.process.lock() {
            process.end();
        }
    }
}

impl Process {
    fn end(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn spawn(folder: &Path, settings: &[String]) -> Process {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .args(settings)
        .env("FOLDER", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
    let mut line = String::new();
    let out = guard.stdout.take().expect("standard output is piped");
    BufReader::new(out)
        .read_line(&mut line)
        .expect("the guard says which process it guards");
    let pid = line.trim().parse().expect("a number");
    Process { guard, pid }
}

pub(crate) fn cli(port: u16, args: &[&str]) -> String {
    let out = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(args)
        .output()
        .expect("redis-cli runs");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A port below the range that the system gives out by itself, with the one for a cluster's bus free as well.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + (std::process::id() % 600) as u16 * 20;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}
