//! Server-side sessions for actix-web. Decisions live in `session-core`.
//!
#![doc = include_str!("../README.md")]

mod csrf;
mod error;
mod extract;
mod headers;
mod middleware;

pub use csrf::{CsrfForm, CsrfHeader};
pub use error::SessionError;
pub use extract::{CsrfToken, Extract, Flashes, OptionalSession, Session, Sessions, SignedIn, Value};
pub use middleware::{ResponseFuture, SessionMiddleware, SessionService};

pub use session_core;
pub use session_core::{
    CSRF_FIELD, CSRF_HEADER, CleanerPolicy, CleanerStatus, Clock, Cursor, Engine, Error, ErrorKind, Event, Flash,
    FlashLevel, FromSession, Handle, Key, Lifetime, Limits, MemoryStore, Observer, OnServerError, Owner, SameSite,
    SessionConfig, SessionInfo, SessionPage, SessionValue, SigningKey, SigningKeys, Store, Timestamp,
};

#[cfg(feature = "fjall")]
pub use session_fjall::FjallStore;
