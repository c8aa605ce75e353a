//! Fresh ids that are taken: once is chance, several times over is a broken generator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use session_core::{
    Admission, Created, Deleted, Engine, ErrorKind, MemoryStore, OwnerIndex, Record, Replaced, Result, Revision,
    Rotated, Rotation, SigningKeys, Store, StoreKey, Swept, Timestamp, Touched, async_trait,
};

use crate::site::VISITS;

/// Says of so many fresh ids that they are taken, and counts how often it is asked.
#[derive(Default)]
struct Colliding {
    memory: MemoryStore,
    taken: AtomicU64,
    asked: AtomicU64,
}

impl Colliding {
    fn is_taken(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let one_less = |taken: u64| taken.checked_sub(1);
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }
}

#[async_trait]
impl Store for Colliding {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        match self.is_taken() {
            true => Ok(Created::Collision),
            false => self.memory.create(key, record, admission, now).await,
        }
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.memory.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.memory.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        match self.is_taken() {
            true => Ok(Rotated::Collision),
            false => self.memory.rotate(rotation).await,
        }
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.memory.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.memory.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.memory.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_taken_is_replaced_by_another_and_soon_no_more() {
    let store = Arc::new(Colliding::default());
    let engine = Engine::new(store.clone(), SigningKeys::generate().unwrap());
    let (_inbound, access) = engine.begin();
    let session = access.session([]).await.unwrap();
    session.insert(VISITS, 1).unwrap();
    store.taken.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(store.asked.swap(0, Ordering::SeqCst) <= 4);
    store.taken.store(2, Ordering::SeqCst);
    session.save().await.unwrap();

    session.renew();
    store.asked.store(0, Ordering::SeqCst);
    store.taken.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(store.asked.load(Ordering::SeqCst) <= 4);
    store.taken.store(2, Ordering::SeqCst);
    session.save().await.unwrap();
}
