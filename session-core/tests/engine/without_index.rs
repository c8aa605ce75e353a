//! A store that can walk over everything, and cannot find the sessions of an owner.

use session_core::{
    Admission, Created, Deleted, Inventory, MemoryStore, OwnerIndex, Record, Replaced, Result, Revision, Rotated,
    Rotation, Store, StoreKey, Swept, Timestamp, Touched, async_trait,
};

#[derive(Default)]
pub(crate) struct WithoutIndex(MemoryStore);

#[async_trait]
impl Store for WithoutIndex {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.0.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.0.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.0.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.0.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.0.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.0.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.0.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        None
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.0.inventory()
    }
}
