//! [`TestStore`]: what a factory hands to a case. The steps that cases take with it live in [`steps`](super::steps).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::store::Store;

/// A fresh, empty store, and what has to live as long as it does.
///
/// A factory may simply return the store; it converts.
///
/// ```
/// use session_core::MemoryStore;
/// use session_core::conformance::store::TestStore;
///
/// async fn fresh() -> TestStore {
///     let folder = String::from("a temporary folder, for example");
///     TestStore::new(MemoryStore::new()).keeping(folder)
/// }
/// ```
#[derive(Clone)]
pub struct TestStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) expiry: Expiry,
    pub(super) rounds: u64,
    pub(super) orders: Orders,
    // Dropped after the store.
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

/// How many orders of the calls of three requests are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orders {
    Some(u64),
    All,
}

/// A race has to meet a window of some microseconds.
const ROUNDS: u64 = 200;
/// So that they take about as long as a race.
const ORDERS_A_ROUND: u64 = 5;

/// Who removes what has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// [`Store::sweep`], and it says how much.
    Swept,
    /// The engine itself, by its own clock: a server that keeps a TTL. A sweep may find nothing.
    ByTheEngine,
}

impl TestStore {
    /// A store whose expired records are swept.
    pub fn new(store: impl Store) -> Self {
        Self::shared(Arc::new(store))
    }

    /// The same, for a store that the factory keeps a handle to.
    pub fn shared(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            expiry: Expiry::Swept,
            rounds: ROUNDS,
            orders: Orders::Some(ORDERS_A_ROUND * ROUNDS),
            kept: Vec::new(),
        }
    }

    /// Keeps something, for example a temporary folder, until the case is over.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept.push(Arc::new(kept));
        self
    }

    /// The engine removes what has expired by itself: a sweep is then held to removing nothing that is live, and no more.
    #[must_use]
    pub fn expiring_by_itself(mut self) -> Self {
        self.expiry = Expiry::ByTheEngine;
        self
    }

    /// Sets how many rounds the longest races take: 200 unless told otherwise, which is seconds where an operation waits for a disk. Of the
    /// calls of three requests five orders a round are tried.
    #[must_use]
    pub fn racing(mut self, rounds: u64) -> Self {
        self.rounds = rounds;
        self.orders = Orders::Some(ORDERS_A_ROUND * rounds);
        self
    }

    /// Tries every order of the calls of three requests, some ten thousands: seconds where an operation takes microseconds.
    #[must_use]
    pub fn in_every_order(mut self) -> Self {
        self.orders = Orders::All;
        self
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}

impl<S: Store> From<S> for TestStore {
    fn from(store: S) -> Self {
        Self::new(store)
    }
}

impl fmt::Debug for TestStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStore")
            .field("expiry", &self.expiry)
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}
