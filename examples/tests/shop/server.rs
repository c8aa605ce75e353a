//! [`Shop`]: the binary under test, on a free port and a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::Browser;

/// A running shop; dropping it ends it.
pub(crate) struct Shop {
    binary: &'static str,
    options: Vec<String>,
    process: Child,
    address: String,
    data: Option<TempDir>,
}

impl Shop {
    pub(crate) fn open(binary: &'static str) -> Self {
        Self::open_on(binary, tempfile::tempdir().unwrap(), Vec::new())
    }

    #[allow(dead_code, reason = "for several shops behind one server")]
    pub(crate) fn open_with(binary: &'static str, options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        Self::open_on(binary, tempfile::tempdir().unwrap(), options)
    }

    /// Opens one more, on another machine that was given this one's key.
    #[allow(dead_code, reason = "for several shops behind one server")]
    pub(crate) fn open_another(&self, binary: &'static str, options: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let key = "session.key";
        std::fs::copy(self.data().join(key), data.path().join(key)).unwrap();
        Self::open_on(binary, data, options.iter().map(ToString::to_string).collect())
    }

    fn open_on(binary: &'static str, data: TempDir, options: Vec<String>) -> Self {
        let mut command = command(binary, "127.0.0.1:0", data.path());
        let mut process = command.args(&options).spawn().unwrap();
        let said = first_line(&mut process);
        let (_, address) = said.trim().split_once("http://").expect("it says where it is open");
        Self {
            binary,
            options,
            address: address.to_owned(),
            process,
            data: Some(data),
        }
    }

    /// As [`restart`](Self::restart), with these options.
    pub(crate) fn restart_with(mut self, options: &[&str]) -> Self {
        self.options = options.iter().map(ToString::to_string).collect();
        self.restart()
    }

    /// Stops it as a service manager does, and opens it again on the same folder.
    pub(crate) fn restart(mut self) -> Self {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success(), "it did not stop cleanly");
        self.reopen()
    }

    /// Ends it without a warning, and opens it again on the same folder.
    pub(crate) fn crash_and_restart(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.reopen()
    }

    fn reopen(mut self) -> Self {
        let data = self.data.take().expect("a shop has a folder until it is reopened");
        let options = std::mem::take(&mut self.options);
        Self::open_on(self.binary, data, options)
    }

    /// Opens one more, which must fail; returns what it wrote to standard error.
    #[track_caller]
    pub(crate) fn refused(&self, listen: &str, data: &Path) -> String {
        let mut process = command(self.binary, listen, data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if !first_line(&mut process).is_empty() {
            let _ = process.kill();
        }
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "it opened");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Asks for options that do not exist so; returns what it wrote to standard error.
    #[track_caller]
    pub(crate) fn misused(&self, options: &[&str]) -> String {
        let output = Command::new(self.binary).args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "it opened");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn visitor(&self) -> Browser {
        Browser::new(&self.address)
    }

    /// Which framework's it is.
    pub(crate) fn framework(&self) -> &str {
        let name = Path::new(self.binary).file_stem().and_then(|name| name.to_str());
        name.expect("a binary has a name")
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn data(&self) -> &Path {
        self.data
            .as_ref()
            .expect("a shop has a folder until it is reopened")
            .path()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(binary: &str, listen: &str, data: &Path) -> Command {
    let mut command = Command::new(binary);
    command.args(["--listen", listen, "--data"]).arg(data);
    command.env("RUST_LOG", "error").stdout(Stdio::piped());
    command
}

/// What it says when it is open; empty if it ended instead.
fn first_line(process: &mut Child) -> String {
    let mut line = String::new();
    let said = process.stdout.as_mut().expect("standard output is piped");
    BufReader::new(said).read_line(&mut line).unwrap();
    line
}
