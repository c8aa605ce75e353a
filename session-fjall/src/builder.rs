//! [`FjallStoreBuilder`]: the settings of a store, and how one is put together.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use session_core::{Error, ErrorKind, Result, Revocations};

use crate::cache::RecordCache;
use crate::committer::{Committer, Shared, State};
use crate::database::Tables;
use crate::durability::Durability;
use crate::folder::{self, Contents, Folder};
use crate::permit::Permit;
use crate::store::FjallStore;

/// Settings of a [`FjallStore`].
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions");
/// use session_fjall::{Durability, FjallStore};
///
/// let store = FjallStore::builder(&path)
///     .cache_size(256 * 1024 * 1024)
///     .record_cache(128 * 1024 * 1024)
///     .durability(Durability::PowerLoss)
///     .open()?;
/// # drop(store);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FjallStoreBuilder {
    path: PathBuf,
    cache: u64,
    record_cache: u64,
    durability: Durability,
    queue: usize,
}

impl FjallStoreBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            cache: 64 * 1024 * 1024,
            record_cache: 64 * 1024 * 1024,
            durability: Durability::default(),
            queue: 1024,
        }
    }

    /// Bytes of memory for sessions in use, ready to be handed out. Default 64 MiB; 0 switches it off.
    ///
    /// Loading a session takes a fraction of a microsecond if it is there, and does not meet what the engine is doing at that moment. It is
    /// never behind what was written. 100,000 small sessions take some 40 MB.
    pub fn record_cache(mut self, bytes: u64) -> Self {
        self.record_cache = bytes;
        self
    }

    /// Bytes of memory for blocks read from disk: the cache behind [`record_cache`](Self::record_cache). Default 64 MiB.
    ///
    /// A read takes about 2 µs if its blocks are there and 10 µs if not.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.cache = bytes;
        self
    }

    /// What creating, replacing and touching survive. Default [`Durability::Process`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Writes that may wait for the committer; the next one waits, without blocking its thread, until there is room. Default 1024, at
    /// least 1.
    pub fn queue(mut self, requests: usize) -> Self {
        self.queue = requests;
        self
    }

    /// Opens a store that is there; sets nothing up. For tools, which should not make an empty store of a mistyped path. Blocks.
    ///
    /// # Errors
    ///
    /// [`Foreign`](session_core::ErrorKind::Foreign) if there is no store; otherwise as [`FjallStore::open`].
    pub fn open_existing(self) -> Result<FjallStore> {
        let found = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Contents::Unfinished,
            _ => folder::inspect(&self.path)?,
        };
        if found == Contents::Unfinished {
            return Err(Error::new(
                ErrorKind::Foreign,
                format!(
                    "opening the session store at {}: there is none; check the path, or set one up",
                    self.path.display()
                ),
            ));
        }
        self.open()
    }

    /// Opens the store, or sets it up. Blocks.
    ///
    /// # Errors
    ///
    /// As [`FjallStore::open`].
    pub fn open(self) -> Result<FjallStore> {
        let mut folder = Folder::claim(&self.path)?;
        folder::warn_if_shared(&self.path);
        let tables = Tables::open(&mut folder, self.cache)?;
        let permit = Permit::default();
        let shared = Arc::new(Shared {
            path: self.path,
            state: RwLock::new(State::Open(tables.clone(), permit.clone())),
            cache: RecordCache::new(self.record_cache),
            revocations: Revocations::new(),
        });
        let (requests, waiting) = flume::bounded(self.queue.max(1));
        let committer = Committer::new(
            Arc::clone(&shared),
            waiting,
            folder,
            (tables, permit),
            self.cache,
            self.durability,
        );
        let thread = std::thread::Builder::new()
            .name("session-fjall committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    "starting the session store's committer thread: raise the limit on threads",
                )
                .with_source(error)
            })?;
        Ok(FjallStore::new(shared, requests, thread))
    }
}
