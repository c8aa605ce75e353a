//! The cleaner: removes expired sessions from time to time (P15). Timeouts do not depend on it (P8): it frees space.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Chain, Event};
use crate::store::{Backlog, Store};

/// When and how expired sessions are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerPolicy {
    /// `None`: never.
    every: Option<Duration>,
    batch: usize,
}

impl Default for CleanerPolicy {
    /// Every 60 s, in batches of 1,000.
    fn default() -> Self {
        Self::every(Duration::from_secs(60))
    }
}

impl CleanerPolicy {
    /// Sweeps about that often: a tenth more or less by chance, so that many processes do not sweep one store at the same moment.
    /// At least 100 ms, at most a year.
    pub const fn every(period: Duration) -> Self {
        Self {
            every: Some(period),
            batch: 1000,
        }
    }

    /// Never sweeps: when another process does, or the store drops expired records by itself.
    pub const fn never() -> Self {
        Self {
            every: None,
            batch: 1000,
        }
    }

    /// How many records one store operation removes at most; at least 1. Default 1,000.
    #[must_use]
    pub const fn batch(self, records: usize) -> Self {
        Self {
            batch: if records == 0 { 1 } else { records },
            ..self
        }
    }
}

/// What the cleaner has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanerStatus {
    /// Runs so far, failed ones included.
    pub runs: u64,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// Records the last run removed.
    pub last_removed: u64,
    /// Records removed by all runs.
    pub removed: u64,
    /// Runs that failed.
    pub errors: u64,
    /// Failed runs since the last one that succeeded; each doubles the pause, up to an hour.
    pub consecutive_errors: u32,
    /// Why the last failed run failed.
    pub last_error: Option<String>,
}

/// What a run reports to: the engine's observers.
pub(crate) type Report = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// The running task; dropping it stops it.
pub(crate) struct Cleaner {
    task: JoinHandle<()>,
    status: Arc<Mutex<CleanerStatus>>,
}

const SHORTEST_PERIOD: Duration = Duration::from_millis(100);
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 3600);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl Cleaner {
    /// Starts the task on this runtime; `None` if the policy says never. The task does not keep the store alive.
    pub(crate) fn start(
        runtime: &Handle,
        policy: CleanerPolicy,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        report: Report,
    ) -> Option<Self> {
        let period = policy.every?.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        let status = Arc::new(Mutex::new(CleanerStatus::default()));
        let run = Run {
            store: Arc::downgrade(store),
            clock,
            batch: policy.batch,
            status: status.clone(),
            report,
        };
        Some(Self {
            task: runtime.spawn(run.repeat(period)),
            status,
        })
    }

    pub(crate) fn status(&self) -> CleanerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Clone)]
struct Run {
    store: Weak<dyn Store>,
    clock: Arc<dyn Clock>,
    batch: usize,
    status: Arc<Mutex<CleanerStatus>>,
    report: Report,
}

impl Run {
    async fn repeat(self, period: Duration) {
        let mut pause = period;
        loop {
            tokio::time::sleep(jittered(pause)).await;
            let Some(store) = self.store.upgrade() else { return };
            // A task of its own, so that a panic in a store is a failed run and not the end of all cleaning. The set ends it when this
            // task is stopped.
            let once = self.clone();
            let mut run = JoinSet::new();
            run.spawn(async move { once.sweep(&*store).await });
            let swept = run
                .join_next()
                .await
                .expect("one task was started")
                .unwrap_or_else(|panic| {
                    let failed = Error::new(ErrorKind::Unavailable, "sweeping expired sessions: the store panicked");
                    Err(failed.with_source(panic))
                });
            let failures = self.record(swept);
            pause = period
                .saturating_mul(1 << failures.min(12))
                .min(LONGEST_PAUSE.max(period));
        }
    }

    /// Removes everything that has expired, batch by batch, letting others run in between.
    async fn sweep(&self, store: &dyn Store) -> Result<u64> {
        let mut removed = 0;
        loop {
            let swept = store.sweep(self.clock.now(), self.batch).await?;
            removed += swept.removed as u64;
            if swept.backlog == Backlog::Empty {
                return Ok(removed);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns how many runs have failed in a row.
    fn record(&self, swept: Result<u64>) -> u32 {
        match &swept {
            Ok(0) => {}
            Ok(sessions) => (self.report)(Event::Expired { sessions: *sessions }),
            Err(error) => (self.report)(Event::CleanerFailed { error }),
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.runs += 1;
        status.last_run = Some(self.clock.now());
        status.last_removed = *swept.as_ref().unwrap_or(&0);
        status.removed += status.last_removed;
        match swept {
            Ok(_) => status.consecutive_errors = 0,
            Err(error) => {
                status.errors += 1;
                status.consecutive_errors += 1;
                status.last_error = Some(Chain(&error).to_string());
            }
        }
        status.consecutive_errors
    }
}

/// Between 90 % and 110 % of a pause.
fn jittered(pause: Duration) -> Duration {
    let chance = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.9 + 0.2 * f64::from(chance) / f64::from(u32::MAX))
}
