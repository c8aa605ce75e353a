//! [`RedisStore`]: the handle that applications hold. What an operation does is in `session`, `login` and `owners`.

use std::fmt;
use std::sync::Arc;

use session_core::{
    Admission, Created, Deleted, Epoch, OwnedPage, Owner, OwnerIndex, Page, Record, Replaced, Result, Revision, Revoke,
    Rotated, Rotation, Store, StoreKey, Swept, Timestamp, Touched, async_trait,
};

use crate::builder::RedisStoreBuilder;
use crate::epoch;
use crate::session::Backend;

/// Keeps sessions in Redis or Valkey, for any number of processes. Cloning is cheap; clones share connections.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) backend: Arc<Backend>,
}

impl RedisStore {
    /// Opens the store that a URL names, with default settings; see [`RedisStoreBuilder`].
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::open`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(url).open().await
    }

    /// Settings of a store; `url` names the servers:
    ///
    /// | URL                                             | servers                                          |
    /// |-------------------------------------------------|--------------------------------------------------|
    /// | `redis://user:password@host:6379/0`             | one                                              |
    /// | `redis+sentinel://host1,host2:26379/0?service=main` | the primary `main` that these sentinels watch |
    /// | `redis+cluster://host1,host2:7000`              | a cluster; any of its servers                    |
    ///
    /// `rediss` in place of `redis` encrypts connections.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", &self.backend.servers.shown())
            .field("access", self.backend.servers.access())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let Some(owner) = record.owner().cloned() else {
            return self.backend.create_anonymous(key, &record, now).await;
        };
        let login = Arc::clone(&self.backend).create_owned(key, record, owner, admission, now);
        self.backend.carry_out("storing a login", login).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.backend.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.backend.replace(key, expected, &record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        let rotated = Arc::clone(&self.backend).rotate(rotation);
        self.backend.carry_out("moving a session to a new id", rotated).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.backend.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.backend.delete(key).await
    }

    /// Has nothing to do: the servers remove what has expired.
    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<Swept> {
        Ok(Swept::default())
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        Some(self)
    }
}

#[async_trait]
impl OwnerIndex for RedisStore {
    fn epoch(&self) -> Epoch {
        epoch::present()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.backend.list(owner, page, now).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        let revoked = Arc::clone(&self.backend).revoke(owner.clone(), which, now);
        self.backend
            .carry_out("revoking the sessions of an owner", revoked)
            .await
    }
}
