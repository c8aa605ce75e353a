//! A machine, or a container, of one processor.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

use std::fs;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use session_fjall::FjallStore;

/// Threads of this process that bear a name.
fn threads_named(name: &str) -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

/// One that is alone waits for itself when it is behind, and then nothing is written from memory to tables any more.
#[test]
fn the_engine_has_two_workers_even_on_one_processor() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap());
    sched_setaffinity(None, &one).unwrap();
    assert_eq!(available_parallelism().unwrap().get(), 1);

    let folder = tempfile::tempdir().unwrap();
    let _store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(threads_named("fjall:worker"), 2);
}
