//! The steps that cases take: each calls the store once (a walk: until the end), and fails with a sentence if it answers an error.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;

use super::test_store::{Expiry, TestStore};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{
    Admission, Backlog, Created, Cursor, Deleted, Epoch, Inventory, InventoryPage, OwnerIndex, Page, Replaced, Revoke,
    Rotated, Rotation, Swept, Touched,
};

/// Sweeps and pages after which a case says that there is no end: more than any case stores records.
const ENOUGH: usize = 1_000;

impl TestStore {
    /// Stores a record, and insists on it.
    pub(super) async fn put(&self, key: StoreKey, record: &Record) {
        let created = self.create(key, record, self.epoch()).await;
        assert_eq!(
            created,
            Created::Stored,
            "create refused a record under a key that is new"
        );
    }

    /// A login that is not limited, if the record has an owner.
    pub(super) async fn create(&self, key: StoreKey, record: &Record, began: Epoch) -> Created {
        self.create_on(key, record, began.into(), record.seen_at()).await
    }

    pub(super) async fn create_on(
        &self,
        key: StoreKey,
        record: &Record,
        admission: Admission,
        now: Timestamp,
    ) -> Created {
        answered("create", self.store.create(key, record.clone(), admission, now).await)
    }

    pub(super) async fn load(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        answered("load", self.store.load(key, now).await)
    }

    pub(super) async fn replace(&self, key: StoreKey, expected: Revision, record: &Record, now: Timestamp) -> Replaced {
        answered("replace", self.store.replace(key, expected, record.clone(), now).await)
    }

    /// Moves a session from a key to another; a login that it carries begins now.
    pub(super) async fn rotate(
        &self,
        (old, new): (StoreKey, StoreKey),
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> Rotated {
        self.rotate_begun((old, new), expected, record, now, self.epoch()).await
    }

    pub(super) async fn rotate_begun(
        &self,
        (old, new): (StoreKey, StoreKey),
        expected: Revision,
        record: &Record,
        now: Timestamp,
        began: Epoch,
    ) -> Rotated {
        self.rotate_on((old, new), expected, record, now, began.into()).await
    }

    pub(super) async fn rotate_on(
        &self,
        (old, new): (StoreKey, StoreKey),
        expected: Revision,
        record: &Record,
        now: Timestamp,
        admission: Admission,
    ) -> Rotated {
        let rotation = Rotation {
            old,
            expected,
            new,
            record: record.clone(),
            admission,
            now,
        };
        answered("rotate", self.store.rotate(rotation).await)
    }

    /// Records a sighting; the deadline follows from the record's lifetime, as the engine computes it.
    pub(super) async fn touch(&self, key: StoreKey, record: &Record, seen_at: Timestamp) -> Touched {
        let expires_at = record.lifetime().deadline(record.created_at(), seen_at);
        answered("touch", self.store.touch(key, seen_at, expires_at).await)
    }

    pub(super) async fn delete(&self, key: StoreKey) -> Deleted {
        answered("delete", self.store.delete(key).await)
    }

    pub(super) async fn sweep(&self, now: Timestamp, limit: usize) -> Swept {
        let swept = answered("sweep", self.store.sweep(now, limit).await);
        assert!(
            swept.removed <= limit,
            "sweep removed {} records although at most {limit} were asked for (P15)",
            swept.removed
        );
        swept
    }

    /// Sweeps until nothing is left to do; how many records were removed.
    pub(super) async fn sweep_all(&self, now: Timestamp, limit: usize) -> usize {
        let mut removed = 0;
        for _ in 0..ENOUGH {
            let swept = self.sweep(now, limit).await;
            removed += swept.removed;
            if swept.backlog == Backlog::Empty {
                return removed;
            }
        }
        panic!("sweep still reports a backlog after {ENOUGH} sweeps: a cleaner would never rest (P15)");
    }

    /// Asserts a number of records removed, unless the engine expires by itself.
    pub(super) fn assert_removed(&self, removed: usize, expected: usize, why: &str) {
        if self.expiry == Expiry::Swept {
            assert_eq!(removed, expected, "{why}");
        }
    }

    /// The owner index. A store that has none says so with `store_contract!(factory, without_owner_index)`.
    pub(super) fn index(&self) -> &dyn OwnerIndex {
        self.store.owner_index().expect(
            "this store has no owner index: implement OwnerIndex, or run store_contract!(factory, without_owner_index)",
        )
    }

    /// What a login that begins now passes on.
    pub(super) fn epoch(&self) -> Epoch {
        self.store.owner_index().map(OwnerIndex::epoch).unwrap_or_default()
    }

    /// All sessions of an owner, page by page; every page keeps its limit.
    pub(super) async fn list(&self, owner: &Owner, limit: usize, now: Timestamp) -> Vec<Record> {
        let mut listed = Vec::new();
        let mut after = None;
        for _ in 0..ENOUGH {
            let next = self.list_page(owner, after, limit, now, &mut listed).await;
            if next.is_none() {
                return listed;
            }
            after = next;
        }
        panic!("list still names a next page after {ENOUGH} pages: a cursor must move on (P12)");
    }

    /// Appends one page, and answers where the next one starts.
    pub(super) async fn list_page(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
        now: Timestamp,
        listed: &mut Vec<Record>,
    ) -> Option<Cursor> {
        let page = answered("list", self.index().list(owner, Page { after, limit }, now).await);
        assert!(
            page.sessions.len() <= limit,
            "list answered {} records on a page of at most {limit} (P12)",
            page.sessions.len()
        );
        listed.extend(page.sessions.into_iter().map(|found| found.record));
        page.next
    }

    /// Everything that is stored, page by page; every page keeps its limit.
    pub(super) async fn inventory(&self, limit: usize) -> Vec<(StoreKey, Record)> {
        let mut found = Vec::new();
        let mut after = None;
        for _ in 0..ENOUGH {
            let page = self.inventory_page(after, limit).await;
            found.extend(page.records);
            if page.next.is_none() {
                return found;
            }
            after = page.next;
        }
        panic!("the inventory still names a next page after {ENOUGH} pages: a cursor must move on (P12)");
    }

    pub(super) async fn inventory_page(&self, after: Option<StoreKey>, limit: usize) -> InventoryPage {
        let page = answered("page", self.whole().page(after, limit).await);
        assert!(
            page.records.len() <= limit,
            "the inventory answered {} records on a page of at most {limit} (P12)",
            page.records.len()
        );
        assert!(
            page.unreadable.is_empty(),
            "a record that was just stored is unreadable (P16)"
        );
        page
    }

    pub(super) async fn clear(&self) -> u64 {
        answered("clear", self.whole().clear().await)
    }

    /// The inventory. A store that has none says so with `store_contract!(factory, without_inventory)`.
    fn whole(&self) -> &dyn Inventory {
        self.store.inventory().expect(
            "this store has no inventory: implement Inventory, or run store_contract!(factory, without_inventory)",
        )
    }

    pub(super) async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> u64 {
        answered("revoke", self.index().revoke(owner, which, now).await)
    }
}

/// What an operation answered; an error fails the case.
fn answered<T>(operation: &str, answer: Result<T>) -> T {
    answer.unwrap_or_else(|error| panic!("{operation} answered an error on a store without faults: {error:?}"))
}

/// Runs tasks that start at the same moment, on all workers, and answers what they answered, in their order.
pub(super) async fn race<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(running.len());
    for task in running {
        match task.await {
            Ok(answer) => answers.push(answer),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    answers
}
