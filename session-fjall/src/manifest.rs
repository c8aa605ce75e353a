//! Compares the engine's manifests with their checksums. The engine writes one beside each manifest, and never looks at it: it panics over
//! some damaged bytes, holding a lock that it takes again while it unwinds, which ends the process, and takes others as they are.

use std::fs;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// Whether the manifests are as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manifests {
    Sound,
    Damaged,
}

/// The file that names the manifest in use: its number (8, little-endian), its checksum (16, little-endian), the kind of checksum.
const CURRENT: &str = "current";
const XXH3: u8 = 0;

/// Looks at every keyspace of a database folder. Of what is missing or laid out otherwise it has no opinion: that the engine judges.
pub(crate) fn check(database: &Path) -> io::Result<Manifests> {
    for keyspace in fs::read_dir(database.join("keyspaces"))? {
        if !is_sound(&keyspace?.path())? {
            return Ok(Manifests::Damaged);
        }
    }
    Ok(Manifests::Sound)
}

fn is_sound(keyspace: &Path) -> io::Result<bool> {
    let Some(current) = read(&keyspace.join(CURRENT))? else {
        return Ok(true);
    };
    let Some((number, rest)) = current.split_first_chunk::<8>() else {
        return Ok(true);
    };
    let Some((checksum, [XXH3])) = rest.split_first_chunk::<16>() else {
        return Ok(false);
    };
    let manifest = read(&keyspace.join(format!("v{}", u64::from_le_bytes(*number))))?;
    Ok(manifest.is_none_or(|manifest| xxh3_128(&manifest) == u128::from_le_bytes(*checksum)))
}

/// `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
