//! Server-side sessions for axum and any tower service. Decisions live in `session-core`.
//!
#![doc = include_str!("../README.md")]

mod error;
mod extract;
mod headers;
mod middleware;

pub use error::SessionError;
pub use extract::{OptionalSession, Session, Sessions, SignedIn};
pub use middleware::{ResponseFuture, SessionLayer, SessionService};

pub use session_core;
pub use session_core::{
    CleanerPolicy, CleanerStatus, Clock, Cursor, Engine, EngineBuilder, Error, ErrorKind, Event, Handle, Key, Lifetime,
    Limits, MemoryStore, Observer, OnServerError, Owner, Persistence, SameSite, SessionConfig, SessionInfo,
    SessionPage, SigningKey, SigningKeys, Store, Timestamp,
};

#[cfg(feature = "fjall")]
pub use session_fjall::FjallStore;
