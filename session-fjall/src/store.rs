//! [`FjallStore`]: the handle. Reads run on the caller, writes are handed to the [`committer`](crate::committer).

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};

use async_trait::async_trait;
use flume::Sender;
use session_core::{
    Admission, Backlog, Created, Deleted, Epoch, Inventory, InventoryPage, OwnedPage, Owner, OwnerIndex, Page, Record,
    Replaced, Result, Revision, Revoke, Rotated, Rotation, Store, StoreKey, Swept, Timestamp, Touched,
};

use crate::builder::FjallStoreBuilder;
use crate::committer::{self, Cleared, Leftovers, Reaped, Reply, Request, Rest, Shared, State};
use crate::failure;
use crate::folder::Folder;
use crate::read::Reader;

/// Keeps sessions in a folder, by the fjall engine inside this process.
///
/// A clone is another handle to the same store. When the last one is dropped, what is waiting is written and synced and the folder is
/// let go of, so that it can be opened again at once; that takes milliseconds, at worst seconds, and blocks.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions");
/// use session_fjall::FjallStore;
///
/// let store = FjallStore::open(&path)?;
/// assert_eq!(store.count()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FjallStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    // Both present until the store is dropped.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl FjallStore {
    /// Opens the store in a folder, with default settings. A folder that is missing or empty is set up; opening is all the set-up there
    /// is, and doing it again changes nothing.
    ///
    /// Blocks for as long as it takes to replay the journal: some 0.1 s after a clean close, about 1 s after a crash under load. Call it
    /// before the server starts.
    ///
    /// # Errors
    ///
    /// [`Foreign`](session_core::ErrorKind::Foreign) if the folder holds anything that is not a session store, or a folder among the
    /// engine's own that the engine did not make; nothing in it is touched.
    /// [`Locked`](session_core::ErrorKind::Locked) if another process or another handle has it open.
    /// [`UnsupportedFormat`](session_core::ErrorKind::UnsupportedFormat) if a newer release wrote it.
    /// [`Corrupt`](session_core::ErrorKind::Corrupt) if its files are damaged or missing.
    /// [`Permission`](session_core::ErrorKind::Permission) if it cannot be created, read or written.
    /// [`Unavailable`](session_core::ErrorKind::Unavailable) if the disk fails or is full.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Settings for a store in a folder.
    pub fn builder(path: impl AsRef<Path>) -> FjallStoreBuilder {
        FjallStoreBuilder::new(path.as_ref())
    }

    pub(crate) fn new(shared: Arc<Shared>, requests: Sender<Request>, thread: JoinHandle<()>) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                requests: Some(requests),
                thread: Some(thread),
            }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.inner.shared.path
    }

    /// How many sessions are stored, expired ones included until they are swept.
    ///
    /// Walks over all of them and blocks meanwhile: about half a second for a million.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    pub fn count(&self) -> Result<u64> {
        self.walk(|reader| reader.count())
    }

    /// Ends every session that is stored when it is called, durably: everybody is signed out. Answers how many records it removed.
    ///
    /// Behaviour: as [`Inventory::clear`]. Works in chunks, so that other requests get in between; about 20 µs a session. If the process
    /// ends half way, the rest is still there, whole.
    ///
    /// # Errors
    ///
    /// As [`Store::delete`].
    ///
    /// # Cancellation
    ///
    /// Stops after the present chunk.
    pub async fn clear(&self) -> Result<u64> {
        let caller = Arc::new(());
        let mut from = None;
        let mut total = 0;
        loop {
            let waiting = Arc::downgrade(&caller);
            let cleared = self.ask(|reply| Request::Clear {
                from,
                caller: waiting,
                reply,
            });
            let Cleared { removed, next } = cleared.await?;
            total += removed;
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        let mut leftovers = Some(Leftovers::after(total));
        while let Some(from) = leftovers {
            leftovers = self.ask(|reply| Request::RemoveLeftovers { from, reply }).await?;
        }
        Ok(total)
    }

    /// Writes what is waiting, syncs, and lets go of the folder, for all handles; they answer "unavailable" from then on.
    ///
    /// What walks over the store at that moment (an export, a backup, an examination) ends with an error at its next entry, and closing
    /// waits for it. Do not close the store from inside a walk, such as from a progress report.
    ///
    /// Dropping the last handle does the same, but cannot report an error.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](session_core::ErrorKind::Unavailable) if the last writes could not be made durable; the folder is let go of even
    /// so. The same if it was closed before, and if a walk has not ended after 10 seconds, because it waits for whom it reports to;
    /// then the folder is free when it ends.
    ///
    /// # Cancellation
    ///
    /// The store closes all the same.
    pub async fn close(&self) -> Result<()> {
        self.ask(|reply| Request::Close { reply }).await
    }

    /// Removes a store that is not open: its files, and the folder if nothing else is in it. A folder that is missing or empty is left
    /// as it is. Blocks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open): what is not ours, or is in use, is not touched. A store whose database is damaged can be dropped.
    pub fn drop_store(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failure::file("looking at the session store's folder", path, error)),
            Ok(_) => {}
        }
        if std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
            return Ok(());
        }
        Folder::lock(path)?.remove()
    }

    /// For what takes seconds: as [`read`](Self::read), but nobody waits for it. It ends when the store closes or reopens.
    pub(crate) fn walk<T>(&self, walk: impl FnOnce(Reader<'_>) -> Result<T>) -> Result<T> {
        let Shared { path, state, .. } = &*self.inner.shared;
        // Dropped in the reverse order: when the permit is back, the files are free.
        let (permit, tables) = match &*state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(tables, permit) => (permit.clone(), tables.clone()),
            State::Down => return Err(failure::down(path)),
            State::Closed => return Err(failure::closed(path)),
        };
        walk(Reader {
            tables: &tables,
            path,
            permit: Some(&permit),
        })
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(Reader<'_>) -> Result<T>) -> Result<T> {
        let Shared { path, state, .. } = &*self.inner.shared;
        match &*state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(tables, _) => read(Reader {
                tables,
                path,
                permit: None,
            }),
            State::Down => Err(failure::down(path)),
            State::Closed => Err(failure::closed(path)),
        }
    }

    pub(crate) async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let path = self.path();
        let requests = self.inner.requests.as_ref().ok_or_else(|| failure::closed(path))?;
        let (reply, answer) = Reply::channel();
        let sent = requests.send_async(request(reply)).await;
        sent.map_err(|_| failure::closed(path))?;
        // The reply is dropped unanswered if the committer panicked, or closed while the request was on its way.
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(failure::write_failed(path)),
        }
    }

    /// The same as [`ask`](Self::ask) where blocking is allowed.
    pub(crate) fn ask_blocking<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let path = self.path();
        let requests = self.inner.requests.as_ref().ok_or_else(|| failure::closed(path))?;
        let (reply, answer) = Reply::channel();
        requests.send(request(reply)).map_err(|_| failure::closed(path))?;
        wait(answer).unwrap_or_else(|_| Err(failure::write_failed(path)))
    }
}

#[async_trait]
impl Store for FjallStore {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.ask(|reply| Request::Create {
            key,
            record,
            admission,
            now,
            reply,
        })
        .await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        if let Some(record) = self.load_cached(key, now) {
            return Ok(Some(record));
        }
        let cache = &self.inner.shared.cache;
        self.read(|reader| {
            let stored = cache.fill(key, || reader.live(key, now))?;
            Ok(stored.map(|stored| stored.record))
        })
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        // Neither the engine nor the lock on its state: the cache is empty while the store is not open.
        let record = self.inner.shared.cache.get(key)?;
        Some(record).filter(|record| !record.is_expired(now))
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.ask(|reply| Request::Replace {
            key,
            expected,
            record,
            now,
            reply,
        })
        .await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.ask(|reply| Request::Rotate { rotation, reply }).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, _expires_at: Timestamp) -> Result<Touched> {
        self.ask(|reply| Request::Touch { key, seen_at, reply }).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.ask(|reply| Request::Delete { key, reply }).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let mut swept = Swept::new(0, Backlog::Remaining);
        while swept.removed < limit {
            let limit = (limit - swept.removed).min(committer::REAP);
            let Reaped { removed, rest } = self.ask(|reply| Request::Reap { now, limit, reply }).await?;
            swept.removed += removed;
            if rest == Rest::Nothing {
                swept.backlog = Backlog::Empty;
                break;
            }
        }
        Ok(swept)
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

#[async_trait]
impl Inventory for FjallStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.read(|reader| reader.page(after, limit))
    }

    async fn clear(&self) -> Result<u64> {
        FjallStore::clear(self).await
    }
}

#[async_trait]
impl OwnerIndex for FjallStore {
    fn epoch(&self) -> Epoch {
        self.inner.shared.revocations.epoch()
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        self.read(|reader| reader.list(owner, page, now))
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        let owner = owner.clone();
        self.ask(|reply| Request::Revoke {
            owner,
            which,
            now,
            reply,
        })
        .await
    }
}

/// Blocks for an answer, also where an async runtime would not let its own channel block. Within a task, tokio holds answers back after
/// the first 128 until the task yields, which this one does not, so it waits outside that budget.
fn wait<F: Future>(answer: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut answer = pin!(tokio::task::unconstrained(answer));
    loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The committer ends when nobody can ask it any more.
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.shared.path.display(), "the session store's committer panicked while it closed");
        }
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
