//! [`Defect`]: a store that forwards to the reference store wherever it is not told to be broken.

use async_trait::async_trait;
use session_core::{
    Admission, Created, Deleted, Epoch, Inventory, InventoryPage, MemoryStore, OwnedPage, Owner, OwnerIndex, Page,
    Record, Replaced, Result, Revision, Revoke, Rotated, Rotation, Store, StoreKey, Swept, Timestamp, Touched,
};

/// One broken behaviour: a defect overrides one method, and what it needs for it.
#[async_trait]
pub(crate) trait Defect: Send + Sync + 'static {
    fn sound(&self) -> &MemoryStore;

    fn sound_index(&self) -> &dyn OwnerIndex {
        self.sound()
            .owner_index()
            .expect("the reference store has an owner index")
    }

    fn sound_inventory(&self) -> &dyn Inventory {
        self.sound().inventory().expect("the reference store has an inventory")
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.sound().create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.sound().load(key, now).await
    }

    fn load_cached(&self, _key: StoreKey, _now: Timestamp) -> Option<Record> {
        None
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.sound().replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.sound().rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.sound().touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.sound().delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.sound().sweep(now, limit).await
    }

    fn epoch(&self) -> Epoch {
        self.sound_index().epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.sound_index().list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.sound_index().revoke(owner, which, now).await
    }

    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.sound_inventory().page(after, limit).await
    }

    async fn clear(&self) -> Result<u64> {
        self.sound_inventory().clear().await
    }
}

/// A store with a defect.
#[derive(Default)]
pub(crate) struct Broken<D>(pub(crate) D);

#[async_trait]
impl<D: Defect> Store for Broken<D> {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.0.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.0.load(key, now).await
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        self.0.load_cached(key, now)
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
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

#[async_trait]
impl<D: Defect> Inventory for Broken<D> {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.0.page(after, limit).await
    }

    async fn clear(&self) -> Result<u64> {
        self.0.clear().await
    }
}

#[async_trait]
impl<D: Defect> OwnerIndex for Broken<D> {
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.0.list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.0.revoke(owner, which, now).await
    }
}

/// Writes `D` with a reference store inside, and what it forwards to.
macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident $({ $field:ident: $kind:ty })?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Default)]
            struct $name {
                sound: session_core::MemoryStore,
                $($field: $kind,)?
            }
        )*
    };
}

pub(crate) use defects;
