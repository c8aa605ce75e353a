//! The least that sessions on fjall can take of a server: ours in memory, and each write once more, straight into the engine beneath
//! `FjallStore`. No store could be run like this: nothing is read from there.

use std::path::Path;
use std::sync::{Arc, mpsc};

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use session_core::{
    Admission, Created, Deleted, Error, ErrorKind, MemoryStore, OwnerIndex, Record, Replaced, Revision, Rotated,
    Rotation, Store, StoreKey, Swept, Timestamp, Touched,
};
use tokio::sync::oneshot;

use super::{AxumPeer, Place, ours};

/// Which thread writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The worker that answers the request, which then waits for the disk.
    Worker,
    /// Another thread, which gets a message for each write and answers it, so that no worker waits.
    OtherThread,
}

#[async_trait]
impl AxumPeer for Floor {
    fn name(&self) -> &'static str {
        match self {
            Self::Worker => "floor: memory, and fjall called directly",
            Self::OtherThread => "floor: memory, and fjall called by another thread",
        }
    }

    async fn site(&self, place: &Place) -> Result<Router> {
        let fjall = RawFjall::open(place.folder()?)?;
        let store = Written {
            memory: MemoryStore::new(),
            fjall: match self {
                Self::Worker => Writing::Here(fjall),
                Self::OtherThread => Writing::Elsewhere(Elsewhere::start(fjall)),
            },
        };
        ours::site(ours::engine(Arc::new(store))?)
    }
}

/// One keyspace, with memtables and a journal of the sizes that `FjallStore` gives its own.
pub struct RawFjall {
    records: Keyspace,
    _database: Database,
}

impl RawFjall {
    pub fn open(folder: &Path) -> Result<Self> {
        let database = Database::builder(folder).max_journaling_size(64 * 1024 * 1024).open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 * 1024 * 1024);
        Ok(Self {
            records: database.keyspace("records", options)?,
            _database: database,
        })
    }

    fn insert(&self, key: StoreKey, record: &Record) -> fjall::Result<()> {
        self.records.insert(key.as_bytes(), record.encode())
    }
}

/// fjall on a thread of its own, which ends when nobody asks any more.
pub struct Elsewhere(mpsc::Sender<Message>);

struct Message {
    key: StoreKey,
    record: Record,
    reply: oneshot::Sender<fjall::Result<()>>,
}

impl Elsewhere {
    pub fn start(fjall: RawFjall) -> Self {
        let (messages, received) = mpsc::channel::<Message>();
        std::thread::spawn(move || {
            for Message { key, record, reply } in received {
                let _ = reply.send(fjall.insert(key, &record)); // whoever asked may have been stopped
            }
        });
        Self(messages)
    }

    pub async fn insert(&self, key: StoreKey, record: &Record) -> session_core::Result<()> {
        let (reply, answer) = oneshot::channel();
        let record = record.clone();
        let sent = self.0.send(Message { key, record, reply });
        sent.map_err(failed)?;
        answer.await.map_err(failed)?.map_err(failed)
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unavailable, "writing to fjall").with_source(error)
}

struct Written {
    memory: MemoryStore,
    fjall: Writing,
}

enum Writing {
    Here(RawFjall),
    Elsewhere(Elsewhere),
}

impl Written {
    async fn write(&self, key: StoreKey, record: &Record) -> session_core::Result<()> {
        match &self.fjall {
            Writing::Here(fjall) => fjall.insert(key, record).map_err(failed),
            Writing::Elsewhere(thread) => thread.insert(key, record).await,
        }
    }
}

#[async_trait]
impl Store for Written {
    async fn create(
        &self,
        key: StoreKey,
        record: Record,
        admission: Admission,
        now: Timestamp,
    ) -> session_core::Result<Created> {
        self.write(key, &record).await?;
        self.memory.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> session_core::Result<Option<Record>> {
        self.memory.load(key, now).await
    }

    async fn replace(
        &self,
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    ) -> session_core::Result<Replaced> {
        self.write(key, &record).await?;
        self.memory.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> session_core::Result<Rotated> {
        self.memory.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> session_core::Result<Touched> {
        self.memory.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> session_core::Result<Deleted> {
        self.memory.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> session_core::Result<Swept> {
        self.memory.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.memory.owner_index()
    }
}
