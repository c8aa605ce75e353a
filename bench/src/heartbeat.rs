//! The runtime's heartbeat: how late its tasks run while requests write as fast as they can, and how long a write holds a worker.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Result;
use session_core::{Replaced, Store};
use session_fjall::FjallStore;
use tokio::task::JoinSet;

use crate::fleet::Effort;
use crate::goals::Goal;
use crate::measure::{Samples, micros};
use crate::peers::floor::{Elsewhere, RawFjall};
use crate::peers::servers::WORKERS;
use crate::process::rest;
use crate::report::{Report, Table, number};
use crate::stores::{Item, Sessions};

const TICK: Duration = Duration::from_millis(1);
const WRITERS: usize = 256;

/// What was seen in one run.
#[derive(Default)]
struct Seen {
    /// µs that ticks came too late.
    late: Samples,
    /// µs of each poll of a write: as long as that, a worker was held.
    held: Samples,
    writes: u64,
}

/// Measures an idle runtime beside one whose tasks write.
pub fn run(report: &mut Report, effort: Effort) -> Result<Vec<Goal>> {
    let folder = tempfile::tempdir()?;
    let time = effort.time * 2;
    let (mut idle, mut busy, mut elsewhere) = (Seen::default(), Seen::default(), Seen::default());
    let writing = Writing::open(folder.path())?;
    let thread = Arc::new(Elsewhere::start(RawFjall::open(&folder.path().join("raw"))?));
    for _ in 0..effort.rounds.div_ceil(2) {
        idle.add(&one_run(Work::None, time)?);
        busy.add(&one_run(Work::Write(&writing), time)?);
        elsewhere.add(&one_run(Work::WriteElsewhere(&writing, &thread), time)?);
    }
    let rate = |seen: &Seen| number(seen.writes as f64 / (time.as_secs_f64() * effort.rounds.div_ceil(2) as f64));
    report.section(
        "Heartbeat",
        &format!(
            "A runtime of {WORKERS} workers. A task for each of them wakes every {TICK:?}; *late* is by how much it misses that (the timer \
             itself counts in ms, so an idle runtime is late too). Busy means: {WRITERS} tasks replace sessions in FjallStore as fast as \
             they can, {} writes/s here. *held* is how long one poll of a write kept a worker, other threads' turns on the processor \
             included. *raw fjall* is the limit: the same tasks ask a thread that writes the same records into one keyspace, and does \
             nothing else, {} writes/s; that workers and such a thread share the processors is what makes these ticks late. µs, **lower \
             is better**.",
            rate(&busy),
            rate(&elsewhere),
        ),
    );
    let mut table = Table::new(&["µs", "p50", "p99", "p99.9", "max"]);
    for (label, samples) in [
        ("idle: late", &idle.late),
        ("busy: late", &busy.late),
        ("raw fjall on another thread: late", &elsewhere.late),
        ("busy: held by a write", &busy.held),
    ] {
        let quantiles = [0.5, 0.99, 0.999, 1.0].map(|part| number(samples.quantile(part)));
        table.row([label.to_owned()].into_iter().chain(quantiles));
    }
    report.table(&table);
    Ok(vec![
        Goal::at_most(
            "4. a worker held by a write, FjallStore under saturation: p99.9",
            1000.0,
            " µs",
            busy.held.quantile(0.999),
        ),
        Goal::at_most(
            format!(
                "4. heartbeat p99.9 under saturation, over the idle one ({} µs)",
                number(idle.late.quantile(0.999))
            ),
            1000.0,
            " µs",
            busy.late.quantile(0.999) - idle.late.quantile(0.999),
        ),
        Goal::at_most(
            format!(
                "4. heartbeat p99.9 under saturation, over that of raw fjall on another thread ({} µs)",
                number(elsewhere.late.quantile(0.999))
            ),
            1000.0,
            " µs",
            busy.late.quantile(0.999) - elsewhere.late.quantile(0.999),
        ),
    ])
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.late.extend(&other.late);
        self.held.extend(&other.held);
        self.writes += other.writes;
    }
}

/// A store, and the sessions that are written.
struct Writing {
    store: Arc<FjallStore>,
    sessions: Sessions,
    items: Arc<Vec<Item>>,
}

impl Writing {
    fn open(folder: &Path) -> Result<Self> {
        let sessions = Sessions::new(300);
        let store = Arc::new(FjallStore::open(folder.join("store"))?);
        let items: Vec<_> = (0..10_000).map(|number| sessions.item(number)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            for item in &items {
                let _ = store
                    .create(item.key, item.record.clone(), Default::default(), sessions.now())
                    .await?;
            }
            anyhow::Ok(())
        })?;
        Ok(Self {
            store,
            sessions,
            items: Arc::new(items),
        })
    }
}

/// What the tasks do beside the ticks.
#[derive(Clone, Copy)]
enum Work<'a> {
    None,
    Write(&'a Writing),
    /// Write the same into raw fjall, by another thread.
    WriteElsewhere(&'a Writing, &'a Arc<Elsewhere>),
}

fn one_run(work: Work<'_>, time: Duration) -> Result<Seen> {
    rest()?; // from what the run before left to do
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let seen = runtime.block_on(async {
        let mut tickers = JoinSet::new();
        for _ in 0..WORKERS {
            tickers.spawn(tick(Arc::clone(&stop)));
        }
        let mut writers = JoinSet::new();
        for lane in 0..WRITERS {
            let stop = Arc::clone(&stop);
            match work {
                Work::None => {}
                Work::Write(Writing { store, sessions, items }) => {
                    writers.spawn(write(Arc::clone(store), *sessions, Arc::clone(items), lane, stop));
                }
                Work::WriteElsewhere(Writing { items, .. }, thread) => {
                    writers.spawn(write_elsewhere(Arc::clone(thread), Arc::clone(items), lane, stop));
                }
            }
        }
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut seen = Seen::default();
        while let Some(late) = tickers.join_next().await {
            seen.late.extend(&late?);
        }
        while let Some(written) = writers.join_next().await {
            let (writes, held) = written??;
            seen.writes += writes;
            seen.held.extend(&held);
        }
        anyhow::Ok(seen)
    })?;
    Ok(seen)
}

async fn tick(stop: Arc<AtomicBool>) -> Samples {
    let mut late = Samples::default();
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + TICK;
        tokio::time::sleep_until(due.into()).await;
        late.push(micros(Instant::now().saturating_duration_since(due)));
    }
    late
}

async fn write(
    store: Arc<FjallStore>,
    sessions: Sessions,
    items: Arc<Vec<Item>>,
    lane: usize,
    stop: Arc<AtomicBool>,
) -> Result<(u64, Samples)> {
    let held = Arc::new(Mutex::new(Samples::default()));
    let mut writes = 0;
    for item in items.iter().skip(lane).step_by(WRITERS).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let replace = store.replace(item.key, item.record.revision(), item.record.clone(), sessions.now());
        let replaced = Timed {
            inner: replace,
            held: &held,
        }
        .await?;
        anyhow::ensure!(replaced == Replaced::Stored, "a session was not replaced");
        writes += 1;
    }
    let held = std::mem::take(&mut *held.lock().expect("nobody panics under this lock"));
    Ok((writes, held))
}

async fn write_elsewhere(
    thread: Arc<Elsewhere>,
    items: Arc<Vec<Item>>,
    lane: usize,
    stop: Arc<AtomicBool>,
) -> Result<(u64, Samples)> {
    let mut writes = 0;
    for item in items.iter().skip(lane).step_by(WRITERS).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        thread.insert(item.key, &item.record).await?;
        writes += 1;
    }
    Ok((writes, Samples::default()))
}

/// Notes how long each poll takes.
struct Timed<'a, F> {
    inner: F,
    held: &'a Mutex<Samples>,
}

impl<F: Future + Unpin> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let started = Instant::now();
        let polled = Pin::new(&mut self.inner).poll(context);
        let held = micros(started.elapsed());
        self.held.lock().expect("nobody panics under this lock").push(held);
        polled
    }
}
