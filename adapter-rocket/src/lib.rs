//! Server-side sessions for Rocket. Decisions live in `session-core`.
//!
#![doc = include_str!("../README.md")]

#[cfg(feature = "admin")]
mod admin;
mod config;
mod csrf;
mod error;
mod extract;
mod headers;
mod middleware;

#[cfg(feature = "admin")]
pub use admin::SessionAdmin;
pub use csrf::{CsrfForm, CsrfHeader, FormErrors};
pub use error::SessionError;
pub use extract::{CsrfToken, Extract, Flashes, OptionalSession, Session, Sessions, SignedIn, Value};
pub use middleware::SessionFairing;

pub use session_core;
pub use session_core::application::*;

#[cfg(feature = "fjall")]
pub use session_fjall::FjallStore;
#[cfg(feature = "redis")]
pub use session_redis::{RedisStore, RedisStoreBuilder};
