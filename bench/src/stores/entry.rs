//! [`Entry`]: an engine that takes part, with its folder; and who takes part.

use anyhow::Result;
use tempfile::TempDir;

use super::{Engine, Sessions, Setup, Sync, dashmap, ours, raw_fjall, redb, redis, sqlite};
use crate::process::forget_cached;

/// Opens an engine.
pub type Open = fn(&Setup) -> Result<Box<dyn Engine>>;

/// Ours and the engine beneath it.
pub const FJALL: [Open; 2] = [
    |setup| Ok(Box::new(ours::Ours::fjall(setup)?)),
    |setup| Ok(Box::new(raw_fjall::RawFjall::open(setup)?)),
];

/// Other engines that keep files.
pub const ON_DISK: [Open; 2] = [
    |setup| Ok(Box::new(redb::Redb::open(setup)?)),
    |setup| Ok(Box::new(sqlite::Sqlite::open(setup)?)),
];

/// Engines that keep what they have in memory.
pub const IN_MEMORY: [Open; 2] = [
    |setup| Ok(Box::new(redis::Redis::open(setup)?)),
    |setup| Ok(Box::new(dashmap::Map::open(setup))),
];

/// Bytes of memory for what was read from disk: enough for the sessions in use, not for a million of them.
pub const CACHE: u64 = 64 * 1024 * 1024;

/// An engine and the folder that it keeps its files in.
pub struct Entry {
    pub engine: Option<Box<dyn Engine>>,
    open: Open,
    pub setup: Setup,
    folder: TempDir,
}

impl Entry {
    pub fn new(open: Open, sessions: Sessions, sync: Sync, redis: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let setup = Setup {
            folder: folder.path().join("store"),
            sessions,
            sync,
            cache: CACHE,
            redis: redis.to_owned(),
        };
        Ok(Self {
            engine: Some(open(&setup)?),
            open,
            setup,
            folder,
        })
    }

    /// The engine.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_deref().expect("it is open but while it is reopened")
    }

    /// Closes it, forgets what was cached of its files, and opens it again.
    pub fn reopen(&mut self) -> Result<()> {
        if let Some(engine) = self.engine.take() {
            engine.close()?;
        }
        forget_cached(self.folder.path())?;
        self.engine = Some((self.open)(&self.setup)?);
        Ok(())
    }

    /// Ours, or the engine beneath it.
    pub fn is_fjall(&self) -> bool {
        matches!(self.engine().name(), "ours, FjallStore" | "raw fjall")
    }

    pub fn is_on_disk(&self) -> bool {
        !matches!(self.engine().name(), "Redis, socket" | "sharded map (dashmap)")
    }
}
