//! The reference store is held to the published suite, as every other store is; so are two of the shapes that a store may have.
#![cfg(feature = "conformance")]

use async_trait::async_trait;
use session_core::{
    Admission, Created, Deleted, MemoryStore, OwnerIndex, Record, Replaced, Result, Revision, Rotated, Rotation, Store,
    StoreKey, Swept, Timestamp, Touched,
};

mod memory {
    use session_core::MemoryStore;
    use session_core::conformance::store::TestStore;

    async fn fresh() -> TestStore {
        TestStore::new(MemoryStore::new()).in_every_order()
    }

    session_core::store_contract!(fresh);
}

mod expiring_by_itself {
    use super::{Index, Server};
    use session_core::conformance::store::TestStore;

    async fn fresh() -> TestStore {
        TestStore::new(Server::new(Index::Offered)).expiring_by_itself()
    }

    session_core::store_contract!(fresh, without_inventory);
}

mod without_owner_index {
    use super::{Index, Server};
    use session_core::conformance::store::TestStore;

    async fn fresh() -> TestStore {
        TestStore::new(Server::new(Index::Hidden)).expiring_by_itself()
    }

    session_core::store_contract!(fresh, without_owner_index, without_inventory);
}

/// Stands in for a server that drops expired records by a clock of its own, which never strikes here.
struct Server {
    inner: MemoryStore,
    index: Index,
}

#[derive(PartialEq)]
enum Index {
    Offered,
    Hidden,
}

impl Server {
    fn new(index: Index) -> Self {
        Self {
            inner: MemoryStore::new(),
            index,
        }
    }
}

#[async_trait]
impl Store for Server {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.inner.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.inner.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.inner.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.inner.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.inner.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.inner.delete(key).await
    }

    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<Swept> {
        Ok(Swept::default())
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().filter(|_| self.index == Index::Offered)
    }
}
