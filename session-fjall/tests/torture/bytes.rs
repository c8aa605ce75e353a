//! Bits that change on the disk: a typed error or a correct answer, never a wrong one, no panic.
//!
//! The engine takes a batch that it cannot read for the end of its journal. So damage in the journal may also turn the store back to an
//! earlier moment, which is logged; what it never does is mix moments.

use std::fs;
use std::path::Path;

use session_core::ErrorKind;
use session_fjall::FjallStore;

use crate::disk::{copy, files, journal};
use crate::power::History;
use crate::{Chance, seed, times};

fn is_typed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt | ErrorKind::UnsupportedFormat | ErrorKind::Foreign
    )
}

fn flip(file: &Path, place: usize, bit: u64) {
    let mut content = fs::read(file).unwrap();
    content[place] ^= 1 << bit;
    fs::write(file, content).unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_the_journal_mixes_no_moments() {
    let scratch = tempfile::tempdir().unwrap();
    let damaged = scratch.path().join("damaged");
    let (mut refused, mut earlier, mut harmless) = (0, 0, 0);
    for turn in 0..times() {
        let seed = seed() + turn;
        let mut chance = Chance::new(seed);
        let history = History::new(scratch.path(), seed, 20, 30).await;
        let last = history.lanes.len() - 1;
        let mut places = Vec::new();
        // The head of a batch: a tag, how many entries, and its number, which the engine's checksum leaves out.
        for start in &history.ends[..last] {
            places.extend((0..13).map(|byte| start + byte));
        }
        let heads = places.len();
        for _ in 0..60 {
            let place = match chance.below(2) {
                0 => places[chance.below(heads as u64) as usize],
                _ => history.ends[0] + chance.below((history.ends[last] - history.ends[0]) as u64) as usize,
            };
            let bit = chance.below(8);
            copy(&scratch.path().join("good"), &damaged);
            flip(&journal(&damaged), place, bit);
            let same = format!("seed {seed}: bit {bit} of byte {place}");
            match FjallStore::open(&damaged) {
                Err(error) => {
                    assert!(is_typed(error.kind()), "{same}: {error:?}");
                    refused += 1;
                }
                Ok(store) => {
                    store.verify().unwrap_or_else(|error| panic!("{same}: {error}"));
                    let moments = history.moment(&store).await.unwrap();
                    assert!(!moments.is_empty(), "{same}: the store is as it never was");
                    match moments.contains(&last) {
                        true => harmless += 1,
                        false => earlier += 1,
                    }
                }
            }
        }
    }
    println!("bits of journals: {refused} refused, {earlier} back at an earlier moment, {harmless} harmless");
}

#[tokio::test]
async fn a_flipped_bit_in_a_file_of_a_closed_store_is_an_error_or_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (good, damaged) = (scratch.path().join("good"), scratch.path().join("damaged"));
    let (mut refused, mut noticed, mut harmless) = (0, 0, 0);
    for turn in 0..times() {
        let seed = seed() + turn;
        let mut chance = Chance::new(seed);
        let history = History::new(scratch.path(), seed, chance.pick(&[20, 3000]), 60).await;
        // Closed: everything is in tables.
        FjallStore::open(&good).unwrap().close().await.unwrap();
        let expected = history.lanes.last().unwrap().expected();
        let lane = history.lanes.last().unwrap();
        let files: Vec<_> = files(&good)
            .into_iter()
            .filter(|file| !file.ends_with("LOCK") && !file.ends_with("lock"))
            .collect();
        for turn in 0..60 {
            // Files in turn, so that the small ones get their share.
            let file = &files[turn % files.len()];
            let content = fs::read(file).unwrap();
            let end = crate::disk::end_of(&content);
            if end == 0 {
                continue;
            }
            let (place, bit) = (chance.below(end as u64) as usize, chance.below(8));
            copy(&good, &damaged);
            let file = file.strip_prefix(&good).unwrap();
            flip(&damaged.join(file), place, bit);
            let same = format!("seed {seed}: bit {bit} of byte {place} in {}", file.display());
            let store = match FjallStore::open(&damaged) {
                Ok(store) => store,
                Err(error) => {
                    assert!(is_typed(error.kind()), "{same}: {error:?}");
                    refused += 1;
                    continue;
                }
            };
            match lane.found(&store, lane.used()).await {
                Ok(found) => assert!(found == expected, "{same}: a wrong answer"),
                Err(error) => assert!(is_typed(error.kind()), "{same}: {error:?}"),
            }
            match store.verify() {
                Ok(count) => {
                    assert!(count >= expected.len() as u64, "{same}: {count} sessions");
                    harmless += 1;
                }
                Err(error) => {
                    assert!(is_typed(error.kind()), "{same}: {error:?}");
                    noticed += 1;
                }
            }
        }
    }
    println!("bits of files: {refused} refused, {noticed} noticed when read, {harmless} harmless");
}

/// The engine would panic over some of them, and end the process.
#[tokio::test]
async fn a_flipped_bit_in_a_manifest_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let (good, damaged) = (scratch.path().join("good"), scratch.path().join("damaged"));
    History::new(scratch.path(), seed(), 20, 10).await;
    FjallStore::open(&good).unwrap().close().await.unwrap();
    copy(&good, &damaged);
    let newest = |folder: &Path| {
        let number = fs::read(folder.join("current")).unwrap();
        u64::from_le_bytes(*number.first_chunk().unwrap())
    };
    let mut tried = 0;
    for keyspace in fs::read_dir(damaged.join("db/keyspaces")).unwrap() {
        let keyspace = keyspace.unwrap().path();
        for file in [
            keyspace.join("current"),
            keyspace.join(format!("v{}", newest(&keyspace))),
        ] {
            let content = fs::read(&file).unwrap();
            // Every one, if there is time.
            for place in (0..content.len()).step_by(if times() > 1 { 1 } else { 5 }) {
                flip(&file, place, place as u64 % 8);
                let error = FjallStore::open(&damaged).unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Corrupt,
                    "byte {place} of {}: {error:?}",
                    file.display()
                );
                fs::write(&file, &content).unwrap();
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
    FjallStore::open(&damaged).unwrap().verify().unwrap();
}
