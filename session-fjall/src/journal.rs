//! What the engine does not notice about its journal. It cuts the end off without a word: after a crash the last batch is incomplete and
//! belongs to nobody, but behind a damaged byte in the middle it drops whole batches just the same. And its checksums leave out the number
//! of a batch, which decides what of two writes of one key is the later one.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
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
        let Some(path) = all(database)?.pop() else {
            return Ok(None);
        };
        let end = content_end(&path)?;
        Ok(Some(Self { path, end }))
    }

    /// Bytes that the engine has cut off since.
    pub(crate) fn cut_off(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| self.end.saturating_sub(found.len()))
    }
}

/// The journals in a database folder, the newest last.
fn all(database: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|kind| kind == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// The position behind the last byte that is not zero.
fn content_end(path: &Path) -> io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    const ZEROS: &[u8] = &[0; STEP as usize];
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        file.by_ref().take(end - start).read_to_end(&mut chunk)?;
        if *chunk != ZEROS[..chunk.len()]
            && let Some(last) = chunk.iter().rposition(|byte| *byte != 0)
        {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether the batches of all journals follow each other by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Kept,
    Broken,
}

/// Reads the journals of a database folder as the engine is about to, and compares the numbers of batches that are whole. Of the rest it
/// has no opinion: what it cannot read, the engine judges.
pub(crate) fn order(database: &Path) -> io::Result<Order> {
    let mut last = None;
    for journal in all(database)? {
        let mut batches = Batches(BufReader::new(File::open(journal)?));
        while let Some(number) = batches.next() {
            if last.is_some_and(|last| number <= last) || number > HIGHEST {
                return Ok(Order::Broken);
            }
            last = Some(number);
        }
    }
    Ok(Order::Kept)
}

/// The engine keeps the highest bit for itself.
const HIGHEST: u64 = u64::MAX >> 1;

/// The numbers of the batches in a journal, as `fjall::journal::entry` lays them out: a start, entries, an end.
struct Batches(BufReader<File>);

impl Batches {
    const START: u8 = 1;
    const ITEM: u8 = 2;
    const END: u8 = 3;
    const CLEAR: u8 = 4;
    const TRAILER: [u8; 4] = *b"FJL\x03";

    /// `None` at the first that is not whole.
    fn next(&mut self) -> Option<u64> {
        let [Self::START] = self.read()? else { return None };
        let _entries: [u8; 4] = self.read()?;
        let number = u64::from_le_bytes(self.read()?);
        loop {
            match self.read()? {
                [Self::ITEM] => {
                    let _type_compression_keyspace: [u8; 10] = self.read()?;
                    let key = u16::from_le_bytes(self.read()?);
                    let _value: [u8; 4] = self.read()?;
                    let value = u32::from_le_bytes(self.read()?);
                    self.0.seek_relative(i64::from(key) + i64::from(value)).ok()?;
                }
                [Self::CLEAR] => {
                    let _keyspace: [u8; 8] = self.read()?;
                }
                [Self::END] => {
                    let _checksum: [u8; 8] = self.read()?;
                    return (self.read()? == Self::TRAILER).then_some(number);
                }
                _ => return None,
            }
        }
    }

    fn read<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).ok().map(|()| bytes)
    }
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

    /// A batch that clears a keyspace and writes an entry, as the engine writes it; its checksum is not looked at.
    fn batch(number: u64) -> Vec<u8> {
        let mut bytes = vec![1, 2, 0, 0, 0];
        bytes.extend(number.to_le_bytes());
        bytes.push(4);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend([2, 0, 0]);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend([3, 0, 5, 0, 0, 0, 5, 0, 0, 0]);
        bytes.extend(b"keyvalue");
        bytes.push(3);
        bytes.extend([0; 8]);
        bytes.extend(b"FJL\x03");
        bytes
    }

    #[test]
    fn the_numbers_of_batches_rise_over_all_journals() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, numbers: &[u64]| {
            let mut content: Vec<u8> = numbers.iter().flat_map(|number| batch(*number)).collect();
            content.resize(content.len() + 1000, 0);
            fs::write(folder.path().join(name), content).unwrap();
        };
        let order = || order(folder.path()).unwrap();
        assert_eq!(order(), Order::Kept);
        write("10.jnl", &[5, 6, 9]);
        write("9.jnl", &[1, 4]);
        assert_eq!(order(), Order::Kept);
        write("10.jnl", &[5, HIGHEST]);
        assert_eq!(order(), Order::Kept);
        for broken in [&[5, 4, 9][..], &[1 << 40, 6], &[5, 5], &[4, 5], &[1 << 63]] {
            write("10.jnl", broken);
            assert_eq!(order(), Order::Broken, "{broken:?}");
        }
    }

    #[test]
    fn what_is_behind_an_incomplete_batch_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let whole = batch(5);
        for length in 0..whole.len() {
            let mut content = batch(9);
            content.extend(&whole[..length]);
            content.resize(content.len() + 100, 0);
            fs::write(folder.path().join("0.jnl"), content).unwrap();
            assert_eq!(order(folder.path()).unwrap(), Order::Kept, "{length}");
        }
    }
}
