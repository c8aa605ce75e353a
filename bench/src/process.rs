//! Other processes: a Redis server of our own, and what a process used of the processors and of memory. What is started here is stopped
//! here, by its process id.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::Child;
#[cfg(feature = "peers")]
use std::process::{Command, Stdio};
use std::time::Duration;
#[cfg(feature = "peers")]
use std::time::Instant;

#[cfg(feature = "peers")]
use anyhow::bail;
use anyhow::{Context, Result};
#[cfg(feature = "peers")]
use tempfile::TempDir;

/// A Redis server on a free port of this machine; it keeps nothing on disk.
#[cfg(feature = "peers")]
pub struct RedisServer {
    child: Child,
    url: String,
    _folder: TempDir,
}

#[cfg(feature = "peers")]
impl RedisServer {
    /// Waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
                &port.to_string(),
            ])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("starting redis-server: it must be installed")?;
        let url = format!("redis://127.0.0.1:{port}/");
        let server = Self {
            child,
            url,
            _folder: folder,
        };
        let client = redis::Client::open(server.url.as_str())?;
        let started = Instant::now();
        while client.get_connection().is_err() {
            if started.elapsed() > Duration::from_secs(10) {
                bail!("redis-server did not answer within 10 s");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forgets all that it keeps.
    pub fn empty(&self) -> Result<()> {
        redis::cmd("FLUSHALL").exec(&mut redis::Client::open(self.url())?.get_connection()?)?;
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

#[cfg(feature = "peers")]
impl Drop for RedisServer {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Ends a process that we started, and waits for it.
pub fn stop(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What all threads of a process have used of the processors so far. The scheduler counts it in ns; a thread that ended meanwhile is
/// missing, so threads must live as long as a measurement.
pub fn processor_time(process: u32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("the process has ended")? {
        // A thread may end between the list and the look.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            nanos += text
                .split(' ')
                .next()
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Waits until the disk has what was written, and this process is at rest, because what engines do in the background is done; at most a
/// minute. Other processes, a Redis server for one, are not watched.
#[cfg(feature = "peers")]
pub fn rest() -> Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(60);
    let started = Instant::now();
    rustix::fs::sync();
    while started.elapsed() < LONGEST {
        let before = processor_time(std::process::id())?;
        std::thread::sleep(LOOK);
        if processor_time(std::process::id())?.saturating_sub(before) < LOOK / 20 {
            break;
        }
    }
    Ok(())
}

/// Bytes of memory that this process has in use.
pub fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("statm has a second column")?.parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Bytes of the disk that all files in a folder occupy.
pub fn bytes_of(folder: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.metadata()? {
            data if data.is_dir() => bytes_of(&entry.path())?,
            data => data.blocks() * 512,
        };
    }
    Ok(bytes)
}

/// Asks the operating system to forget what it read of the files in a folder, so that the next read goes to the disk.
pub fn forget_cached(folder: &std::path::Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_cached(&path)?;
        } else {
            let file = fs::File::open(&path)?;
            file.sync_all()?; // what is not yet written cannot be forgotten
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
