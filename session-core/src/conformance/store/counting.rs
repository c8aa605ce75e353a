//! [`CountingStore`]: forwards everything and counts it, for tests that say how often a store is asked.

use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::operation::Operation;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{
    Admission, Created, Deleted, Epoch, Inventory, InventoryPage, OwnedPage, OwnerIndex, Page, Replaced, Revoke,
    Rotated, Rotation, Store, Swept, Touched,
};

/// Counts the calls that reach the store behind it, the owner index and the inventory included.
///
/// ```
/// # use std::sync::Arc;
/// use session_core::conformance::{sample, store::CountingStore};
/// use session_core::{MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> session_core::Result<()> {
/// let store = CountingStore::new(Arc::new(MemoryStore::new()));
/// store.load(sample::key(1), sample::now()).await?;
/// assert_eq!(store.counts().load, 1);
/// assert_eq!(store.counts().total(), 1);
/// # Ok(()) }
/// ```
pub struct CountingStore {
    inner: Arc<dyn Store>,
    counts: [AtomicU64; Operation::ALL.len()],
}

/// How often each operation was called; calls that failed count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of `create`.
    pub create: u64,
    /// Calls of `load`.
    pub load: u64,
    /// Calls of `replace`.
    pub replace: u64,
    /// Calls of `rotate`.
    pub rotate: u64,
    /// Calls of `touch`.
    pub touch: u64,
    /// Calls of `delete`.
    pub delete: u64,
    /// Calls of `sweep`.
    pub sweep: u64,
    /// Calls of `list`.
    pub list: u64,
    /// Calls of `revoke`.
    pub revoke: u64,
    /// Pages of the inventory.
    pub inventory: u64,
    /// Calls of `clear`.
    pub clear: u64,
}

impl Counts {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.writes() + self.load + self.list + self.inventory
    }

    /// All calls that may change something.
    pub fn writes(&self) -> u64 {
        self.create + self.replace + self.rotate + self.touch + self.delete + self.sweep + self.revoke + self.clear
    }
}

/// What was called since: `store.counts() - before`.
impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            create: self.create - before.create,
            load: self.load - before.load,
            replace: self.replace - before.replace,
            rotate: self.rotate - before.rotate,
            touch: self.touch - before.touch,
            delete: self.delete - before.delete,
            sweep: self.sweep - before.sweep,
            list: self.list - before.list,
            revoke: self.revoke - before.revoke,
            inventory: self.inventory - before.inventory,
            clear: self.clear - before.clear,
        }
    }
}

impl CountingStore {
    /// Counts what reaches `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            counts: Default::default(),
        }
    }

    /// What was called so far.
    pub fn counts(&self) -> Counts {
        let of = |operation: Operation| self.counts[operation.index()].load(Ordering::SeqCst);
        Counts {
            create: of(Operation::Create),
            load: of(Operation::Load),
            replace: of(Operation::Replace),
            rotate: of(Operation::Rotate),
            touch: of(Operation::Touch),
            delete: of(Operation::Delete),
            sweep: of(Operation::Sweep),
            list: of(Operation::List),
            revoke: of(Operation::Revoke),
            inventory: of(Operation::Inventory),
            clear: of(Operation::Clear),
        }
    }

    fn count(&self, operation: Operation) -> &dyn Store {
        self.counts[operation.index()].fetch_add(1, Ordering::SeqCst);
        &*self.inner
    }

    /// The index is offered only if the store behind has one.
    fn index(&self) -> &dyn OwnerIndex {
        self.inner
            .owner_index()
            .expect("a store that has shown an owner index keeps it")
    }

    /// The same for the inventory.
    fn whole(&self) -> &dyn Inventory {
        self.inner
            .inventory()
            .expect("a store that has shown an inventory keeps it")
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.count(Operation::Create).create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.count(Operation::Load).load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.count(Operation::Replace).replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.count(Operation::Rotate).rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.count(Operation::Touch).touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.count(Operation::Delete).delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.count(Operation::Sweep).sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().map(|_| self as &dyn OwnerIndex)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.inner.inventory().map(|_| self as &dyn Inventory)
    }
}

#[async_trait]
impl OwnerIndex for CountingStore {
    fn epoch(&self) -> Epoch {
        self.index().epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.count(Operation::List);
        self.index().list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.count(Operation::Revoke);
        self.index().revoke(owner, which, now).await
    }
}

#[async_trait]
impl Inventory for CountingStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.count(Operation::Inventory);
        self.whole().page(after, limit).await
    }

    async fn clear(&self) -> Result<u64> {
        self.count(Operation::Clear);
        self.whole().clear().await
    }
}
