//! The runtime's heartbeat: how late its tasks run while requests write as fast as they can, and how long a write holds a worker.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Result;
use session_core::{Replaced, Store};
use session_fjall::FjallStore;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::fleet::Effort;
use crate::goals::Goal;
use crate::measure::{Samples, micros};
use crate::peers::servers::WORKERS;
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
    for _ in 0..effort.rounds.div_ceil(2) {
        idle.add(&one_run(Work::None, time)?);
        busy.add(&one_run(Work::Write(&writing), time)?);
        elsewhere.add(&one_run(Work::Ask, time)?);
    }
    report.section(
        "Heartbeat",
        &format!(
            "A runtime of {WORKERS} workers. A task for each of them wakes every {TICK:?}; *late* is by how much it misses that (the timer \
             itself counts in ms, so an idle runtime is late too). Busy means: {WRITERS} tasks replace sessions in FjallStore as fast as \
             they can, {} writes/s here. *held* is how long one poll of a write kept a worker, other threads' turns on the processor \
             included. *busy elsewhere* has no store: the tasks ask a thread that spins for {SPIN:?} and answers; that workers and such a \
             thread share the processors is what makes these ticks late. µs, **lower is better**.",
            number(busy.writes as f64 / (time.as_secs_f64() * effort.rounds.div_ceil(2) as f64))
        ),
    );
    let mut table = Table::new(&["µs", "p50", "p99", "p99.9", "max"]);
    for (label, samples) in [
        ("idle: late", &idle.late),
        ("busy: late", &busy.late),
        ("busy elsewhere: late", &elsewhere.late),
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
                "4. heartbeat p99.9 under saturation, over one that is busy elsewhere ({} µs)",
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
    /// Ask another thread.
    Ask,
}

fn one_run(work: Work<'_>, time: Duration) -> Result<Seen> {
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
        let (questions, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || answer(&asked));
        for lane in 0..WRITERS {
            let stop = Arc::clone(&stop);
            match work {
                Work::None => {}
                Work::Write(Writing { store, sessions, items }) => {
                    writers.spawn(write(Arc::clone(store), *sessions, Arc::clone(items), lane, stop));
                }
                Work::Ask => {
                    writers.spawn(ask(questions.clone(), stop));
                }
            }
        }
        drop(questions);
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

/// About what a write takes on its thread.
const SPIN: Duration = Duration::from_micros(5);

type Question = oneshot::Sender<()>;

/// Ends when nobody asks any more.
fn answer(questions: &mpsc::Receiver<Question>) {
    for question in questions {
        let started = Instant::now();
        while started.elapsed() < SPIN {
            std::hint::spin_loop();
        }
        let _ = question.send(()); // whoever asked may have been stopped
    }
}

async fn ask(questions: mpsc::Sender<Question>, stop: Arc<AtomicBool>) -> Result<(u64, Samples)> {
    while !stop.load(Ordering::Relaxed) {
        let (question, answered) = oneshot::channel();
        questions.send(question)?;
        answered.await?;
    }
    Ok((0, Samples::default()))
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
