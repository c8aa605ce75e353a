//! Backing a store up while it is in use: a copy as of one moment, in a folder that opens as a store.

use std::io;
use std::path::{Component, Path, PathBuf};

use fjall::Readable;
use session_core::{Error, ErrorKind, Result};

use crate::database::Tables;
use crate::failure;
use crate::folder::{self, Contents, Folder};
use crate::progress::{Meter, Progress};
use crate::store::FjallStore;

/// Bytes of memory for blocks while a copy is written; nothing is read from it.
const CACHE: u64 = 1024 * 1024;

impl FjallStore {
    /// Copies everything into a folder that is missing or empty; answers how many records there are. An empty folder is closed to other
    /// users first (mode 0700).
    ///
    /// Behaviour: the copy is what was stored at one moment, the indexes included, byte for byte; damage is copied too, so
    /// [`examine`](Self::examine) first. It is synced, and it opens as a store. Requests go on meanwhile. An interrupted copy is not yet
    /// a store: the marker that makes it one is written last. Who restores a copy also restores sessions that were ended since: to
    /// go back to one is to undo every logout after it.
    ///
    /// Memory does not grow with the store. Blocks: a few seconds for a million sessions. In a service, run it where blocking is
    /// allowed.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// use session_fjall::FjallStore;
    ///
    /// let store = FjallStore::open(folder.path().join("sessions"))?;
    /// let copy = folder.path().join("copy");
    /// store.backup(&copy, |_progress| {})?;
    /// assert_eq!(FjallStore::open(&copy)?.verify()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Foreign`](session_core::ErrorKind::Foreign) if the folder holds anything, a store included, or is this store's, around it or below it; nothing in it is touched.
    /// [`Permission`](session_core::ErrorKind::Permission) or [`Unavailable`](session_core::ErrorKind::Unavailable) if it cannot be
    /// written. Otherwise as [`Store::load`](session_core::Store::load).
    pub fn backup(&self, to: impl AsRef<Path>, mut progress: impl FnMut(Progress)) -> Result<u64> {
        let to = to.as_ref();
        refuse_overlap(self.path(), to)?;
        self.walk(|reader| {
            let mut folder = Folder::claim(to)?;
            if folder.contents() == Contents::Store {
                return Err(Error::new(
                    ErrorKind::Foreign,
                    format!(
                        "backing the session store up to {}: it holds a session store already; choose an empty folder",
                        to.display()
                    ),
                ));
            }
            folder::close_to_others(to)?;
            let copy = Tables::create(&folder, CACHE)?;
            let written = |error| failure::opening(to, error);
            let snapshot = reader.tables.database.snapshot();
            let meter = &mut Meter::new(&mut progress);
            let mut records = 0;
            for ((from, into), name) in reader
                .tables
                .keyspaces()
                .iter()
                .zip(copy.keyspaces())
                .zip(Tables::NAMES)
            {
                meter.start(name, from.approximate_len());
                let mut ingestion = into.start_ingestion().map_err(written)?;
                let mut count = 0;
                for entry in snapshot.iter(from) {
                    let (key, value) = entry
                        .into_inner()
                        .map_err(|error| failure::reading(reader.path, error))?;
                    ingestion.write(key, value).map_err(written)?;
                    count += 1;
                    meter.tick();
                }
                ingestion.finish().map_err(written)?;
                if name == Tables::RECORDS {
                    records = count;
                }
            }
            copy.sync().map_err(written)?;
            drop(copy);
            folder.finish()?;
            Ok(records)
        })
    }
}

/// A copy inside the store's folder would be damage to the store, or go when the store is dropped.
fn refuse_overlap(store: &Path, to: &Path) -> Result<()> {
    let resolved = |path| resolve(path).map_err(|error| failure::file("looking at the folder", path, error));
    let (home, target) = (resolved(store)?, resolved(to)?);
    if !target.starts_with(&home) && !home.starts_with(&target) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Foreign,
        format!(
            "backing the session store at {} up to {}: one is inside the other; choose a folder elsewhere, best on another disk",
            home.display(),
            target.display()
        ),
    ))
}

/// Where a path leads: links are followed as far as it exists, and what does not exist yet is taken as it will be created.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
        match resolved.canonicalize() {
            Ok(real) => resolved = real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(resolved)
}
