//! Server-side web sessions: the engine, the record format and the store contract. No framework and no database live here.
//!
#![doc = include_str!("../README.md")]

mod cleaner;
mod clock;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cookie;
mod engine;
mod error;
mod event;
mod id;
mod key;
mod lifetime;
mod record;
mod registry;
mod session;
mod store;

/// Turns the async methods of an `impl` of [`Store`] or [`OwnerIndex`] into what `dyn` can call.
pub use async_trait::async_trait;
pub use cleaner::{CleanerPolicy, CleanerStatus};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use config::{OnServerError, SessionConfig, SessionConfigBuilder, danger};
pub use cookie::{SameSite, SigningKey, SigningKeys};
pub use engine::{Access, Engine, EngineBuilder, Inbound, Outbound, Outcome, ResponseHeaders};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Observer};
pub use id::{Handle, Owner, SessionId, StoreKey};
pub use key::{AsKey, Key, KeyName};
pub use lifetime::Lifetime;
pub use record::{FORMAT_VERSION, Limits, Persistence, Record, Revision, StoredValue, Values};
pub use registry::{SessionInfo, SessionPage, Sessions};
pub use session::Session;
pub use store::{
    Admission, Backlog, Created, Cursor, Deleted, Epoch, MemoryStore, Owned, OwnedPage, OwnerIndex, OwnerLimit, Page,
    Replaced, Revocations, Revoke, Room, Rotated, Rotation, Store, Swept, Touched,
};
