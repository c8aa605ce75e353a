//! [`Counting`]: the system's allocator, which counts while it is asked to. Otherwise it costs the load of one flag, so that times are
//! measured with it in place.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Sub;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// The global allocator of the bench.
pub struct Counting;

/// What was allocated. Growing a block counts as one allocation of the bytes that were added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    pub calls: u64,
    pub bytes: u64,
    /// Bytes that were given back, also of what was allocated before.
    pub freed: u64,
}

impl Allocated {
    /// Bytes that are in use.
    pub fn live(self) -> u64 {
        self.bytes.saturating_sub(self.freed)
    }
}

impl Sub for Allocated {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            bytes: self.bytes - before.bytes,
            freed: self.freed - before.freed,
        }
    }
}

/// Counts what all threads allocate from here on.
#[must_use]
pub struct Tally(Allocated);

impl Tally {
    pub fn start() -> Self {
        ON.store(true, Relaxed);
        Self(now())
    }

    pub fn stop(self) -> Allocated {
        ON.store(false, Relaxed);
        now() - self.0
    }
}

fn now() -> Allocated {
    Allocated {
        calls: CALLS.load(Relaxed),
        bytes: BYTES.load(Relaxed),
        freed: FREED.load(Relaxed),
    }
}

fn record(bytes: usize) {
    if ON.load(Relaxed) {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

fn record_freed(bytes: usize) {
    if ON.load(Relaxed) {
        FREED.fetch_add(bytes as u64, Relaxed);
    }
}

#[allow(
    unsafe_code,
    reason = "the only way to see allocations; every call goes on to the system's allocator unchanged"
)]
// SAFETY: all methods forward to `System` with the arguments they were given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        record(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        record(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        record(size.saturating_sub(layout.size()));
        record_freed(layout.size().saturating_sub(size));
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        record_freed(layout.size());
        unsafe { System.dealloc(block, layout) }
    }
}
