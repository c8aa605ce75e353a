//! [`StoreStats`]: what a store holds, counted by walking over it.

use std::fs;
use std::io;
use std::path::Path;

use fjall::Readable;
use session_core::{Record, Result, Timestamp};

use crate::failure;
use crate::inventory::{Found, Stock, Walk};
use crate::layout::OWNER;
use crate::progress::{Meter, Progress};
use crate::read::Reader;
use crate::store::FjallStore;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Sessions that are live.
    pub sessions: u64,
    /// Live sessions that somebody is signed in to.
    pub signed_in: u64,
    /// Sessions that have expired and wait to be swept.
    pub expired: u64,
    /// Records that cannot be read: damaged, or written by a newer release.
    pub unreadable: u64,
    /// Owners with at least one session, expired ones included.
    pub owners: u64,
    /// Bytes of all records.
    pub bytes: u64,
    /// Bytes of the largest record.
    pub largest: u64,
    /// When the oldest live session began.
    pub oldest: Option<Timestamp>,
    /// When the newest live session began.
    pub newest: Option<Timestamp>,
    /// Bytes of all files in the folder. What was removed lately still takes room.
    pub disk: u64,
}

impl FjallStore {
    /// Counts what is stored, as of one moment.
    ///
    /// Walks over everything in order and keeps nothing: memory does not grow with the store. Blocks, about a second for a million
    /// sessions; requests go on meanwhile. In a service, run it where blocking is allowed.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// use session_core::{Clock, SystemClock};
    /// use session_fjall::FjallStore;
    ///
    /// let store = FjallStore::open(folder.path().join("sessions"))?;
    /// let stats = store.stats(SystemClock::new().now(), |_progress| {})?;
    /// assert_eq!((stats.sessions, stats.owners), (0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Store::load`](session_core::Store::load), but for damaged records: those are counted.
    pub fn stats(&self, now: Timestamp, mut progress: impl FnMut(Progress)) -> Result<StoreStats> {
        let mut stats = self.walk(|reader| reader.stats(now, &mut Meter::new(&mut progress)))?;
        stats.disk = disk_use(self.path())?;
        Ok(stats)
    }
}

impl Reader<'_> {
    fn stats(&self, now: Timestamp, meter: &mut Meter<'_>) -> Result<StoreStats> {
        let snapshot = self.tables.database.snapshot();
        let mut stats = StoreStats::default();
        meter.start("records", self.tables.records.approximate_len());
        for found in Walk::new(self, &snapshot, None) {
            stats.add(&found?, now);
            meter.tick();
        }
        // Ordered by owner, so that an owner's entries stand together.
        meter.start("owners", self.tables.owners.approximate_len());
        let mut previous = None;
        for entry in snapshot.iter(&self.tables.owners) {
            self.go_on()?;
            let place = entry.key().map_err(|error| failure::reading(self.path, error))?;
            let owner = <[u8; OWNER]>::try_from(place.get(..OWNER).unwrap_or_default()).ok();
            if owner.is_some() && owner != previous {
                stats.owners += 1;
                previous = owner;
            }
            meter.tick();
        }
        Ok(stats)
    }
}

impl StoreStats {
    fn add(&mut self, found: &Found, now: Timestamp) {
        let bytes = found.bytes as u64;
        self.bytes += bytes;
        self.largest = self.largest.max(bytes);
        match &found.record {
            Stock::Missing => {}
            Stock::Damaged(_) => self.unreadable += 1,
            Stock::Readable(record) if record.is_expired(now) => self.expired += 1,
            Stock::Readable(record) => self.add_live(record),
        }
    }

    fn add_live(&mut self, record: &Record) {
        self.sessions += 1;
        self.signed_in += u64::from(record.owner().is_some());
        let began = record.created_at();
        self.oldest = Some(self.oldest.map_or(began, |oldest| oldest.min(began)));
        self.newest = Some(self.newest.map_or(began, |newest| newest.max(began)));
    }
}

/// Bytes of all files below a folder.
fn disk_use(folder: &Path) -> Result<u64> {
    let unmeasured = |path: &Path, error| failure::file("measuring the session store at", path, error);
    let mut total = 0;
    let mut waiting = vec![fs::read_dir(folder).map_err(|error| unmeasured(folder, error))?];
    while let Some(entries) = waiting.pop() {
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => {
                    let path = entry.path();
                    let below = if_there(fs::read_dir(&path));
                    waiting.extend(below.map_err(|error| unmeasured(&path, error))?);
                }
                Ok(found) => total += allocated(&found),
                Err(_) => {}
            }
        }
    }
    Ok(total)
}

/// What goes away meanwhile counts nothing: the engine compacts.
fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a file takes on the disk: the engine's journal is longer than what it holds.
#[cfg(unix)]
fn allocated(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn allocated(file: &fs::Metadata) -> u64 {
    file.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_take_is_counted_in_all_folders_below() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(disk_use(scratch.path()).unwrap(), 0);
        let below = scratch.path().join("keyspaces/1");
        fs::create_dir_all(&below).unwrap();
        for (file, bytes) in [(scratch.path().join("a"), 100_000), (below.join("b"), 300_000)] {
            fs::write(file, vec![1; bytes]).unwrap();
        }
        let found = disk_use(scratch.path()).unwrap();
        assert!((400_000..500_000).contains(&found), "{found}");
    }

    #[test]
    fn a_folder_that_goes_away_counts_nothing_and_one_that_was_never_there_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let missing = scratch.path().join("missing");
        assert!(if_there(fs::read_dir(&missing)).unwrap().is_none());
        assert!(if_there(fs::read_dir(scratch.path())).unwrap().is_some());
        assert!(if_there(fs::read_dir(scratch.path().join("x".repeat(4000)))).is_err());
        let error = disk_use(&missing).unwrap_err();
        assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    }
}
