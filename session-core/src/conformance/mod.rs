//! The published suite: what every store and every adapter is held to. Turn on the feature `conformance` in `[dev-dependencies]`.
//!
//! The [store half](store) needs one line in a test file of the crate that implements a store:
//!
//! ```
//! # fn main() {}
//! async fn fresh() -> session_core::MemoryStore {
//!     session_core::MemoryStore::new()
//! }
//!
//! session_core::store_contract!(fresh);
//! ```
//!
//! The [http half](http) needs the [probe]'s routes in the adapter's framework: see [`http_contract!`](crate::http_contract).
//!
//! Every case becomes a named test. A new case in a new release reaches every store without a further edit.

pub mod browser;
pub mod http;
pub mod probe;
pub mod sample;
pub mod store;
