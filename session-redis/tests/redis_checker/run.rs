//! One run: workers work, faults are injected, everything is looked at, the history is judged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::faults::{Fault, World};
use crate::history::{self, Event, Op, Outcome, Recorder};
use crate::judge::{Finding, Rule, judge};
use crate::random::Random;
use crate::support::prefix;
use crate::worker::{Orders, Worker};
use crate::workload::{Client, Mode, OWNERS, Pool};

pub(crate) const PROCESSES: usize = 3;
/// The test that is a worker.
const WORKER: &str = "redis::a_worker_of_the_checker";
/// Between two faults.
const CALM: std::ops::Range<u64> = 150..500;

/// A revocation or a renewal takes some steps, each with a time limit of its own of 1.3 s.
const IN_TIME: Duration = Duration::from_secs(8);

/// What came of a run.
pub(crate) struct Report {
    topology: &'static str,
    seed: u64,
    folder: PathBuf,
    events: Vec<Event>,
    faults: Vec<Fault>,
    /// A replica has taken over that was not told to.
    is_surprised: bool,
    pub(crate) findings: Vec<Finding>,
}

/// These faults, in this order, under the load of all workers.
pub(crate) fn run(topology: &'static str, world: &World, seed: u64, mode: Mode, faults: &[Fault]) -> Report {
    let folder = std::env::temp_dir().join(format!(
        "session-redis-checker-{}-{topology}-{seed}-{mode:?}",
        std::process::id()
    ));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let mut random = Random::new(seed, &[]);
    // For whoever reads a history that was found bad.
    let mut diary = std::fs::File::create(folder.join("faults")).expect("a temporary file");
    let mut crew = Crew::start(world, &folder, seed, mode);
    let mut expected = world.primaries();
    let mut is_surprised = false;
    for fault in faults {
        std::thread::sleep(Duration::from_millis(CALM.start + random.below(CALM.end - CALM.start)));
        is_surprised |= world.primaries() != expected;
        let _ = writeln!(diary, "{} {fault:?}", history::present());
        if *fault == Fault::WorkerDies {
            crew.replace(world, random.below(PROCESSES as u64) as usize);
        } else {
            world.inject(*fault, &mut random);
        }
        let _ = writeln!(diary, "{} mended", history::present());
        is_surprised |= !fault.is_takeover() && world.primaries() != expected;
        expected = world.primaries();
    }
    std::thread::sleep(Duration::from_millis(CALM.end));
    for worker in crew.workers {
        worker.finish();
    }
    world.wait_until_it_works();
    is_surprised |= world.primaries() != expected;
    let orders = Orders {
        url: world.url(),
        process: 0,
        ..crew.orders
    };
    look(&orders, &history::read(&folder));
    let events = history::read(&folder);
    Report {
        topology,
        seed,
        findings: judge(&events),
        folder,
        events,
        faults: faults.to_vec(),
        is_surprised,
    }
}

struct Crew {
    workers: Vec<Worker>,
    /// Of the one that was started last.
    orders: Orders,
}

impl Crew {
    fn start(world: &World, folder: &Path, seed: u64, mode: Mode) -> Self {
        let orders = Orders {
            url: String::new(),
            prefix: prefix(),
            folder: folder.to_owned(),
            process: 0,
            seed,
            mode,
            replicas: world.replicas(),
        };
        let mut crew = Self {
            workers: Vec::new(),
            orders,
        };
        for place in 0..PROCESSES {
            let worker = crew.next(world, place);
            crew.workers.push(worker);
        }
        crew
    }

    fn next(&mut self, world: &World, place: usize) -> Worker {
        self.orders.url = world.url_for(place);
        self.orders.process += 1;
        self.orders.start(WORKER)
    }

    fn replace(&mut self, world: &World, place: usize) {
        let next = self.next(world, place);
        std::mem::replace(&mut self.workers[place], next).kill();
    }
}

/// Everything that ever was, twice, so that what was there both times was there in between.
fn look(orders: &Orders, events: &[Event]) {
    let keys = events.iter().filter_map(|event| match event.op {
        Op::Create { key, .. } | Op::Rotate { new: key, .. } => Some(key),
        _ => None,
    });
    let keys: Vec<u64> = keys.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let recorder = Recorder::create(&orders.folder, orders.process);
        let pool = Mutex::new(Pool::default());
        let store = orders.store().open().await.expect("nothing is broken any more");
        let mut client = Client {
            store: &store,
            recorder: &recorder,
            pool: &pool,
            mode: Mode::Right,
            first: 0,
            random: Random::new(orders.seed, &[0]),
        };
        for _ in 0..2 {
            for key in &keys {
                insist(async || client.look(*key).await).await;
            }
            for owner in 0..OWNERS {
                insist(async || client.look_at_list(owner).await).await;
            }
        }
    });
}

/// A failover may be barely over.
async fn insist(mut look: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !look().await {
        assert!(start.elapsed() < Duration::from_secs(30), "the store does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Report {
    fn may_have_lost(&self) -> bool {
        self.is_surprised || self.faults.iter().any(|fault| fault.may_lose())
    }

    /// What was promised and not kept.
    pub(crate) fn broken(&self) -> Vec<&Finding> {
        let is_promised = |rule: Rule| !self.may_have_lost() || rule.survives_lost_writes();
        self.findings
            .iter()
            .filter(|finding| is_promised(finding.rule))
            .collect()
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }

    /// The longest time that an application waited for an operation.
    fn longest(&self) -> Duration {
        let is_ours = |event: &&Event| event.process > 0 && event.answered < history::Nanos::MAX;
        let times = self
            .events
            .iter()
            .filter(is_ours)
            .map(|event| event.answered - event.called);
        Duration::from_nanos(times.max().unwrap_or(0))
    }

    /// A row of a table: topology, seed, operations, acknowledged, failed, unknown, longest, faults, verdict.
    pub(crate) fn row(&self) -> String {
        let ours = || self.events.iter().filter(|event| event.process > 0);
        let count = |is: fn(&Outcome) -> bool| ours().filter(|event| is(&event.outcome)).count();
        let unknown = count(|outcome| *outcome == Outcome::Unknown);
        let failed = count(|outcome| *outcome == Outcome::Failed);
        let all = ours().count();
        let longest = self.longest().as_millis();
        let mut faults = BTreeMap::new();
        for fault in &self.faults {
            *faults.entry(fault).or_insert(0) += 1;
        }
        let faults: Vec<String> = faults
            .iter()
            .map(|(fault, times)| {
                if *times > 1 {
                    format!("{times} {fault:?}")
                } else {
                    format!("{fault:?}")
                }
            })
            .collect();
        let verdict = match (self.findings.len(), self.broken().len()) {
            (0, _) => "nothing found".to_owned(),
            (all, 0) => format!("{all} reported, of what is not promised"),
            (_, broken) => format!("**{broken} broken**"),
        };
        format!(
            "| {} | {} | {all} | {} | {failed} | {unknown} | {longest} ms | {} | {verdict} |",
            self.topology,
            self.seed,
            all - failed - unknown,
            faults.join(", "),
        )
    }

    /// The first of each kind.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        for rule in Rule::ALL {
            let of_rule: Vec<&Finding> = self.findings.iter().filter(|finding| finding.rule == rule).collect();
            if let Some(first) = of_rule.first() {
                let _ = writeln!(text, "{} times {first}", of_rule.len());
            }
        }
        text
    }

    /// # Panics
    ///
    /// If a promise is broken; then the history stays, and the message says where.
    pub(crate) fn check(self) {
        println!("{}", self.row());
        if !self.findings.is_empty() {
            println!("{}", self.told());
        }
        assert!(
            self.broken().is_empty(),
            "{}, seed {}: history in {}\n{}",
            self.topology,
            self.seed,
            self.folder.display(),
            self.told()
        );
        assert!(
            self.longest() < IN_TIME,
            "{}, seed {}: an operation took {:?}; history in {}",
            self.topology,
            self.seed,
            self.longest(),
            self.folder.display()
        );
        if std::env::var_os("REDIS_CHECKER_KEEP").is_none() {
            self.clean_up();
        }
    }

    pub(crate) fn clean_up(self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
