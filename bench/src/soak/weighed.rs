//! [`Weighed`]: the store beneath the soak. It adds up the bytes of the records that it is handed, and breaks on purpose when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adapter_axum::FjallStore;
use async_trait::async_trait;
use session_core::{
    Admission, Created, Deleted, Inventory, OwnerIndex, Record, Replaced, Result, Revision, Rotated, Rotation, Store,
    StoreKey, Swept, Timestamp, Touched,
};

use super::server::Fault;

pub(super) struct Weighed {
    inner: FjallStore,
    fault: Option<Fault>,
    written: Arc<AtomicU64>,
    replaced: AtomicU64,
}

impl Weighed {
    pub(super) fn new(inner: FjallStore, fault: Option<Fault>) -> Self {
        Self {
            inner,
            fault,
            written: Arc::default(),
            replaced: AtomicU64::new(0),
        }
    }

    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    fn weigh(&self, record: &Record) {
        self.written.fetch_add(record.encode().len() as u64, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for Weighed {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.weigh(&record);
        self.inner.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.inner.load(key, now).await
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        self.inner.load_cached(key, now)
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.weigh(&record);
        let number = self.replaced.fetch_add(1, Ordering::Relaxed);
        if self.fault == Some(Fault::Writes) && number % 500 == 499 {
            return Ok(Replaced::Stored);
        }
        self.inner.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.weigh(&rotation.record);
        self.inner.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.inner.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        if self.fault == Some(Fault::Logouts) {
            return Ok(Deleted::Removed);
        }
        self.inner.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index()
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.inner.inventory()
    }
}
