//! Real servers for tests, each on a free port of the loopback interface. None outlives the test process, however it ends.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod cluster;
pub(crate) mod contract;
pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod sentinel;
pub(crate) mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A prefix that no other test in this process has.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("test{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Looks again until something holds.
///
/// # Panics
///
/// If it does not within half a minute.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(90), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
