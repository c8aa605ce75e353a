//! The inventory of [`FjallStore`](crate::FjallStore): everything that is stored, in the order of store keys. Records and sightings are
//! both kept in that order, so they are read side by side, without a search for each.

use std::iter::Peekable;
use std::ops::Bound;

use fjall::{Iter, Readable, Snapshot, UserKey, UserValue};
use session_core::{Handle, InventoryPage, Record, Result, StoreKey};

use crate::failure;
use crate::layout::{self, Sighting};
use crate::progress::{Meter, Progress};
use crate::read::Reader;
use crate::store::FjallStore;

/// One session, or what is left of one, as it is stored.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: StoreKey,
    pub(crate) record: Stock,
    /// The bytes of the record; none if it is missing.
    pub(crate) bytes: usize,
    pub(crate) sighting: Option<Seen>,
}

/// What is stored under a key of `records`.
#[derive(Debug)]
pub(crate) enum Stock {
    /// With its latest sighting.
    Readable(Record),
    /// With why.
    Damaged(session_core::Error),
    /// There is a sighting alone.
    Missing,
}

/// What is stored under a key of `seen`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    Readable(Sighting),
    Malformed,
}

/// Walks over `records` and `seen` at once.
pub(crate) struct Walk<'a> {
    reader: &'a Reader<'a>,
    records: Peekable<Side>,
    seen: Peekable<Side>,
}

/// One keyspace in order, its keys checked.
struct Side {
    entries: Iter,
}

impl Iterator for Side {
    type Item = fjall::Result<(UserKey, UserValue)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(fjall::Guard::into_inner)
    }
}

impl<'a> Walk<'a> {
    /// Starts behind a key, as of one moment.
    pub(crate) fn new(reader: &'a Reader<'a>, snapshot: &Snapshot, after: Option<StoreKey>) -> Self {
        let start = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_bytes().to_vec()));
        let side = |keyspace| {
            let range = (start.clone(), Bound::<Vec<u8>>::Unbounded);
            let entries = snapshot.range(keyspace, range);
            Side { entries }.peekable()
        };
        Self {
            reader,
            records: side(&reader.tables.records),
            seen: side(&reader.tables.seen),
        }
    }

    fn step(&mut self) -> Result<Option<Found>> {
        self.reader.go_on()?;
        let failed = |error| failure::reading(self.reader.path, error);
        let record = key_of(self.records.peek());
        let seen = key_of(self.seen.peek());
        let next = match (record, seen) {
            (None, None) => return Ok(None),
            (Some(key), None) | (None, Some(key)) => key,
            (Some(record), Some(seen)) => record.min(seen),
        };
        let take = |side: &mut Peekable<Side>| -> Result<Option<UserValue>> {
            let Some(entry) = side.next_if(|entry| entry.as_ref().map_or(true, |(key, _)| *key == next)) else {
                return Ok(None);
            };
            entry.map(|(_, value)| Some(value)).map_err(failed)
        };
        let record = take(&mut self.records)?;
        let seen = take(&mut self.seen)?;
        let key = layout::store_key(&next)
            .ok_or_else(|| failure::corrupt(self.reader.path, "a session's key has another length"))?;
        let sighting = seen.map(|bytes| Sighting::decode(&bytes).map_or(Seen::Malformed, Seen::Readable));
        let bytes = record.as_ref().map_or(0, |bytes| bytes.len());
        let record = match record.map(|bytes| Record::decode(&bytes)) {
            None => Stock::Missing,
            Some(Err(error)) => Stock::Damaged(error),
            Some(Ok(record)) => Stock::Readable(match sighting {
                Some(Seen::Readable(sighting)) => record.seen(sighting.seen_at),
                _ => record,
            }),
        };
        Ok(Some(Found {
            key,
            record,
            bytes,
            sighting,
        }))
    }
}

/// The key in front; an error is in front of everything.
fn key_of(entry: Option<&fjall::Result<(UserKey, UserValue)>>) -> Option<UserKey> {
    match entry? {
        Ok((key, _)) => Some(key.clone()),
        Err(_) => Some(UserKey::from([])),
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl FjallStore {
    /// The session of that handle, expired or not, with its store key.
    ///
    /// There is no index by handle: this walks over records until it finds it, and blocks meanwhile; about a second for a million
    /// sessions. If the owner is known, [`OwnerIndex::list`](session_core::OwnerIndex::list) is the way.
    ///
    /// # Errors
    ///
    /// As [`Store::load`](session_core::Store::load); damaged records are passed over.
    pub fn find(&self, handle: Handle, progress: impl FnMut(Progress)) -> Result<Option<(StoreKey, Record)>> {
        Ok(self.search(handle, 1, progress)?.pop())
    }

    /// All records of that handle: one, unless the store is at fault.
    #[cfg(feature = "cli")]
    pub(crate) fn find_all(&self, handle: Handle, progress: impl FnMut(Progress)) -> Result<Vec<(StoreKey, Record)>> {
        self.search(handle, usize::MAX, progress)
    }

    fn search(
        &self,
        handle: Handle,
        most: usize,
        mut progress: impl FnMut(Progress),
    ) -> Result<Vec<(StoreKey, Record)>> {
        self.walk(|reader| {
            let snapshot = reader.tables.database.snapshot();
            let mut meter = Meter::new(&mut progress);
            let mut records = Vec::new();
            meter.start("records", reader.tables.records.approximate_len());
            for found in Walk::new(&reader, &snapshot, None) {
                let Found { key, record, .. } = found?;
                if let Stock::Readable(record) = record
                    && record.handle() == handle
                {
                    records.push((key, record));
                    if records.len() == most {
                        break;
                    }
                }
                meter.tick();
            }
            Ok(records)
        })
    }
}

impl Reader<'_> {
    /// One page of everything that is stored, all as of one moment. Counted are entries, also those without a record, which only
    /// outside interference can bring about: the work of a page has a bound.
    pub(crate) fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        let limit = limit.max(1);
        let snapshot = self.tables.database.snapshot();
        let mut page = InventoryPage::default();
        let mut last = None;
        for (count, found) in Walk::new(self, &snapshot, after).enumerate() {
            let Found { key, record, .. } = found?;
            if count == limit {
                page.next = last;
                break;
            }
            match record {
                Stock::Readable(record) => page.records.push((key, record)),
                Stock::Damaged(_) => page.unreadable.push(key),
                Stock::Missing => {}
            }
            last = Some(key);
        }
        Ok(page)
    }
}
