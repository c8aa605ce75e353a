//! Every error of this crate in one place: how what the engine and the operating system report becomes a kind to act on and a
//! message that names the path.

use std::io;
use std::path::Path;

use session_core::{Error, ErrorKind};

/// Why a write did not happen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This request cannot be done; the database is sound.
    Request(Error),
    /// The database takes no more writes until it is reopened.
    Database(fjall::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}

/// Reading from the database failed.
pub(crate) fn reading(path: &Path, error: fjall::Error) -> Error {
    let (kind, remedy) = match kind_of(&error) {
        ErrorKind::Corrupt => (
            ErrorKind::Corrupt,
            "its files are damaged; check the disk and restore the folder from a backup, or drop the store",
        ),
        kind => (kind, "check the disk and its free space; the store reopens by itself"),
    };
    Error::new(
        kind,
        format!("reading from the session store at {}: {remedy}", path.display()),
    )
    .with_source(error)
}

/// Opening the database failed.
pub(crate) fn opening(path: &Path, error: fjall::Error) -> Error {
    let kind = kind_of(&error);
    let remedy = match kind {
        ErrorKind::Corrupt => {
            "its files are damaged or missing; check the disk and restore the folder from a backup, or drop the store to start empty"
        }
        ErrorKind::UnsupportedFormat => {
            "another version of the storage engine wrote it; run the release that wrote it, or a newer one"
        }
        ErrorKind::Locked => "another process holds the database; stop it, or choose another folder",
        ErrorKind::Permission => "the user that runs this process must be able to read and write everything in it",
        _ => "check the disk and its free space",
    };
    Error::new(
        kind,
        format!("opening the session store at {}: {remedy}", path.display()),
    )
    .with_source(error)
}

/// The engine gave up on damaged files by panicking.
pub(crate) fn opening_panicked(path: &Path) -> Error {
    corrupt(path, "the storage engine cannot make sense of its files")
}

/// Something in the folder or in a keyspace is not as this crate wrote it.
pub(crate) fn corrupt(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "reading the session store at {}: {why}; check the disk and restore the folder from a backup, or drop the store to start empty",
            path.display()
        ),
    )
}

/// A folder stands among the engine's own that it did not make.
pub(crate) fn stray(store: &Path, stray: &Path) -> Error {
    Error::new(
        ErrorKind::Foreign,
        format!(
            "opening the session store at {}: {} is not the storage engine's; move it out of the store's folder, and keep whatever made \
             it from writing there",
            store.display(),
            stray.display()
        ),
    )
}

/// A file or folder could not be reached; `doing` is in the form "creating the folder".
pub(crate) fn file(doing: &str, path: &Path, error: io::Error) -> Error {
    let (kind, remedy) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Permission,
            "give the user that runs this process read and write access",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => (
            ErrorKind::Foreign,
            "a file stands where a folder is needed; choose another path",
        ),
        _ => (ErrorKind::Unavailable, "check the path, the disk and its free space"),
    };
    Error::new(kind, format!("{doing} {}: {remedy}", path.display())).with_source(error)
}

/// The store cannot take this write, or its outcome is not known.
pub(crate) fn write_failed(path: &Path) -> Error {
    unavailable(
        path,
        "writing to",
        "the write may or may not have happened; check the disk and its free space; the store reopens by itself",
    )
}

/// The database is being reopened.
pub(crate) fn down(path: &Path) -> Error {
    unavailable(
        path,
        "using",
        "it is down after a failed write and reopens by itself; check the disk and its free space",
    )
}

/// The store closed, or went down, under a walk.
pub(crate) fn walk_ended(path: &Path) -> Error {
    unavailable(
        path,
        "walking over",
        "it was closed meanwhile, or is being reopened after a failed write; do it again when it is open",
    )
}

/// A walk did not end when it was told to.
pub(crate) fn still_walked(path: &Path) -> Error {
    unavailable(
        path,
        "closing",
        "a walk over it (an export, a backup, an examination) does not let go; the folder is free when that has ended. do not close \
         it from inside a walk",
    )
}

/// The store was closed by its user.
pub(crate) fn closed(path: &Path) -> Error {
    unavailable(path, "using", "it was closed; open it again")
}

fn unavailable(path: &Path, doing: &str, remedy: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing} the session store at {}: {remedy}", path.display()),
    )
}

/// Whether the bytes are at fault rather than the access to them.
pub(crate) fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnsupportedFormat)
}

fn kind_of(error: &fjall::Error) -> ErrorKind {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
            // What the engine reports when a file is shorter than its own description of it, or gone.
            // And when that description names a place that no file can have.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        },
        fjall::Error::InvalidVersion(Some(_)) => ErrorKind::UnsupportedFormat,
        fjall::Error::Locked => ErrorKind::Locked,
        fjall::Error::Poisoned => ErrorKind::Unavailable,
        _ => ErrorKind::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind as Io;

    use super::*;

    fn io(kind: Io) -> fjall::Error {
        fjall::Error::Io(kind.into())
    }

    fn storage(kind: Io) -> fjall::Error {
        fjall::Error::Storage(fjall::LsmError::Io(kind.into()))
    }

    fn check(error: &Error, kind: ErrorKind, begins: &str, remedy: &str) {
        let shown = error.to_string();
        assert_eq!(error.kind(), kind, "{shown}");
        assert!(shown.starts_with(begins) && shown.contains(remedy), "{shown}");
    }

    #[test]
    fn what_the_engine_reports_while_it_opens_becomes_a_kind_and_what_to_do() {
        for (reported, kind, remedy) in [
            (io(Io::PermissionDenied), ErrorKind::Permission, "the user that"),
            (storage(Io::ReadOnlyFilesystem), ErrorKind::Permission, "the user that"),
            (io(Io::NotFound), ErrorKind::Corrupt, "a backup"),
            (storage(Io::UnexpectedEof), ErrorKind::Corrupt, "a backup"),
            (storage(Io::StorageFull), ErrorKind::Unavailable, "free space"),
            (fjall::Error::Locked, ErrorKind::Locked, "another process"),
            (fjall::Error::Poisoned, ErrorKind::Unavailable, "free space"),
            (fjall::Error::InvalidTrailer, ErrorKind::Corrupt, "a backup"),
            (fjall::Error::InvalidVersion(None), ErrorKind::Corrupt, "a backup"),
            (
                fjall::Error::InvalidVersion(Some(fjall::FormatVersion::V2)),
                ErrorKind::UnsupportedFormat,
                "another version",
            ),
        ] {
            check(
                &opening(Path::new("/srv/s"), reported),
                kind,
                "opening the session store at /srv/s: ",
                remedy,
            );
        }
    }

    #[test]
    fn what_the_engine_reports_while_it_reads_becomes_a_kind_and_what_to_do() {
        for (reported, kind, remedy) in [
            (storage(Io::InvalidData), ErrorKind::Corrupt, "a backup"),
            (storage(Io::Other), ErrorKind::Unavailable, "reopens by itself"),
            (io(Io::PermissionDenied), ErrorKind::Permission, "reopens by itself"),
        ] {
            check(
                &reading(Path::new("/srv/s"), reported),
                kind,
                "reading from the session store at /srv/s: ",
                remedy,
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_reached_is_named_with_what_to_do() {
        for (reported, kind, remedy) in [
            (Io::PermissionDenied, ErrorKind::Permission, "read and write access"),
            (Io::ReadOnlyFilesystem, ErrorKind::Permission, "read and write access"),
            (Io::NotADirectory, ErrorKind::Foreign, "another path"),
            (Io::StorageFull, ErrorKind::Unavailable, "free space"),
        ] {
            let error = file("creating the folder", Path::new("/srv/s"), reported.into());
            check(&error, kind, "creating the folder /srv/s: ", remedy);
        }
    }

    #[test]
    fn only_bytes_are_damaged_and_not_the_access_to_them() {
        let path = Path::new("/srv/s");
        assert!(is_damage(&corrupt(path, "a list is malformed")));
        assert!(!is_damage(&down(path)));
        assert!(!is_damage(&reading(path, io(Io::PermissionDenied))));
    }
}
