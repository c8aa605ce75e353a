//! [`Change`]: one atomic batch, and what it makes of the sessions in it. All that is written goes through here, so that no write can
//! pass the [cache](crate::cache) by.

use session_core::{Record, StoreKey, Timestamp};

use crate::batch::Batch;
use crate::cache::RecordCache;
use crate::database::Tables;
use crate::layout::{DEADLINE_KEY, Sighting};
use crate::read::Stored;

/// A change that is put together. A batch must not name a key twice.
pub(crate) struct Change<'a> {
    tables: &'a Tables,
    batch: Batch<'a>,
    /// Sessions whose record or sighting it writes, with what the cache is to hold of each.
    sessions: Vec<(StoreKey, Option<Stored>)>,
}

impl<'a> Change<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            batch: Batch::new(tables),
            sessions: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    pub(super) fn write_record(&mut self, key: StoreKey, record: &Record) {
        self.changes(key);
        self.batch.insert(&self.tables.records, key.as_bytes(), record.encode());
    }

    pub(super) fn write_sighting(&mut self, key: StoreKey, sighting: Sighting) {
        self.changes(key);
        self.batch.insert(&self.tables.seen, key.as_bytes(), sighting.encode());
    }

    pub(super) fn remove_record(&mut self, key: StoreKey) {
        self.changes(key);
        self.batch.remove(&self.tables.records, key.as_bytes());
    }

    pub(super) fn remove_sighting(&mut self, key: StoreKey) {
        self.changes(key);
        self.batch.remove(&self.tables.seen, key.as_bytes());
    }

    /// Adds a place in the queue of deadlines.
    pub(super) fn queue(&mut self, place: [u8; DEADLINE_KEY]) {
        self.batch.insert(&self.tables.deadlines, place, []);
    }

    pub(super) fn unqueue(&mut self, place: impl Into<fjall::UserKey>) {
        self.batch.remove(&self.tables.deadlines, place);
    }

    /// Adds a place in an owner's list.
    pub(super) fn list(&mut self, place: impl Into<fjall::UserKey>, key: StoreKey) {
        self.batch.insert(&self.tables.owners, place, key.as_bytes());
    }

    pub(super) fn unlist(&mut self, place: impl Into<fjall::UserKey>) {
        self.batch.remove(&self.tables.owners, place);
    }

    /// Says that this is all there is of a session when it is committed: it is in use, so the cache holds it.
    pub(super) fn holds(&mut self, key: StoreKey, record: Record, queued: Timestamp) {
        let now = Some(Stored {
            record,
            queued: Some(queued),
        });
        match self.sessions.last_mut() {
            Some((last, stored)) if *last == key => *stored = now,
            _ => self.sessions.push((key, now)),
        }
    }

    fn changes(&mut self, key: StoreKey) {
        // What is written of a session is written together; to name one twice does no harm.
        if self.sessions.last().is_none_or(|(last, _)| *last != key) {
            self.sessions.push((key, None));
        }
    }

    /// Commits; the cache follows before anybody is answered. If it fails, the committer lets go of the database and of the cache.
    pub(super) fn commit(self, cache: &RecordCache) -> fjall::Result<()> {
        for (key, _) in &self.sessions {
            cache.begin(*key);
        }
        self.batch.commit()?;
        for (key, stored) in self.sessions {
            cache.settle(key, stored);
        }
        Ok(())
    }
}
