//! The database inside the folder: its keyspaces, how they are tuned, how it is opened and closed. What an operation reads is in
//! [`read`](crate::read), what it writes in [`committer`](crate::committer).

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, HashRatioPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use session_core::Result;

use crate::failure;
use crate::folder::{Contents, Folder};
use crate::journal::{self, Journal, Order};
use crate::manifest::{self, Manifests};

/// An open database. A clone is a handle; the engine's lock is released when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) records: Keyspace,
    pub(crate) seen: Keyspace,
    pub(crate) deadlines: Keyspace,
    pub(crate) owners: Keyspace,
    pub(crate) database: Database,
}

/// Small memtables and a small journal: what is replayed when the store opens is bounded by them.
pub(crate) const MEMTABLE: u64 = 16 * 1024 * 1024;
const JOURNAL: u64 = 64 * 1024 * 1024;

/// How long a clean close waits for memtables to be written; what is not written by then is replayed from the journal.
const FLUSH: Duration = Duration::from_secs(10);

impl Tables {
    pub(crate) const RECORDS: &str = "records";
    const SEEN: &str = "seen";
    const DEADLINES: &str = "deadlines";
    const OWNERS: &str = "owners";

    /// The names of [`keyspaces`](Self::keyspaces), in their order.
    pub(crate) const NAMES: [&str; 4] = [Self::RECORDS, Self::SEEN, Self::DEADLINES, Self::OWNERS];

    /// Opens the database of a folder, or sets it up.
    pub(crate) fn open(folder: &mut Folder, cache: u64) -> Result<Self> {
        match folder.contents() {
            Contents::Unfinished => {
                let tables = Self::create(folder, cache)?;
                folder.finish()?;
                Ok(tables)
            }
            Contents::Store => {
                let journal = check_files(folder)?;
                let tables = Self::open_engine(folder, cache)?;
                let bytes = journal.cut_off();
                if bytes > 0 {
                    tracing::warn!(
                        path = %folder.path().display(), bytes,
                        "the session store's journal ended in writes that were incomplete; they are dropped. after a crash that is \
                         normal, else check the disk: sessions may have been lost or have come back"
                    );
                }
                Ok(tables)
            }
        }
    }

    /// Sets an empty database up in a folder that is no store yet; [`Folder::finish`] makes it one.
    pub(crate) fn create(folder: &Folder, cache: u64) -> Result<Self> {
        folder.discard_unfinished()?;
        Self::open_engine(folder, cache)
    }

    fn open_engine(folder: &Folder, cache: u64) -> Result<Self> {
        let path = folder.path();
        // The engine asserts much of what it reads, and a damaged file may break an assertion.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Database::builder(folder.database())
                .cache_size(cache)
                .max_journaling_size(JOURNAL)
                .open()?;
            if folder.contents() == Contents::Store {
                let known = database.list_keyspace_names();
                let complete = Self::NAMES
                    .iter()
                    .all(|name| known.iter().any(|known| **known == **name));
                if !complete {
                    return Err(fjall::Error::Unrecoverable);
                }
            }
            Ok(Self {
                records: database.keyspace(Self::RECORDS, || options(Access::Point))?,
                seen: database.keyspace(Self::SEEN, || options(Access::Point))?,
                deadlines: database.keyspace(Self::DEADLINES, || options(Access::Range))?,
                owners: database.keyspace(Self::OWNERS, || options(Access::Range))?,
                database,
            })
        }));
        opened
            .map_err(|_| failure::opening_panicked(path))?
            .map_err(|error| failure::opening(path, error))
    }

    pub(crate) fn keyspaces(&self) -> [&Keyspace; 4] {
        [&self.records, &self.seen, &self.deadlines, &self.owners]
    }

    /// Fails if the engine takes no more writes.
    pub(crate) fn check(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::Buffer)
    }

    /// Returns when everything that was committed survives power loss.
    pub(crate) fn sync(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::SyncData)
    }

    /// Writes memtables to tables, so that the next opening need not replay them.
    pub(crate) fn flush(&self) -> fjall::Result<()> {
        for keyspace in self.keyspaces() {
            keyspace.rotate_memtable()?;
        }
        let started = Instant::now();
        while self
            .keyspaces()
            .iter()
            .any(|keyspace| keyspace.sealed_memtable_count() > 0)
        {
            self.check()?;
            if started.elapsed() > FLUSH {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// The engine takes a missing file for a new database or an empty journal, and would start without the sessions. Answers with the
/// newest journal.
fn check_files(folder: &Folder) -> Result<Journal> {
    let database = folder.database();
    if !database.join("version").is_file() || !database.join("keyspaces").is_dir() {
        return Err(failure::corrupt(folder.path(), "its database is missing"));
    }
    refuse_strays(folder.path(), &database)?;
    let unread = |error| failure::file("reading the journal of the session store in", &database, error);
    let manifests = manifest::check(&database)
        .map_err(|error| failure::file("reading the manifests of the session store in", &database, error))?;
    if manifests == Manifests::Damaged {
        return Err(failure::corrupt(folder.path(), "a manifest of its database is damaged"));
    }
    if journal::order(&database).map_err(unread)? == Order::Broken {
        return Err(failure::corrupt(
            folder.path(),
            "batches in its journal are out of order",
        ));
    }
    Journal::newest(&database)
        .map_err(unread)?
        .ok_or_else(|| failure::corrupt(folder.path(), "the journal of its database is missing"))
}

/// The engine panics over a folder where it expects its own, holding a lock that it takes again while it unwinds, which ends the
/// process. Indexers and network disks leave such folders everywhere.
fn refuse_strays(store: &Path, database: &Path) -> Result<()> {
    let refuse = |name: &str, path: &Path, is_ours: bool| match is_ours {
        true => Ok(()),
        false => Err(failure::stray(store, &path.join(name))),
    };
    for name in folders(database)? {
        refuse(&name, database, !name.to_ascii_lowercase().ends_with(".jnl"))?;
    }
    let keyspaces = database.join("keyspaces");
    for name in folders(&keyspaces)? {
        let is_number = name.parse::<u64>().is_ok_and(|number| number.to_string() == name);
        refuse(&name, &keyspaces, is_number)?;
        let tables = keyspaces.join(&name).join("tables");
        if tables.is_dir() {
            for name in folders(&tables)? {
                // What a Mac leaves, the engine passes over.
                refuse(&name, &tables, name.starts_with("._"))?;
            }
        }
    }
    Ok(())
}

/// The names of what is in a folder and no file.
fn folders(path: &Path) -> Result<Vec<String>> {
    let list = || -> io::Result<_> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    };
    list().map_err(|error| failure::file("listing", path, error))
}

/// How a keyspace is read.
#[derive(Clone, Copy)]
enum Access {
    /// By whole keys.
    Point,
    /// In order.
    Range,
}

fn options(access: Access) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
    match access {
        // Filters on every level: a new session's key is looked up before it is stored, and is always missing.
        Access::Point => options
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                BloomConstructionPolicy::BitsPerKey(10.0),
            )))
            .data_block_hash_ratio_policy(HashRatioPolicy::all(8.0)),
        Access::Range => options.filter_policy(FilterPolicy::disabled()),
    }
}
