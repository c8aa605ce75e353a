//! [`GatedStore`]: stops every call in front of the store behind it until a script lets it pass, so that a test chooses the order of the
//! calls that concurrent requests make.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

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

/// A store with one gate in front of it, which lets a call pass when the script says so.
///
/// One gate is enough for any number of requests: the script runs one of them at a time, with [`start`](Self::start) and
/// [`go_on`](Self::go_on), so whoever stands at it is the one that runs.
pub(super) struct GatedStore {
    inner: Arc<dyn Store>,
    gate: Mutex<Gate>,
}

#[derive(Clone, Copy)]
enum Gate {
    /// The next call stops.
    Closed,
    /// A call has come since, and stands there.
    Stopped(Operation),
    /// The next call passes, and closes it behind itself.
    Open,
}

/// A request that is under way.
pub(super) type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How far a request has come.
pub(super) enum Stop<T> {
    /// It stands in front of the store with this call.
    Before(Operation),
    /// It has come to its end.
    Ended(T),
}

impl GatedStore {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            gate: Mutex::new(Gate::Closed),
        }
    }

    /// Runs a request up to its first call.
    pub(super) async fn start<T>(&self, request: &mut Running<T>) -> Stop<T> {
        *self.gate() = Gate::Closed;
        self.run(request).await
    }

    /// Lets one call of a request pass, the first one if it has not been started, awaits its answer, and runs the request up to its next
    /// call.
    pub(super) async fn go_on<T>(&self, request: &mut Running<T>) -> Stop<T> {
        *self.gate() = Gate::Open;
        self.run(request).await
    }

    /// What a request waits for besides the gate, the answer of the store or a pause between two attempts, is waited for.
    async fn run<T>(&self, request: &mut Running<T>) -> Stop<T> {
        poll_fn(|context| match (request.as_mut().poll(context), *self.gate()) {
            (Poll::Ready(answer), _) => Poll::Ready(Stop::Ended(answer)),
            (Poll::Pending, Gate::Stopped(operation)) => Poll::Ready(Stop::Before(operation)),
            (Poll::Pending, Gate::Closed | Gate::Open) => Poll::Pending,
        })
        .await
    }

    /// Nobody is woken when the gate opens: the script polls whom it lets pass.
    async fn pass(&self, operation: Operation) -> &dyn Store {
        poll_fn(|_| {
            let mut gate = self.gate();
            match *gate {
                Gate::Open => {
                    *gate = Gate::Closed;
                    Poll::Ready(())
                }
                Gate::Closed | Gate::Stopped(_) => {
                    *gate = Gate::Stopped(operation);
                    Poll::Pending
                }
            }
        })
        .await;
        &*self.inner
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
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

impl<T> fmt::Debug for Stop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(operation) => write!(f, "before {operation}"),
            Self::Ended(_) => f.write_str("ended"),
        }
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let store = self.pass(Operation::Create).await;
        store.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.pass(Operation::Load).await.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        let store = self.pass(Operation::Replace).await;
        store.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.pass(Operation::Rotate).await.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        let store = self.pass(Operation::Touch).await;
        store.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.pass(Operation::Delete).await.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.pass(Operation::Sweep).await.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().map(|_| self as &dyn OwnerIndex)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.inner.inventory().map(|_| self as &dyn Inventory)
    }
}

#[async_trait]
impl OwnerIndex for GatedStore {
    fn epoch(&self) -> Epoch {
        self.index().epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.pass(Operation::List).await;
        self.index().list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.pass(Operation::Revoke).await;
        self.index().revoke(owner, which, now).await
    }
}

#[async_trait]
impl Inventory for GatedStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.pass(Operation::Inventory).await;
        self.whole().page(after, limit).await
    }

    async fn clear(&self) -> Result<u64> {
        self.pass(Operation::Clear).await;
        self.whole().clear().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample;
    use crate::store::MemoryStore;

    fn two_loads(store: &Arc<GatedStore>) -> Running<bool> {
        let store = Arc::clone(store);
        Box::pin(async move {
            let now = sample::now();
            let first = store.load(sample::key(1), now).await.unwrap();
            let second = store.load(sample::key(1), now).await.unwrap();
            first.is_none() && second.is_some()
        })
    }

    #[tokio::test]
    async fn a_request_stops_in_front_of_each_of_its_calls() {
        let inner = Arc::new(MemoryStore::new());
        let store = Arc::new(GatedStore::new(inner.clone()));
        let mut request = two_loads(&store);
        assert!(matches!(store.start(&mut request).await, Stop::Before(Operation::Load)));
        assert!(matches!(store.go_on(&mut request).await, Stop::Before(Operation::Load)));
        let now = sample::now();
        let created = inner.create(sample::key(1), sample::record(now), Admission::default(), now);
        assert_eq!(created.await.unwrap(), Created::Stored);
        assert!(matches!(store.go_on(&mut request).await, Stop::Ended(true)));
    }

    #[tokio::test]
    async fn who_stands_at_the_gate_goes_on_when_it_is_asked_to_and_not_before() {
        let store = Arc::new(GatedStore::new(Arc::new(MemoryStore::new())));
        let (mut first, mut second) = (two_loads(&store), two_loads(&store));
        for request in [&mut first, &mut second] {
            assert!(matches!(store.start(request).await, Stop::Before(Operation::Load)));
        }
        assert!(matches!(store.go_on(&mut second).await, Stop::Before(_)));
        assert!(matches!(store.go_on(&mut second).await, Stop::Ended(false)));
        assert!(matches!(store.go_on(&mut first).await, Stop::Before(_)));
        assert!(matches!(store.go_on(&mut first).await, Stop::Ended(false)));
    }
}
