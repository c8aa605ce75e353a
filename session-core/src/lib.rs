//! Server-side web sessions: the engine, the record format and the store contract. No framework and no database live here.
//!
#![doc = include_str!("../README.md")]

#[cfg(feature = "admin")]
mod admin;
pub mod application;
mod cleaner;
mod clock;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cookie;
mod csrf;
mod engine;
mod error;
mod event;
mod flash;
mod id;
mod key;
pub mod label;
mod lifetime;
#[cfg(feature = "metrics")]
pub mod metrics;
mod record;
mod registry;
mod session;
mod store;
mod sync;

#[cfg(feature = "admin")]
pub use admin::{Admin, AdminAccess, AdminGuard, AdminReply, AdminRequest};
/// Turns the async methods of an `impl` of [`Store`], [`OwnerIndex`] or [`Inventory`] into what `dyn` can call.
pub use async_trait::async_trait;
pub use cleaner::{CleanerPolicy, CleanerStatus};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use config::{OnServerError, SessionConfig, SessionConfigBuilder, danger};
pub use cookie::{SameSite, SigningKey, SigningKeys};
pub use csrf::{CSRF_FIELD, CSRF_HEADER, CsrfToken};
pub use engine::{Access, Engine, EngineBuilder, Finish, Inbound, Outbound, Outcome, ResponseHeaders};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Observer};
pub use flash::{Flash, FlashLevel, Flashes};
pub use id::{Handle, Owner, SessionId, StoreKey};
pub use key::{AsKey, Key, KeyName, RESERVED_PREFIX};
pub use lifetime::Lifetime;
pub use record::{FORMAT_VERSION, Limits, Persistence, Record, Revision, StoredValue, Values};
pub use registry::{EveryonePage, OwnedSession, SessionInfo, SessionPage, SessionStats, Sessions};
pub use session::{FromSession, Session, SessionValue, Value};
pub use store::{
    Admission, Backlog, Created, Cursor, Deleted, Epoch, Inventory, InventoryCursor, InventoryPage, MemoryStore, Owned,
    OwnedPage, OwnerIndex, OwnerLimit, Page, Replaced, Revocations, Revoke, Room, Rotated, Rotation, Store, Swept,
    Touched,
};
