//! The cleaner (P15): on a runtime whose time is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_core::conformance::store::{CountingStore, FaultyStore, Operation};
use session_core::{
    CleanerPolicy, CleanerStatus, Clock, Engine, Event, Lifetime, ManualClock, MemoryStore, Outcome, SessionConfig,
    SigningKeys, Store,
};

const PERIOD: Duration = Duration::from_secs(60);
const LIFE: Duration = Duration::from_secs(10);

struct Fixture {
    memory: Arc<MemoryStore>,
    faults: Arc<FaultyStore>,
    counted: Arc<CountingStore>,
    clock: Arc<ManualClock>,
    engine: Engine,
    expired: Arc<AtomicU64>,
}

fn fixture(policy: CleanerPolicy) -> Fixture {
    let memory = Arc::new(MemoryStore::new());
    let faults = Arc::new(FaultyStore::new(memory.clone()));
    let counted = Arc::new(CountingStore::new(faults.clone()));
    let clock = Arc::new(ManualClock::default());
    let expired = Arc::new(AtomicU64::new(0));
    let told = expired.clone();
    let config = SessionConfig::builder()
        .cleaner(policy)
        .lifetime(Lifetime::fixed(LIFE).unwrap())
        .build()
        .unwrap();
    let engine = Engine::builder(counted.clone(), SigningKeys::generate().unwrap())
        .config(config)
        .clock(clock.clone())
        .observer(move |event: Event<'_>| {
            if let Event::Expired { sessions } = event {
                told.fetch_add(sessions, Ordering::SeqCst);
            }
        })
        .build();
    Fixture {
        memory,
        faults,
        counted,
        clock,
        engine,
        expired,
    }
}

impl Fixture {
    async fn visitors(&self, count: usize) {
        for _ in 0..count {
            let (inbound, access) = self.engine.begin();
            let session = access.session([]).await.unwrap();
            session.insert("k", 1).unwrap();
            drop(inbound.finish(Outcome::Success).await.unwrap());
        }
    }

    fn status(&self) -> CleanerStatus {
        self.engine.cleaner_status().expect("the cleaner runs")
    }

    /// Lets the runtime's time pass until the cleaner has run that often.
    async fn runs(&self, runs: u64) {
        while self.status().runs < runs {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn expired_sessions_are_removed_and_live_ones_stay() {
    let fixture = fixture(CleanerPolicy::every(PERIOD));
    fixture.visitors(7).await;
    fixture.clock.advance(LIFE);
    fixture.visitors(2).await;
    fixture.runs(1).await;
    assert_eq!(fixture.memory.len(), 2);
    let status = fixture.status();
    assert_eq!((status.last_removed, status.removed, status.errors), (7, 7, 0));
    assert_eq!(status.last_run, Some(fixture.clock.now()));
    assert_eq!(fixture.expired.load(Ordering::SeqCst), 7, "observers learn of it");
}

#[tokio::test(start_paused = true)]
async fn the_first_run_comes_after_about_a_period() {
    let fixture = fixture(CleanerPolicy::every(PERIOD));
    tokio::task::yield_now().await;
    tokio::time::advance(PERIOD.mul_f64(0.89)).await;
    tokio::task::yield_now().await;
    assert_eq!(fixture.status().runs, 0);
    let start = tokio::time::Instant::now();
    fixture.runs(1).await;
    assert!(start.elapsed() <= PERIOD.mul_f64(0.25), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_works_in_batches_until_nothing_is_left() {
    let fixture = fixture(CleanerPolicy::every(PERIOD).batch(10));
    fixture.visitors(35).await;
    fixture.clock.advance(LIFE);
    fixture.runs(1).await;
    assert!(fixture.memory.is_empty());
    assert_eq!(fixture.counted.counts().sweep, 4, "three full batches and a rest");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_reported_and_tried_again_later() {
    let fixture = fixture(CleanerPolicy::every(PERIOD));
    fixture.visitors(3).await;
    fixture.clock.advance(LIFE);
    fixture.faults.fail_next(Operation::Sweep, 3);
    let mut pauses = Vec::new();
    for run in 1..=4 {
        let start = tokio::time::Instant::now();
        fixture.runs(run).await;
        pauses.push(start.elapsed());
    }
    assert!(
        pauses.windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.5)),
        "the pauses grow: {pauses:?}"
    );
    let status = fixture.status();
    assert_eq!((status.errors, status.consecutive_errors, status.removed), (3, 0, 3));
    assert!(status.last_error.is_some_and(|error| error.contains("sweep")));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_cleaner_does_not_run_again() {
    let fixture = fixture(CleanerPolicy::every(PERIOD));
    // Its task has begun to wait, so that only stopping it keeps it from running.
    tokio::task::yield_now().await;
    fixture.engine.stop_cleaner();
    tokio::time::advance(10 * PERIOD).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.status().runs, 0);
}

#[tokio::test(start_paused = true)]
async fn stopping_the_cleaner_ends_a_sweep_that_is_under_way() {
    let fixture = fixture(CleanerPolicy::every(PERIOD));
    let held = fixture.faults.hold_next(Operation::Sweep);
    tokio::time::advance(2 * PERIOD).await;
    held.arrived().await;
    fixture.engine.stop_cleaner();
    // The held task is dropped with the set that it belongs to, and its hold on the store with it.
    let watched = Arc::downgrade(&fixture.counted);
    drop(fixture.counted);
    drop(fixture.engine);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(watched.upgrade().is_none(), "a stopped sweep keeps the store alive");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_engine_lets_go_of_the_store() {
    let memory = Arc::new(MemoryStore::new());
    let watched = Arc::downgrade(&memory);
    let engine = Engine::builder(memory as Arc<dyn Store>, SigningKeys::generate().unwrap()).build();
    assert!(
        engine.cleaner_status().is_some(),
        "within a runtime the cleaner starts at once"
    );
    tokio::task::yield_now().await;
    drop(engine);
    assert!(watched.upgrade().is_none(), "the cleaner keeps the store alive");
}

#[tokio::test]
async fn a_policy_of_never_starts_nothing() {
    let fixture = fixture(CleanerPolicy::never());
    fixture.visitors(1).await;
    assert!(fixture.engine.cleaner_status().is_none());
}

#[test]
fn an_engine_built_outside_a_runtime_starts_its_cleaner_with_the_first_request() {
    let engine = Engine::new(MemoryStore::new(), SigningKeys::generate().unwrap());
    assert!(engine.cleaner_status().is_none());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        drop(engine.begin());
        assert!(engine.cleaner_status().is_some());
    });
}
