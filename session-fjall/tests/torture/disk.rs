//! Copies of a store's folder, and its journal.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Copies a folder; journals without the zeros behind their content, which are megabytes.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
            continue;
        }
        let mut content = fs::read(entry.path()).unwrap();
        if to.extension().is_some_and(|kind| kind == "jnl") {
            content.truncate(end_of(&content));
        }
        fs::write(to, content).unwrap();
    }
}

/// The position behind the last byte that is not zero.
pub(crate) fn end_of(content: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let whole = content.len() - content.len() % ZEROS.len();
    let from = match content[whole..].iter().all(|byte| *byte == 0) {
        true => content[..whole].chunks(ZEROS.len()).rposition(|part| part != ZEROS),
        false => Some(whole / ZEROS.len()),
    };
    let Some(from) = from else { return 0 };
    let part = &content[from * ZEROS.len()..];
    let part = &part[..part.len().min(ZEROS.len())];
    from * ZEROS.len() + part.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Bytes that a new journal has, nearly all of them zeros.
pub(crate) const ALLOCATED: u64 = 64 * 1024 * 1024;

/// Where a journal that ended at `from` ends after one more operation.
pub(crate) fn end_from(journal: &Path, from: usize) -> usize {
    let mut content = vec![0; 1024 * 1024];
    let read = fs::File::open(journal)
        .unwrap()
        .read_at(&mut content, from as u64)
        .unwrap();
    from + end_of(&content[..read])
}

/// The one journal of a store.
pub(crate) fn journal(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("db")).unwrap();
    let mut journals = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jnl"));
    let journal = journals.next().unwrap();
    assert!(journals.next().is_none(), "the load is too large for this test");
    journal
}

/// All files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
