//! Scenarios on the engine: no framework, no sockets.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

mod cleaner;
mod overtaken;
mod owner_limit;
mod session;
mod site;
