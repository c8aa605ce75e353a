//! What keeps records, one engine a file: ours, the engine beneath it, and other engines with the least that sessions would need from them.

pub mod dashmap;
pub mod entry;
pub mod ours;
pub mod raw_fjall;
pub mod redb;
pub mod redis;
pub mod sqlite;

use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use session_core::conformance::sample::{self, Sample};
use session_core::{Lifetime, Record, StoreKey, Timestamp};
use tokio::runtime::{Builder, Runtime};

use crate::measure::{Samples, micros};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Load,
    Replace,
    Touch,
    Create,
    Delete,
}

/// Whether writes wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// As each engine is meant to be used where the last second may be lost. Deleting waits even so, where an engine can.
    Relaxed,
    /// Every write has reached the disk when it is answered.
    Durable,
}

/// A store under measurement. Sessions are numbered; [`Sessions`] makes keys and records of the numbers.
pub trait Engine: Send + std::marker::Sync {
    fn name(&self) -> &'static str;

    /// Stores these sessions, as fast as it can.
    fn fill(&self, numbers: Range<u64>) -> Result<()>;

    /// Does the same to each of these sessions, one after the other, on this thread.
    fn run(&self, op: Op, items: &[Item]) -> Result<()>;

    /// As [`run`](Self::run), by another thread that gets a message for each and answers it. Ours works so anyway.
    fn run_across(&self, op: Op, items: &[Item]) -> Result<()> {
        self.run(op, items)
    }

    /// Does the same to each of these sessions, by so many writers at once.
    fn run_at_once(&self, op: Op, items: &[Item], writers: usize) -> Result<AtOnce> {
        let (next, ready) = (AtomicUsize::new(0), Barrier::new(writers));
        let lanes: Vec<Lane> = std::thread::scope(|scope| {
            let start = |_| scope.spawn(|| lane(self, op, items, &next, &ready));
            let lanes: Vec<_> = (0..writers).map(start).collect();
            let joined = lanes
                .into_iter()
                .map(|lane| lane.join().expect("a writer does not panic"));
            joined.collect::<Result<_>>()
        })?;
        // By the writers' own clocks: this thread may get its turn on a processor when they are done.
        let began = lanes.iter().map(|lane| lane.began).min();
        let ended = lanes.iter().map(|lane| lane.ended).max();
        let mut latencies = Samples::default();
        lanes.iter().for_each(|lane| latencies.extend(&lane.latencies));
        Ok(AtOnce {
            took: ended.zip(began).map_or(Duration::ZERO, |(ended, began)| ended - began),
            latencies,
        })
    }

    /// Lets go of its files, so that the next one reads them from the disk.
    fn close(self: Box<Self>) -> Result<()>;
}

/// On this thread, as on a worker of a server.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<Runtime> =
            RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime of one thread starts"));
    }
    RUNTIME.with_borrow(|runtime| runtime.block_on(work))
}

/// What one writer of several saw.
struct Lane {
    began: Instant,
    ended: Instant,
    latencies: Samples,
}

fn lane(engine: &(impl Engine + ?Sized), op: Op, items: &[Item], next: &AtomicUsize, ready: &Barrier) -> Result<Lane> {
    let mut latencies = Samples::default();
    ready.wait();
    let began = Instant::now();
    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
        let started = Instant::now();
        engine.run(op, std::slice::from_ref(item))?;
        latencies.push(micros(started.elapsed()));
    }
    Ok(Lane {
        began,
        ended: Instant::now(),
        latencies,
    })
}

/// What writers at once took, without starting them.
pub struct AtOnce {
    /// Until the last one was done.
    pub took: Duration,
    /// µs of each operation.
    pub latencies: Samples,
}

/// Keys and records of the sessions that are measured: all engines store the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    now: Timestamp,
    size: usize,
}

impl Sessions {
    /// Records of about this many bytes.
    pub fn new(size: usize) -> Self {
        Self {
            now: sample::now(),
            size,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn key(&self, number: u64) -> StoreKey {
        sample::key(number)
    }

    /// Began within the last hour, ends a day after that.
    pub fn record(&self, number: u64) -> Record {
        let began = Timestamp::from_unix_millis(self.now.unix_millis() - (number * 7919) % 3_600_000);
        let lifetime = Lifetime::sliding(Duration::from_secs(24 * 3600)).expect("a day is within the limits");
        // 60 B of a record are not its value.
        let payload = vec![number as u8; self.size.saturating_sub(60)];
        Sample::new(began)
            .without_values()
            .lifetime(lifetime)
            .handle(number)
            .value("payload", &payload)
            .build()
    }

    /// Everything about a session, made before anything is measured.
    pub fn item(&self, number: u64) -> Item {
        let record = self.record(number);
        Item {
            key: self.key(number),
            bytes: record.encode(),
            deadline: record.expires_at().unix_millis(),
            record,
        }
    }
}

/// One session.
#[derive(Clone, Debug)]
pub struct Item {
    pub key: StoreKey,
    pub record: Record,
    /// The record, encoded.
    pub bytes: Vec<u8>,
    /// When it ends, in ms since 1970.
    pub deadline: u64,
}

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct Setup {
    pub folder: PathBuf,
    pub sessions: Sessions,
    pub sync: Sync,
    /// Bytes of memory for what was read from disk, where an engine has a cache.
    pub cache: u64,
    /// Where a Redis server listens.
    pub redis: String,
}
