//! Measurements beside the peers: one file a command, [`peers`] one file each. `docs/benchmarks/README.md` says how to read the results
//! and how they are kept fair.

pub mod alloc;
pub mod check;
pub mod measure;
pub mod peers;
pub mod site;

#[cfg(feature = "peers")]
pub mod cleaner;
#[cfg(feature = "peers")]
pub mod durable;
#[cfg(feature = "peers")]
pub mod fleet;
#[cfg(feature = "soak")]
pub mod goals;
#[cfg(feature = "peers")]
pub mod heartbeat;
#[cfg(feature = "peers")]
pub mod http;
#[cfg(feature = "soak")]
pub mod load;
#[cfg(feature = "soak")]
pub mod machine;
#[cfg(feature = "peers")]
pub mod memory;
#[cfg(feature = "peers")]
pub mod micro;
#[cfg(feature = "soak")]
pub mod plot;
#[cfg(feature = "soak")]
pub mod process;
#[cfg(feature = "peers")]
pub mod redis;
#[cfg(feature = "soak")]
pub mod report;
#[cfg(feature = "soak")]
pub mod soak;
#[cfg(feature = "peers")]
pub mod store;
#[cfg(feature = "peers")]
pub mod stores;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;
