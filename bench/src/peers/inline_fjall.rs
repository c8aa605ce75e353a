//! The least that sessions on fjall can take of a server: ours in memory, and each write once more, straight into the engine beneath
//! `FjallStore`, by the worker that answers the request. No store could be run like this: the worker would wait for the disk, and nothing
//! is read from there.

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use session_core::{
    Admission, Created, Deleted, Error, ErrorKind, MemoryStore, OwnerIndex, Record, Replaced, Revision, Rotated,
    Rotation, Store, StoreKey, Swept, Timestamp, Touched,
};

use super::{AxumPeer, Place, ours};

pub struct InlineFjall;

#[async_trait]
impl AxumPeer for InlineFjall {
    fn name(&self) -> &'static str {
        "floor: memory, and fjall called directly"
    }

    async fn site(&self, place: &Place) -> Result<Router> {
        let database = Database::builder(place.folder()?)
            .max_journaling_size(64 * 1024 * 1024)
            .open()?;
        // As `FjallStore` has it.
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 * 1024 * 1024);
        let records = database.keyspace("records", options)?;
        let store = Written {
            memory: MemoryStore::new(),
            records,
            _database: database,
        };
        ours::site(ours::engine(std::sync::Arc::new(store))?)
    }
}

struct Written {
    memory: MemoryStore,
    records: Keyspace,
    _database: Database,
}

impl Written {
    fn write(&self, key: StoreKey, record: &Record) -> session_core::Result<()> {
        let written = self.records.insert(key.as_bytes(), record.encode());
        written.map_err(|error| Error::new(ErrorKind::Unavailable, "writing to fjall").with_source(error))
    }
}

#[async_trait]
impl Store for Written {
    async fn create(
        &self,
        key: StoreKey,
        record: Record,
        admission: Admission,
        now: Timestamp,
    ) -> session_core::Result<Created> {
        self.write(key, &record)?;
        self.memory.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> session_core::Result<Option<Record>> {
        self.memory.load(key, now).await
    }

    async fn replace(
        &self,
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    ) -> session_core::Result<Replaced> {
        self.write(key, &record)?;
        self.memory.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> session_core::Result<Rotated> {
        self.memory.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> session_core::Result<Touched> {
        self.memory.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> session_core::Result<Deleted> {
        self.memory.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> session_core::Result<Swept> {
        self.memory.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.memory.owner_index()
    }
}
