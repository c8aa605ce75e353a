//! The folder of a store: whether it is ours, its lock and its format marker. The database inside is [`database`](crate::database)'s.
//!
//! ```text
//! FOLDER/LOCK     who holds the folder; locked as long as the store is open
//! FOLDER/FORMAT   what the folder is, written last when it is set up
//! FOLDER/db/      the database
//! ```
//!
//! The engine is not asked before the folder has proved to be ours, so that nothing foreign is ever touched (P16).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use session_core::{Clock, Error, ErrorKind, Result, SystemClock};

use crate::failure;

/// The version of the folder's layout that this release writes.
pub(crate) const FORMAT_VERSION: u32 = 1;

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
const FORMAT_DRAFT: &str = "FORMAT.new";
const DATABASE: &str = "db";

const LOCK_MAGIC: &str = "session-fjall lock";
const FORMAT_MAGIC: &str = "session-fjall store";

/// A folder that is ours and locked. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked.
    lock: File,
    state: Contents,
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing, or what an interrupted set-up left.
    Unfinished,
    /// A store that was set up.
    Store,
}

impl Folder {
    /// Creates the folder if it is missing, makes sure that it is ours, and locks it.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        create_folder(path)?;
        Self::lock(path)
    }

    /// Locks an existing folder of ours.
    pub(crate) fn lock(path: &Path) -> Result<Self> {
        inspect(path)?;
        let lock = take_lock(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
            // Again, now that nobody else can be setting it up.
            state: inspect(path)?,
        })
    }

    pub(crate) fn contents(&self) -> Contents {
        self.state
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Removes the database of an interrupted set-up. Nothing in it was ever acknowledged.
    pub(crate) fn discard_unfinished(&self) -> Result<()> {
        match fs::remove_dir_all(self.database()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure::file(
                "removing an unfinished session store at",
                &self.database(),
                error,
            )),
            _ => Ok(()),
        }
    }

    /// Declares the set-up finished: from now on the folder is a store.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let draft = self.path.join(FORMAT_DRAFT);
        let text = format!(
            "{FORMAT_MAGIC}\nversion {FORMAT_VERSION}\ncreated {}\n",
            SystemClock::new().now()
        );
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, self.path.join(FORMAT))?;
            File::open(&self.path)?.sync_all()
        };
        write()
            .map_err(|error| failure::file("writing the format marker of the session store in", &self.path, error))?;
        self.state = Contents::Store;
        Ok(())
    }

    /// Removes everything that is ours, in an order that leaves no half of a store behind; then the folder, if nothing else is in it.
    pub(crate) fn remove(self) -> Result<()> {
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        let remove = || {
            gone(fs::remove_file(self.path.join(FORMAT)))?;
            gone(fs::remove_file(self.path.join(FORMAT_DRAFT)))?;
            gone(fs::remove_dir_all(self.database()))?;
            gone(fs::remove_file(self.path.join(LOCK)))?;
            // It stays if anything else is in it, if a disk is mounted on it, or if the path is a link to it.
            let _ = fs::remove_dir(&self.path);
            Ok(())
        };
        remove().map_err(|error| failure::file("dropping the session store at", &self.path, error))?;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A process that is being started holds a copy of every open file until it runs its own program, and to close ours alone
        // would leave the lock with it. If this fails, closing is what is left.
        let _ = self.lock.unlock();
    }
}

/// Says what the folder holds, and refuses what is not ours; reads only.
pub(crate) fn inspect(path: &Path) -> Result<Contents> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| failure::file("listing the session store's folder", path, error))?;
    let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
    let has_lock = has(LOCK) && is_our_lock(path)?;
    if has(FORMAT) {
        return check_format(path, has_lock).map(|()| Contents::Store);
    }
    // An engine of another kind may keep an empty LOCK too, but never alone.
    let alone = |name: &str| entries.iter().all(|entry| entry.file_name() == name);
    let left_by_set_up = |name: &std::ffi::OsStr| name == LOCK || name == FORMAT_DRAFT || name == DATABASE;
    if entries.is_empty()
        || (has_lock && entries.iter().all(|entry| left_by_set_up(&entry.file_name())))
        || (alone(LOCK) && is_empty_file(&path.join(LOCK))?)
    {
        return Ok(Contents::Unfinished);
    }
    Err(foreign(path, "it holds other files and no session store"))
}

fn check_format(path: &Path, has_lock: bool) -> Result<()> {
    let text = read_start(&path.join(FORMAT))?;
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT_MAGIC) {
        return Err(if has_lock {
            failure::corrupt(path, "its FORMAT file is damaged")
        } else {
            foreign(path, "its FORMAT file is not a session store's")
        });
    }
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version "))
        .and_then(|version| version.parse::<u32>().ok());
    match version {
        Some(version) if version > FORMAT_VERSION => Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "opening the session store at {}: its format is {version}, this release reads up to {FORMAT_VERSION}; run the release that wrote it, or a newer one",
                path.display()
            ),
        )),
        Some(1..) => Ok(()),
        _ => Err(failure::corrupt(path, "its FORMAT file is damaged")),
    }
}

fn take_lock(path: &Path) -> Result<File> {
    let at = path.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(&at)
        .map_err(|error| failure::file("opening the lock file", &at, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(locked(path)),
        Err(fs::TryLockError::Error(error)) => return Err(failure::file("locking", &at, error)),
    }
    // Always of one length and written over what is there: at no moment is the file ours without saying so.
    let text = format!("{LOCK_MAGIC}\npid {:>10}\n", std::process::id());
    file.rewind()
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(|error| failure::file("writing the lock file", &at, error))?;
    Ok(file)
}

fn locked(path: &Path) -> Error {
    let holder = read_start(&path.join(LOCK))
        .ok()
        .and_then(|text| Some(text.lines().nth(1)?.strip_prefix("pid ")?.trim().to_owned()))
        .filter(|pid| !pid.is_empty())
        .map_or_else(String::new, |pid| format!(" (pid {pid})"));
    Error::new(
        ErrorKind::Locked,
        format!(
            "opening the session store at {}: another store{holder} holds it; close that one, or choose another folder",
            path.display()
        ),
    )
}

fn is_our_lock(path: &Path) -> Result<bool> {
    Ok(read_start(&path.join(LOCK))?.lines().next() == Some(LOCK_MAGIC))
}

fn is_empty_file(path: &Path) -> Result<bool> {
    fs::metadata(path)
        .map(|found| found.is_file() && found.len() == 0)
        .map_err(|error| failure::file("looking at", path, error))
}

/// The first bytes of a small file. Of a folder or of anything but text it is nothing.
fn read_start(path: &Path) -> Result<String> {
    const ENOUGH: u64 = 256;
    let read = || {
        if !fs::metadata(path)?.is_file() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(ENOUGH).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| failure::file("reading", path, error))?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// Does nothing if it is there.
fn create_folder(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        // Name the part of the path that stands in the way.
        let present = path.ancestors().skip(1).find(|ancestor| ancestor.exists());
        let within = present.unwrap_or(path);
        failure::file(
            &format!("creating the session store's folder {} in", path.display()),
            within,
            error,
        )
    })
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Foreign,
        format!(
            "opening the session store at {}: {why}; choose an empty folder, or one that does not exist yet",
            path.display()
        ),
    )
}

/// Warns if others may read the sessions; the operator decides what to do about it.
#[cfg(unix)]
pub(crate) fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(found) = fs::metadata(path)
        && found.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{:o}", found.permissions().mode() & 0o777),
            "other users may enter the session store's folder; run chmod 700 on it"
        );
    }
}

#[cfg(not(unix))]
pub(crate) fn warn_if_shared(_path: &Path) {}

/// Keeps other users out of a folder, before anything is in it.
#[cfg(unix)]
pub(crate) fn close_to_others(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let close = || {
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 == 0 {
            return Ok(());
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    };
    close().map_err(|error| failure::file("closing to other users the folder", path, error))
}

#[cfg(not(unix))]
pub(crate) fn close_to_others(_path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_free_also_while_its_lock_file_is_open_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::claim(home.path()).unwrap();
        // What a process that is being started has.
        let copy = folder.lock.try_clone().unwrap();
        assert_eq!(Folder::claim(home.path()).unwrap_err().kind(), ErrorKind::Locked);
        drop(folder);
        Folder::claim(home.path()).unwrap();
        drop(copy);
    }
}
