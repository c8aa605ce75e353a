//! Power loss: of the journal's bytes, those behind the last sync may be missing or zero. What is durable is there; of the rest, a
//! beginning.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use session_core::ErrorKind;
use session_fjall::FjallStore;

use crate::disk::{ALLOCATED, copy, end_from, end_of, journal};
use crate::load::Lane;
use crate::{Chance, seed, times};

/// A history, not closed: everything is in the journal alone.
pub(crate) struct History {
    /// The lane before the first operation, and after each.
    pub(crate) lanes: Vec<Lane>,
    /// Where the journal ended before the first operation, and after each.
    pub(crate) ends: Vec<usize>,
    /// How many operations had happened when a durable one was acknowledged, each time.
    pub(crate) synced: Vec<usize>,
}

impl History {
    /// Does that many operations to a new store, and copies it.
    pub(crate) async fn new(scratch: &Path, seed: u64, payload: usize, ops: usize) -> Self {
        let folder = scratch.join("original");
        let _ = fs::remove_dir_all(&folder);
        let store = FjallStore::open(&folder).unwrap();
        let mut chance = Chance::new(seed);
        let mut lane = Lane::new(1, payload);
        let mut end = end_of(&fs::read(journal(&folder)).unwrap());
        let mut history = Self {
            lanes: vec![lane.clone()],
            ends: vec![end],
            synced: vec![0],
        };
        for done in 1..=ops {
            let op = lane.choose(&mut chance);
            lane.perform(&store, op).await.unwrap();
            lane.apply(op);
            history.lanes.push(lane.clone());
            end = end_from(&journal(&folder), end);
            history.ends.push(end);
            if op.is_durable() {
                history.synced.push(done);
            }
        }
        copy(&folder, &scratch.join("good"));
        history
    }

    /// After how many operations the store is as it is found now; `None` if it never was.
    pub(crate) async fn moment(&self, store: &FjallStore) -> session_core::Result<Vec<usize>> {
        let last = self.lanes.last().unwrap();
        let found = last.found(store, last.used()).await?;
        let alike = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.expected() == found);
        Ok(alike.map(|(done, _)| done).collect())
    }
}

#[tokio::test]
async fn power_loss_costs_no_durable_operation_and_only_the_last_of_the_others() {
    let scratch = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for turn in 0..2 * times() {
        let seed = seed() + turn;
        let mut chance = Chance::new(seed);
        let history = History::new(scratch.path(), seed, chance.pick(&[20, 300, 3000]), 60).await;
        for _ in 0..25 {
            // The power fails before the sync of a durable operation, or at any moment later than the last one.
            let point = chance.below(history.synced.len() as u64) as usize;
            let synced = history.synced[point];
            let next = history.synced.get(point + 1).copied().unwrap_or(history.ends.len() - 1);
            let (first, last) = (history.ends[synced], history.ends[next]);
            let cut = match chance.below(4) {
                // At a batch's end, just before it and just behind it.
                0 => history.ends[synced + chance.below((next - synced + 1) as u64) as usize],
                1 => history.ends[next].saturating_sub(1).max(first),
                2 => (history.ends[synced] + 1).min(last),
                _ => first + chance.below((last - first + 1) as u64) as usize,
            };
            let damaged = scratch.path().join("damaged");
            copy(&scratch.path().join("good"), &damaged);
            let file = fs::File::options().write(true).open(journal(&damaged)).unwrap();
            file.set_len(cut as u64).unwrap();
            let zeros = chance.below(2) == 0;
            if zeros {
                file.set_len(ALLOCATED).unwrap();
            }
            let same = format!("seed {seed}: cut at {cut} of {first}..{last}, zeros behind it: {zeros}");
            let store = match FjallStore::open(&damaged) {
                Ok(store) => store,
                // The engine asserts, in builds that check assertions only, that two lengths of an entry agree. Zeros may begin between them.
                Err(error) if cfg!(debug_assertions) && zeros && error.kind() == ErrorKind::Corrupt => continue,
                Err(error) => panic!("{same}: {error:?}"),
            };
            store.verify().unwrap_or_else(|error| panic!("{same}: {error}"));
            let whole = history.ends.iter().rposition(|end| *end <= cut).unwrap();
            let moments = history.moment(&store).await.unwrap();
            assert!(
                moments.contains(&whole) && whole >= synced,
                "{same}: {whole} operations are whole and {synced} durable, but it is as after {moments:?}"
            );
            tried += 1;
        }
    }
    println!("{tried} power losses with a cut journal");
    assert!(tried > 0);
}

/// The disk may write pages in another order than they were handed to it: one is missing, later ones are there.
#[tokio::test]
async fn a_page_that_power_loss_kept_from_the_disk_is_an_error_or_costs_only_the_last_operations() {
    const PAGE: usize = 4096;
    let scratch = tempfile::tempdir().unwrap();
    let (mut opened, mut refused) = (0, 0);
    for turn in 0..2 * times() {
        let seed = seed() + 100 + turn;
        let mut chance = Chance::new(seed);
        let history = History::new(scratch.path(), seed, chance.pick(&[300, 3000, 12_000]), 60).await;
        for _ in 0..15 {
            let point = chance.below(history.synced.len() as u64) as usize;
            let synced = history.synced[point];
            let next = history.synced.get(point + 1).copied().unwrap_or(history.ends.len() - 1);
            let (first, last) = (history.ends[synced], history.ends[next]);
            let pages = (last / PAGE) - (first / PAGE);
            if pages == 0 {
                continue;
            }
            let from = (first / PAGE + chance.below(pages as u64 + 1) as usize) * PAGE;
            let (from, to) = (from.max(first), (from + PAGE).min(last));
            let damaged = scratch.path().join("damaged");
            copy(&scratch.path().join("good"), &damaged);
            let file = fs::File::options().write(true).open(journal(&damaged)).unwrap();
            file.set_len(last as u64).unwrap();
            file.set_len(ALLOCATED).unwrap();
            file.write_all_at(&vec![0; to.saturating_sub(from)], from as u64)
                .unwrap();
            let same = format!("seed {seed}: nothing at {from}..{to} of {first}..{last}");
            match FjallStore::open(&damaged) {
                Ok(store) => {
                    store.verify().unwrap_or_else(|error| panic!("{same}: {error}"));
                    let moments = history.moment(&store).await.unwrap();
                    let durable = moments.iter().any(|moment| (synced..=next).contains(moment));
                    assert!(durable, "{same}: {synced} are durable, but it is as after {moments:?}");
                    opened += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{same}: {error:?}");
                    refused += 1;
                }
            }
        }
    }
    println!(
        "{} power losses with a missing page: {opened} opened, {refused} refused",
        opened + refused
    );
    assert!(opened > 0);
}
