//! [`Kept`]: where the sessions are: in a folder of this process, or on a Redis server that many processes share. Nothing else of the
//! shop knows which.

use std::path::Path;
use std::sync::Arc;

use session_core::{Result, Store};
use session_fjall::FjallStore;
use session_redis::RedisStore;

/// Where the sessions are.
#[derive(Clone, Debug)]
pub enum Kept {
    /// In a folder, of which this process is the only user.
    Folder(FjallStore),
    /// On a server.
    Redis(RedisStore),
}

impl Kept {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// What `FjallStore::open` says, with the path: another process holds the folder, say.
    pub fn in_folder(path: &Path) -> Result<Self> {
        Ok(Self::Folder(FjallStore::open(path)?))
    }

    /// Connects to a server, or to several: `redis://…`, `redis+sentinel://…`, `redis+cluster://…`.
    ///
    /// # Errors
    ///
    /// What `RedisStore::open` says, with the address: nobody answers there, say.
    pub async fn on_server(url: &str) -> Result<Self> {
        Ok(Self::Redis(RedisStore::builder(url).prefix("keepsake:").open().await?))
    }

    /// For the engine.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Folder(store) => Arc::new(store.clone()),
            Self::Redis(store) => Arc::new(store.clone()),
        }
    }

    /// Lets go of the folder. A server is left alone: others use it.
    ///
    /// # Errors
    ///
    /// What `FjallStore::close` says: the disk is full, say.
    pub async fn close(&self) -> Result<()> {
        match self {
            Self::Folder(store) => store.close().await,
            Self::Redis(_) => Ok(()),
        }
    }
}
