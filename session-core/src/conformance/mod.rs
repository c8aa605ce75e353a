//! The published suite: what every store and every adapter is held to.
pub mod http;
pub mod probe;
pub mod store;
