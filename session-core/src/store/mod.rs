//! The store contract: what keeps records. Implement [`Store`], and [`OwnerIndex`] if the engine can find a user's sessions;
//! then hold the store to `store_contract!` (feature `conformance`). `docs/writing-a-store.md` walks through it.

mod admission;
mod cursor;
mod inventory;
mod memory;
mod revocations;
mod shared;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Handle, Owner, StoreKey};
use crate::record::{Record, Revision};

pub use admission::{Admission, OwnerLimit, Room};
pub use cursor::Cursor;
pub use inventory::{Inventory, InventoryCursor, InventoryPage};
pub use memory::MemoryStore;
pub use revocations::Revocations;

/// What keeps records.
///
/// Every operation is atomic: it happens whole or not at all, and concurrent operations on one key happen in some order. An
/// expired record equals an absent one in every operation that takes `now`, whether or not it was swept.
///
/// There are two durability classes. [`delete`](Self::delete), [`rotate`](Self::rotate) and [`OwnerIndex::revoke`] are *durable*:
/// they answer when the change survives power loss (P11). The others are *relaxed*, as the store is configured.
///
/// **Cancellation**, for every method: a future that is dropped early leaves the operation done or not done, never half done.
///
/// **Errors**, for every method: [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store cannot work for now,
/// [`Corrupt`](crate::ErrorKind::Corrupt) or [`UnsupportedFormat`](crate::ErrorKind::UnsupportedFormat) if it holds bytes that it
/// cannot read. An error never means "there is no such session".
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores a record under a new key.
    ///
    /// Behaviour: never overwrites. If the record has an owner, it is a login, and let in on the terms of `admission`:
    ///
    /// - If the owner's sessions were revoked later than `admission.began`, it is refused: this is how revoking all sessions also ends a
    ///   login under way (P12).
    /// - The owner's sessions that are live at `now` never become more than `admission.limit` allows, however many logins run at
    ///   once: what [`Admission::room`] says of their number is done in the same step. To end sessions is durable, here as everywhere.
    ///
    /// A login that is refused changes nothing.
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created>;

    /// The record under a key, with its latest sighting; `None` if it is absent or expired at `now`. Writes nothing.
    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>>;

    /// The record under a key, if it is in memory and nothing has to be waited for: what [`load`](Self::load) would answer at this moment.
    /// `None`, the default, says nothing, and `load` is asked.
    ///
    /// Most requests only load, and the future of `load` is boxed: this spares them an allocation.
    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        let _ = (key, now);
        None
    }

    /// Stores a record in place of the one whose revision is `expected`.
    ///
    /// Behaviour: never creates. A later sighting that [`touch`](Self::touch) recorded meanwhile is kept. Handle, owner and beginning
    /// are those of the stored record: only [`rotate`](Self::rotate) changes them, so no index of owners has to move.
    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced>;

    /// Moves a session to a new key, atomically: of several attempts one wins, and the old key is dead at once.
    ///
    /// Behaviour: as [`replace`](Self::replace) for the old key and [`create`](Self::create) for the new one. The terms of
    /// admission count only if the record at the old key has another owner: if it has the same one, its being there proves that
    /// nobody revoked it, and it is counted already. Durable.
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated>;

    /// Records a sighting.
    ///
    /// Behaviour: moves the last-seen time forward only, and leaves data and revision as they are. `expires_at` is the deadline
    /// that follows from it, for stores that keep one beside the record. Expired at `seen_at` means [`Touched::Gone`].
    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched>;

    /// Ends a session. Durable. An expired record that is still stored may count as either.
    async fn delete(&self, key: StoreKey) -> Result<Deleted>;

    /// Removes at most `limit` records that are expired at `now`.
    ///
    /// Behaviour: the cost grows with what has expired, not with what is stored (P15). A record that was extended meanwhile stays.
    /// Concurrent sweeps are harmless. After `limit` removals it may say [`Backlog::Remaining`] without looking whether more is due.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept>;

    /// How to find the sessions of an owner; `None` if this store cannot.
    fn owner_index(&self) -> Option<&dyn OwnerIndex>;

    /// How to walk over everything; `None`, the default, if this store cannot. No request needs it: it is for operators.
    fn inventory(&self) -> Option<&dyn Inventory> {
        None
    }
}

/// Finds and ends the sessions of an owner (P12).
#[async_trait]
pub trait OwnerIndex: Send + Sync {
    /// The present point in the history of revocations; what a login that begins now passes on as `began`. Does no I/O.
    fn epoch(&self) -> Epoch;

    /// The owner's live sessions, the newest first, as one page.
    ///
    /// Behaviour: stable under concurrent change: a session that is live throughout is on exactly one page. A login begins its
    /// session anew and so moves it to the front, where a listing under way has already been.
    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage>;

    /// Ends sessions of the owner; answers how many live ones it ended. Durable.
    ///
    /// Behaviour: from the moment it answers, none of the chosen sessions loads (P11). With [`Revoke::All`] and
    /// [`Revoke::Others`], no login of this owner that began before it answered succeeds afterwards; but a login to the session that
    /// is kept does, unless another revocation refuses it: a later one spares nobody whom an earlier one did not.
    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64>;
}

/// A point in a store's history of revocations.
///
/// `login` takes one when it is called and the store compares it when the login is committed: if the owner's sessions were revoked
/// in between, the login is refused ([`Created::Revoked`], [`Rotated::Revoked`]). A store without owners passes `Epoch::default()`.
///
/// What it counts is the store's business: revocations in a single process, time on a shared server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The point that a store numbers so.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The store's number for it.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What [`Store::create`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Created {
    /// The record is stored.
    Stored,
    /// The record is stored, and these sessions of its owner, the oldest ones, are ended to make room for it; in any order.
    Displaced(Vec<Handle>),
    /// The key is taken; nothing was changed.
    Collision,
    /// The owner's sessions were revoked since the login began; nothing was stored.
    Revoked,
    /// The owner has as many live sessions as the limit allows; nothing was stored.
    Full,
}

/// What [`Store::replace`] did.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Replaced {
    /// The record is stored.
    Stored,
    /// Another commit came first; this is what it left.
    Conflict(Record),
    /// The session has ended.
    Gone,
}

/// What [`Store::rotate`] is asked to do. The engine makes it; [`new`](Self::new) is for tests of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The key to leave.
    pub old: StoreKey,
    /// The revision at the old key.
    pub expected: Revision,
    /// The key to move to.
    pub new: StoreKey,
    /// What to store there.
    pub record: Record,
    /// On what terms the owner is let in; counts if the owner changes.
    pub admission: Admission,
    /// The present time.
    pub now: Timestamp,
}

impl Rotation {
    /// From one key, if the revision there is `expected`, to another, on the default terms of admission.
    pub fn new(old: StoreKey, expected: Revision, new: StoreKey, record: Record, now: Timestamp) -> Self {
        Self {
            old,
            expected,
            new,
            record,
            admission: Admission::default(),
            now,
        }
    }

    /// The same, on other terms.
    #[must_use]
    pub fn with_admission(self, admission: impl Into<Admission>) -> Self {
        Self {
            admission: admission.into(),
            ..self
        }
    }
}

/// What [`Store::rotate`] did.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Rotated {
    /// The record is stored under the new key, and the old key is dead.
    Stored,
    /// The same, and these sessions of its owner, the oldest ones, are ended to make room for it; in any order.
    Displaced(Vec<Handle>),
    /// Another commit came first; this is what it left at the old key.
    Conflict(Record),
    /// The session at the old key has ended.
    Gone,
    /// The new key is taken; nothing was changed.
    Collision,
    /// The owner's sessions were revoked since the login began; nothing was changed.
    Revoked,
    /// The owner has as many live sessions as the limit allows; nothing was changed.
    Full,
}

/// What [`Store::touch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// The sighting is recorded, or a later one was known.
    Recorded,
    /// The session has ended.
    Gone,
}

/// What [`Store::delete`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The session was there and is gone.
    Removed,
    /// There was none.
    Absent,
}

/// What [`Store::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Swept {
    /// Records removed.
    pub removed: usize,
    /// Whether more may be waiting.
    pub backlog: Backlog,
}

impl Swept {
    /// So many records were removed, and more may be waiting, or not.
    pub const fn new(removed: usize, backlog: Backlog) -> Self {
        Self { removed, backlog }
    }
}

/// Whether a sweep left something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backlog {
    /// Everything that had expired is removed.
    #[default]
    Empty,
    /// The limit was reached; sweep again.
    Remaining,
}

/// Which sessions of an owner to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// All of them, and logins under way.
    All,
    /// All but this one, and logins under way.
    Others(Handle),
    /// This one.
    One(Handle),
}

/// Which part of a list to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Continue behind this entry; `None` starts with the newest.
    pub after: Option<Cursor>,
    /// The most entries to return; at least 1.
    pub limit: usize,
}

/// One page of an owner's sessions.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OwnedPage {
    /// The sessions, newest first.
    pub sessions: Vec<Owned>,
    /// Where to continue; `None` if this is the end.
    pub next: Option<Cursor>,
}

impl OwnedPage {
    /// One page, and where the next one starts.
    pub fn new(sessions: Vec<Owned>, next: Option<Cursor>) -> Self {
        Self { sessions, next }
    }
}

/// A session in its owner's list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Owned {
    /// Where it is stored; its next renewal moves it.
    pub key: StoreKey,
    /// With its latest sighting.
    pub record: Record,
}

impl Owned {
    /// A session and where it is.
    pub fn new(key: StoreKey, record: Record) -> Self {
        Self { key, record }
    }
}
