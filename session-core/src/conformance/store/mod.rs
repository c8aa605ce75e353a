//! The store half: [`CASES`], what runs them ([`store_contract!`](crate::store_contract)), and two wrappers for scripted
//! tests: [`FaultyStore`] and [`CountingStore`].
//!
//! What the suite expects of a store, beyond the doc comments of [`Store`](crate::Store):
//!
//! - The factory answers a fresh, empty store at every call. Cases run side by side.
//! - Times are passed in and run ahead of the real time by up to two days; no case sleeps. A store takes the time from its arguments.
//! - A key is never created again after its session has ended: keys are hashes of random ids. A store may remember dead keys.
//! - `replace` keeps handle, owner and beginning as they are; only a rotation changes them.
//! - What `Conflict` carries is what `load` would answer, the latest sighting included.
//!
//! The suite itself is held to `tests/broken_stores`: deliberately broken stores, each of which must turn it red.

mod case;
mod cases;
mod counting;
mod faulty;
mod gated;
mod model;
mod operation;
mod steps;
mod test_store;
mod walk;

pub use case::{CASES, Case, Needs, assert_no_inventory, assert_no_owner_index, run};
pub(crate) use case::{PATIENCE, on_a_runtime};
pub use counting::{CountingStore, Counts};
pub use faulty::{FaultyStore, Gate};
pub use operation::Operation;
pub use test_store::{Expiry, TestStore};
