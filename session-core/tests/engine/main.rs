//! Scenarios on the engine: no framework, no sockets.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

mod cleaner;
mod everyone;
mod overtaken;
mod session;
mod site;
