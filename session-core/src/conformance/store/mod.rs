//! temp
mod counting;
mod faulty;
mod operation;
mod test_store;
pub use counting::{CountingStore, Counts};
pub use faulty::{FaultyStore, Gate};
pub use operation::Operation;
pub use test_store::{Expiry, TestStore};
