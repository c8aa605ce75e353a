//! [`Counted`]: a store of ours that counts how often it is asked. The one in the conformance suite would bring the whole suite along.

use std::sync::Arc;

use async_trait::async_trait;
use session_core::{
    Admission, Created, Deleted, Epoch, OwnedPage, Owner, OwnerIndex, Page, Record, Replaced, Result, Revision, Revoke,
    Rotated, Rotation, Store, StoreKey, Swept, Timestamp, Touched,
};

use super::Calls;

pub struct Counted {
    inner: Arc<dyn Store>,
    calls: Calls,
}

impl Counted {
    pub fn new(inner: Arc<dyn Store>, calls: Calls) -> Self {
        Self { inner, calls }
    }

    fn asked(&self) -> &dyn Store {
        self.calls.add();
        &*self.inner
    }

    fn index(&self) -> &dyn OwnerIndex {
        self.inner
            .owner_index()
            .expect("a store that has shown an owner index keeps it")
    }
}

#[async_trait]
impl Store for Counted {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.asked().create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.asked().load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.asked().replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.asked().rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.asked().touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.asked().delete(key).await
    }

    /// Not counted: no request asks for it.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().map(|_| self as &dyn OwnerIndex)
    }
}

#[async_trait]
impl OwnerIndex for Counted {
    fn epoch(&self) -> Epoch {
        self.index().epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.calls.add();
        self.index().list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.calls.add();
        self.index().revoke(owner, which, now).await
    }
}
