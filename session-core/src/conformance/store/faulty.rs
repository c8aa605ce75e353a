//! [`FaultyStore`]: forwards everything, unless told to fail, to lose an answer, or to hold an operation at a [`Gate`].

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::operation::Operation;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{
    Admission, Created, Deleted, Epoch, Inventory, InventoryPage, OwnedPage, OwnerIndex, Page, Replaced, Revoke,
    Rotated, Rotation, Store, Swept, Touched,
};

/// A store that fails on demand, for tests of what stands in front of it (P13) and for scripted races.
///
/// Every failure is [`ErrorKind::Unavailable`]. What is told about an operation is used up by its next calls, in the order told.
///
/// ```
/// # use std::sync::Arc;
/// use session_core::conformance::sample;
/// use session_core::conformance::store::{FaultyStore, Operation};
/// use session_core::{ErrorKind, MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> session_core::Result<()> {
/// let store = FaultyStore::new(Arc::new(MemoryStore::new()));
/// store.fail_next(Operation::Load, 1);
/// let error = store.load(sample::key(1), sample::now()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert!(store.load(sample::key(1), sample::now()).await?.is_none());
/// # Ok(()) }
/// ```
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    condition: Mutex<Condition>,
    scripts: Mutex<[VecDeque<Fault>; Operation::ALL.len()]>,
}

/// What the store is able to do.
#[derive(Clone, Copy)]
enum Condition {
    Up,
    ReadOnly,
    Down,
}

enum Fault {
    /// Nothing reaches the store.
    Fail,
    /// The store does it, and nobody learns so.
    LoseAnswer,
    /// The call waits in front of the store.
    Hold(Gate),
    /// The store does it, and the answer waits on its way back.
    HoldAnswer(Gate),
}

impl FaultyStore {
    /// Forwards to `inner` until told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            condition: Mutex::new(Condition::Up),
            scripts: Mutex::default(),
        }
    }

    /// The next `calls` of this operation fail before they reach the store.
    pub fn fail_next(&self, operation: Operation, calls: usize) {
        self.scripts()[operation.index()].extend((0..calls).map(|_| Fault::Fail));
    }

    /// The next `calls` of this operation are carried out and then answered with a failure: a connection that broke too late.
    pub fn lose_answers(&self, operation: Operation, calls: usize) {
        self.scripts()[operation.index()].extend((0..calls).map(|_| Fault::LoseAnswer));
    }

    /// The next call of this operation waits in front of the store until the gate is opened.
    pub fn hold_next(&self, operation: Operation) -> Gate {
        let gate = Gate::closed();
        self.scripts()[operation.index()].push_back(Fault::Hold(gate.clone()));
        gate
    }

    /// The next call of this operation is carried out, and its answer waits until the gate is opened.
    pub fn hold_answer(&self, operation: Operation) -> Gate {
        let gate = Gate::closed();
        self.scripts()[operation.index()].push_back(Fault::HoldAnswer(gate.clone()));
        gate
    }

    /// Every call fails with [`ErrorKind::Unavailable`] until [`recover`](Self::recover).
    pub fn go_down(&self) {
        self.turn(Condition::Down);
    }

    /// Every call but `load`, `list` and `inventory` fails until [`recover`](Self::recover): a disk that is full.
    pub fn refuse_writes(&self) {
        self.turn(Condition::ReadOnly);
    }

    /// Ends every fault.
    pub fn recover(&self) {
        self.turn(Condition::Up);
        *self.scripts() = Default::default();
    }

    fn turn(&self, condition: Condition) {
        *self.condition.lock().unwrap_or_else(PoisonError::into_inner) = condition;
    }

    fn refuses(&self, operation: Operation) -> bool {
        match *self.condition.lock().unwrap_or_else(PoisonError::into_inner) {
            Condition::Up => false,
            Condition::ReadOnly => !matches!(operation, Operation::Load | Operation::List | Operation::Inventory),
            Condition::Down => true,
        }
    }

    fn scripts(&self) -> MutexGuard<'_, [VecDeque<Fault>; Operation::ALL.len()]> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn disturb<T>(&self, operation: Operation, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.refuses(operation) {
            return Err(failure(operation));
        }
        let fault = self.scripts()[operation.index()].pop_front();
        match fault {
            None => call.await,
            Some(Fault::Fail) => Err(failure(operation)),
            Some(Fault::LoseAnswer) => call.await.and_then(|_| Err(failure(operation))),
            Some(Fault::Hold(gate)) => {
                gate.pass().await;
                call.await
            }
            Some(Fault::HoldAnswer(gate)) => {
                let answer = call.await;
                gate.pass().await;
                answer
            }
        }
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

fn failure(operation: Operation) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("calling {operation} on a store that a test has told to fail"),
    )
}

/// Holds one call. Cloning it makes another handle to the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self {
            arrived: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        }
    }

    async fn pass(&self) {
        self.arrived.close();
        // Opening closes the semaphore, which ends the wait.
        let _ = self.opened.acquire().await;
    }

    /// Waits until the call stands at the gate.
    pub async fn arrived(&self) {
        let _ = self.arrived.acquire().await;
    }

    /// Lets the call pass, now or when it comes.
    pub fn open(&self) {
        self.opened.close();
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.disturb(Operation::Create, self.inner.create(key, record, admission, now))
            .await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.disturb(Operation::Load, self.inner.load(key, now)).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.disturb(Operation::Replace, self.inner.replace(key, expected, record, now))
            .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.disturb(Operation::Rotate, self.inner.rotate(rotation)).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.disturb(Operation::Touch, self.inner.touch(key, seen_at, expires_at))
            .await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.disturb(Operation::Delete, self.inner.delete(key)).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.disturb(Operation::Sweep, self.inner.sweep(now, limit)).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().map(|_| self as &dyn OwnerIndex)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.inner.inventory().map(|_| self as &dyn Inventory)
    }
}

#[async_trait]
impl OwnerIndex for FaultyStore {
    fn epoch(&self) -> Epoch {
        self.index().epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.disturb(Operation::List, self.index().list(owner, page, now)).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        self.disturb(Operation::Revoke, self.index().revoke(owner, which, now))
            .await
    }
}

#[async_trait]
impl Inventory for FaultyStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.disturb(Operation::Inventory, self.whole().page(after, limit))
            .await
    }

    async fn clear(&self) -> Result<u64> {
        self.disturb(Operation::Clear, self.whole().clear()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample;
    use crate::store::MemoryStore;

    fn store() -> Arc<FaultyStore> {
        Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())))
    }

    #[tokio::test]
    async fn a_held_operation_waits_until_its_gate_opens() {
        let store = store();
        let now = sample::now();
        let gate = store.hold_next(Operation::Create);
        let held = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                store
                    .create(sample::key(1), sample::record(now), Admission::default(), now)
                    .await
            }
        });
        gate.arrived().await;
        assert!(store.load(sample::key(1), now).await.unwrap().is_none());
        gate.open();
        assert_eq!(held.await.unwrap().unwrap(), Created::Stored);
    }

    #[tokio::test]
    async fn a_held_answer_leaves_the_operation_done() {
        let store = store();
        let now = sample::now();
        let gate = store.hold_answer(Operation::Create);
        let held = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                let admission = Admission::default();
                store.create(sample::key(1), sample::record(now), admission, now).await
            }
        });
        gate.arrived().await;
        assert!(store.load(sample::key(1), now).await.unwrap().is_some());
        assert!(!held.is_finished());
        gate.open();
        assert_eq!(held.await.unwrap().unwrap(), Created::Stored);
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_operation_done() {
        let store = store();
        let now = sample::now();
        store.lose_answers(Operation::Create, 1);
        let answer = store
            .create(sample::key(1), sample::record(now), Admission::default(), now)
            .await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(store.load(sample::key(1), now).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_store_that_is_down_answers_errors_until_it_recovers() {
        let store = store();
        let now = sample::now();
        store.go_down();
        assert!(store.load(sample::key(1), now).await.is_err());
        assert!(store.owner_index().is_some());
        let alice = sample::owner("alice");
        assert!(store.revoke(&alice, Revoke::All, now).await.is_err());
        store.recover();
        assert!(store.load(sample::key(1), now).await.unwrap().is_none());
    }
}
