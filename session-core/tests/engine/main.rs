//! Scenarios on the engine: no framework, no sockets.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

#[cfg(feature = "admin")]
mod admin;
mod after_failure;
mod cleaner;
mod collisions;
mod csrf;
mod ended;
mod everyone;
mod flash;
mod halves;
mod lost_answers;
#[cfg(feature = "metrics")]
mod metrics;
mod overtaken;
mod owner_limit;
mod recent_login;
mod session;
mod site;
mod update_all;
mod values;
mod without_index;
