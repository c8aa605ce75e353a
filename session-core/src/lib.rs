//! Server-side web sessions.

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod id;
mod key;
mod lifetime;
mod record;
mod store;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use id::{Handle, Owner, SessionId, StoreKey};
pub use key::{AsKey, Key};
pub use lifetime::Lifetime;
pub use record::{FORMAT_VERSION, Limits, Persistence, Record, Revision, StoredValue, Values};
pub use store::{
    Backlog, Created, Cursor, Deleted, Epoch, MemoryStore, OwnedPage, OwnerIndex, Page, Replaced, Revocations, Revoke,
    Rotated, Rotation, Store, Swept, Touched,
};
