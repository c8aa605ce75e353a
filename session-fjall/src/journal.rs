//! Notices when the engine cuts the end off its journal. It does that without a word: after a crash the last batch is incomplete and
//! belongs to nobody, but behind a damaged byte in the middle it drops whole batches just the same.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The newest journal of a database as it was before the engine opened it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Where its content ends; the engine allocates zeros behind it.
    end: u64,
}

impl Journal {
    /// The newest journal in a database folder, if there is one.
    pub(crate) fn newest(database: &Path) -> io::Result<Option<Self>> {
        let mut newest: Option<(u64, PathBuf)> = None;
        for entry in fs::read_dir(database)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let Some(number) = number.filter(|_| path.extension().is_some_and(|kind| kind == "jnl"))
                && newest.as_ref().is_none_or(|(known, _)| number > *known)
            {
                newest = Some((number, path));
            }
        }
        let Some((_, path)) = newest else { return Ok(None) };
        let end = content_end(&path)?;
        Ok(Some(Self { path, end }))
    }

    /// Bytes that the engine has cut off since.
    pub(crate) fn cut_off(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| self.end.saturating_sub(found.len()))
    }
}

/// The position behind the last byte that is not zero.
fn content_end(path: &Path) -> io::Result<u64> {
    const STEP: u64 = 1024 * 1024;
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        file.by_ref().take(end - start).read_to_end(&mut chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_journal_ends_before_the_zeros() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::newest(folder.path()).unwrap().is_none());
        let mut content = vec![7; 10];
        content.resize(3_000_000, 0);
        fs::write(folder.path().join("9.jnl"), "older").unwrap();
        fs::write(folder.path().join("10.jnl"), &content).unwrap();
        fs::write(folder.path().join("version"), "else").unwrap();
        let journal = Journal::newest(folder.path()).unwrap().unwrap();
        assert_eq!((journal.end, journal.cut_off()), (10, 0));
        fs::write(folder.path().join("10.jnl"), &content[..4]).unwrap();
        assert_eq!(journal.cut_off(), 6);
        fs::write(folder.path().join("10.jnl"), [0; 5]).unwrap();
        assert_eq!(content_end(&folder.path().join("10.jnl")).unwrap(), 0);
    }
}
