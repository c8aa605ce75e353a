//! Metrics through the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`): what [`EngineBuilder::metrics`]
//! adds. Which exporter they go to is the application's choice.
//!
//! | name | kind | labels | what it says |
//! |---|---|---|---|
//! | `session_created_total` | counter | | sessions stored for the first time |
//! | `session_signed_in_total` | counter | | logins |
//! | `session_renewed_total` | counter | | moves to a new id, logins included |
//! | `session_destroyed_total` | counter | | sessions ended one by one: by their own request, or by their handle |
//! | `session_displaced_total` | counter | | sessions ended to make room for a newer one of their owner |
//! | `session_revoked_total` | counter | | sessions of an owner ended from elsewhere |
//! | `session_cleared_total` | counter | | records removed when every session was ended |
//! | `session_expired_total` | counter | | expired sessions that the cleaner removed |
//! | `session_token_rejected_total` | counter | | cookies of our name without a token that we signed: a forgery, or a key that was dropped |
//! | `session_commit_conflict_total` | counter | | attempts to commit that another request overtook; each is made again |
//! | `session_store_duration_seconds` | histogram | `operation` | how long the store took to answer, failures included |
//! | `session_store_error_total` | counter | `operation`, `kind` | operations of the store that failed |
//! | `session_cleaner_error_total` | counter | | runs of the cleaner that failed |
//! | `session_cleaner_last_success_timestamp_seconds` | gauge | | when a sweep last left nothing that was due; the cleaner lags by the time since |
//! | `session_live` | gauge | | live sessions, as of the last [`Sessions::stats`] |
//! | `session_owners` | gauge | | owners with a live session, as of then |
//! | `session_unswept` | gauge | | expired sessions that are still stored, as of then |
//!
//! No label holds anything of a visitor (P17), and none has more than a dozen values. The gauges of the last [`Sessions::stats`] are not
//! kept up to date by requests: that would cost each one a count over the whole store.
//!
//! [`EngineBuilder::metrics`]: crate::EngineBuilder::metrics
//! [`Sessions::stats`]: crate::Sessions::stats

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::clock::Timestamp;
use crate::engine::{unsupported, unsupported_inventory};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::id::{Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{
    Admission, Backlog, Created, Deleted, Epoch, Inventory, InventoryPage, OwnedPage, OwnerIndex, Page, Replaced,
    Revoke, Rotated, Rotation, Store, Swept, Touched,
};

const CREATED: &str = "session_created_total";
const SIGNED_IN: &str = "session_signed_in_total";
const RENEWED: &str = "session_renewed_total";
const DESTROYED: &str = "session_destroyed_total";
const DISPLACED: &str = "session_displaced_total";
const REVOKED: &str = "session_revoked_total";
const CLEARED: &str = "session_cleared_total";
const EXPIRED: &str = "session_expired_total";
const TOKEN_REJECTED: &str = "session_token_rejected_total";
const COMMIT_CONFLICT: &str = "session_commit_conflict_total";
const STORE_DURATION: &str = "session_store_duration_seconds";
const STORE_ERROR: &str = "session_store_error_total";
const CLEANER_ERROR: &str = "session_cleaner_error_total";
const CLEANER_LAST_SUCCESS: &str = "session_cleaner_last_success_timestamp_seconds";
const LIVE: &str = "session_live";
const OWNERS: &str = "session_owners";
const UNSWEPT: &str = "session_unswept";

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    describe_counter!(CREATED, "sessions stored for the first time");
    describe_counter!(SIGNED_IN, "logins");
    describe_counter!(RENEWED, "sessions moved to a new id");
    describe_counter!(DESTROYED, "sessions ended one by one");
    describe_counter!(DISPLACED, "sessions ended to make room for a newer one of their owner");
    describe_counter!(REVOKED, "sessions of an owner ended from elsewhere");
    describe_counter!(CLEARED, "records removed when every session was ended");
    describe_counter!(EXPIRED, "expired sessions removed by the cleaner");
    describe_counter!(TOKEN_REJECTED, "session cookies without a token signed here");
    describe_counter!(COMMIT_CONFLICT, "attempts to commit that another request overtook");
    describe_histogram!(STORE_DURATION, Unit::Seconds, "time the session store took to answer");
    describe_counter!(STORE_ERROR, "failed operations of the session store");
    describe_counter!(CLEANER_ERROR, "failed runs of the session cleaner");
    describe_gauge!(
        CLEANER_LAST_SUCCESS,
        Unit::Seconds,
        "when a sweep last left nothing that was due"
    );
    describe_gauge!(LIVE, "live sessions");
    describe_gauge!(OWNERS, "owners with a live session");
    describe_gauge!(UNSWEPT, "expired sessions that are still stored");
}

/// Counts what happens to sessions. It asks the recorder for each figure anew: an application may install one late.
pub(crate) struct EventCounter;

impl Observer for EventCounter {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Created { .. } => counter!(CREATED).increment(1),
            Event::SignedIn { .. } => counter!(SIGNED_IN).increment(1),
            Event::Renewed { .. } => counter!(RENEWED).increment(1),
            Event::Destroyed { .. } => counter!(DESTROYED).increment(1),
            Event::Displaced { .. } => counter!(DISPLACED).increment(1),
            Event::Revoked { sessions, .. } => counter!(REVOKED).increment(sessions),
            Event::Cleared { sessions } => counter!(CLEARED).increment(sessions),
            Event::Expired { sessions } => counter!(EXPIRED).increment(sessions),
            Event::TokenRejected => counter!(TOKEN_REJECTED).increment(1),
            Event::CleanerFailed { .. } => counter!(CLEANER_ERROR).increment(1),
            Event::Counted { stats } => {
                gauge!(LIVE).set(stats.sessions as f64);
                gauge!(OWNERS).set(stats.owners as f64);
                gauge!(UNSWEPT).set(stats.expired as f64);
            }
        }
    }
}

/// Forwards everything to the store behind it, and measures how long that takes.
pub(crate) struct MeasuredStore {
    inner: Arc<dyn Store>,
}

impl MeasuredStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }

    fn index(&self) -> Result<&dyn OwnerIndex> {
        self.inner.owner_index().ok_or_else(unsupported)
    }

    fn everything(&self) -> Result<&dyn Inventory> {
        self.inner.inventory().ok_or_else(unsupported_inventory)
    }
}

async fn measure<T>(operation: &'static str, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let answer = answer.await;
    histogram!(STORE_DURATION, "operation" => operation).record(started.elapsed());
    if let Err(error) = &answer {
        counter!(STORE_ERROR, "operation" => operation, "kind" => kind(error)).increment(1);
    }
    answer
}

/// What stores answer; the rest is not theirs to say.
fn kind(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::UnsupportedFormat => "unsupported_format",
        ErrorKind::Foreign => "foreign",
        ErrorKind::Locked => "locked",
        ErrorKind::Permission => "permission",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Unsupported => "unsupported",
        _ => "other",
    }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        measure("create", self.inner.create(key, record, admission, now)).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        measure("load", self.inner.load(key, now)).await
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        let started = Instant::now();
        let found = self.inner.load_cached(key, now);
        // Otherwise `load` is asked, and measured.
        if found.is_some() {
            histogram!(STORE_DURATION, "operation" => "load").record(started.elapsed());
        }
        found
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        let replaced = measure("replace", self.inner.replace(key, expected, record, now)).await?;
        if let Replaced::Conflict(_) = replaced {
            counter!(COMMIT_CONFLICT).increment(1);
        }
        Ok(replaced)
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        let rotated = measure("rotate", self.inner.rotate(rotation)).await?;
        if let Rotated::Conflict(_) = rotated {
            counter!(COMMIT_CONFLICT).increment(1);
        }
        Ok(rotated)
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        measure("touch", self.inner.touch(key, seen_at, expires_at)).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        measure("delete", self.inner.delete(key)).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let swept = measure("sweep", self.inner.sweep(now, limit)).await?;
        if swept.backlog == Backlog::Empty {
            gauge!(CLEANER_LAST_SUCCESS).set(now.unix_millis() as f64 / 1000.0);
        }
        Ok(swept)
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.inner.owner_index().map(|_| self as &dyn OwnerIndex)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        self.inner.inventory().map(|_| self as &dyn Inventory)
    }
}

#[async_trait]
impl OwnerIndex for MeasuredStore {
    fn epoch(&self) -> Epoch {
        self.inner.owner_index().map(OwnerIndex::epoch).unwrap_or_default()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        measure("list", self.index()?.list(owner, page, now)).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        measure("revoke", self.index()?.revoke(owner, which, now)).await
    }
}

#[async_trait]
impl Inventory for MeasuredStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        measure("page", self.everything()?.page(after, limit)).await
    }

    async fn clear(&self) -> Result<u64> {
        measure("clear", self.everything()?.clear()).await
    }
}
