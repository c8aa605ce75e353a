//! What each store operation costs beside the same batch on the bare engine, on one database each:
//! `cargo bench -p session-fjall --bench operations`. `SESSIONS=10000` shrinks it.
//!
//! Wall time first, then processor time of the whole process, which says more on a machine that others use too.
//!
//! Required: an operation takes at most 1.5 times what the engine takes, with enough callers to keep the committer busy; 64 durable writers
//! get at least 6 times as much done as by one sync for each write, with a p99 below 10 syncs.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use session_core::{Admission, Record, Store, Timestamp};
use session_fjall::{Durability, FjallStore};
use support::{HOUR, START, Sample, at, key, sample};

/// Rounds of which the median counts.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions: u64 = std::env::var("SESSIONS").map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = FjallStore::open(folder.path().join("sessions"))?;
    let uncached = FjallStore::builder(folder.path().join("uncached"))
        .record_cache(0)
        .open()?;
    let engine = Engine::open(&folder.path().join("engine"))?;

    println!(
        "create, replace, touch and delete {sessions} sessions of about 300 B: µs for each, median of {ROUNDS}, wall / processor\n"
    );
    println!("| operation | engine | 64 callers | ratio | 1 caller | ratio | 64 callers without record cache |");
    println!("|---|---|---|---|---|---|---|");
    for operation in Operation::ALL {
        let mut figures = [const { Vec::new() }; 4];
        for round in 0..ROUNDS as u64 {
            let share = round * sessions..(round + 1) * sessions;
            figures[0].push(Cost::of(sessions, async || engine.run(operation, share.clone())).await?);
            figures[1].push(run(&store, operation, share.clone(), 64).await?);
            figures[3].push(run(&uncached, operation, share, 64).await?);
        }
        // One caller, on sessions of its own.
        for round in 0..ROUNDS as u64 {
            let start = (100 + round) * sessions;
            // Each delete waits for a sync.
            let count = if matches!(operation, Operation::Delete) {
                200
            } else {
                sessions / 10
            };
            figures[2].push(run(&store, operation, start..start + count, 1).await?);
        }
        let [engine, many, one, without] = figures.map(|costs| Cost::median(&costs));
        println!(
            "| {operation:?} | {engine} | {many} | {} | {one} | {} | {without} |",
            many.over(engine),
            one.over(engine)
        );
    }

    println!("\nload {sessions} sessions in no order, ns for each\n");
    for number in 0..sessions {
        let created = (sample_of(number).record(), Admission::default());
        let _ = store
            .create(key(number), created.0.clone(), created.1, at(START))
            .await?;
        let _ = uncached.create(key(number), created.0, created.1, at(START)).await?;
    }
    for (what, store) in [("held", &store), ("from the engine", &uncached)] {
        for threads in [1, 2] {
            let mut figures = Vec::new();
            for _ in 0..ROUNDS {
                figures.push(load(store, sessions, threads).await.as_nanos() as f64 / 200_000.0);
            }
            println!("{what}, {threads} threads: {:.0}", median(figures));
        }
    }
    drop((store, uncached, engine));

    durable(folder.path()).await
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Create,
    Replace,
    Touch,
    Delete,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Create, Self::Replace, Self::Touch, Self::Delete];
}

fn sample_of(number: u64) -> Sample {
    let mut sample = sample(number);
    sample.payload = 230;
    sample
}

fn record(number: u64, revision: u64) -> Record {
    let mut sample = sample_of(number);
    sample.revision = revision;
    sample.record()
}

/// Microseconds for each.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

impl Cost {
    async fn of(count: u64, work: impl AsyncFnOnce() -> fjall::Result<()>) -> Result<Self, Box<dyn std::error::Error>> {
        let (processor, wall) = (processor_time()?, Instant::now());
        work().await?;
        let (wall, processor) = (wall.elapsed(), processor_time()? - processor);
        let each = |took: Duration| took.as_secs_f64() * 1e6 / count as f64;
        Ok(Self {
            wall: each(wall),
            processor: each(processor),
        })
    }

    fn median(costs: &[Self]) -> Self {
        Self {
            wall: median(costs.iter().map(|cost| cost.wall).collect()),
            processor: median(costs.iter().map(|cost| cost.processor).collect()),
        }
    }

    fn over(self, limit: Self) -> String {
        format!(
            "{:.2} / {:.2}",
            self.wall / limit.wall,
            self.processor / limit.processor
        )
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} / {:.1}", self.wall, self.processor)
    }
}

/// Of this process with all its threads, as Linux counts it: in hundredths of a second.
fn processor_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let line = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = line.rsplit_once(')').ok_or("a line of another form")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Runs an operation over a range of sessions, from so many tasks; the records are put together before the clock starts.
async fn run(
    store: &FjallStore,
    operation: Operation,
    numbers: std::ops::Range<u64>,
    callers: u64,
) -> Result<Cost, Box<dyn std::error::Error>> {
    let count = numbers.end - numbers.start;
    let work: Vec<Vec<(u64, Option<Record>)>> = (0..callers)
        .map(|caller| {
            numbers
                .clone()
                .skip(caller as usize)
                .step_by(callers as usize)
                .map(|number| match operation {
                    Operation::Create => (number, Some(record(number, 1))),
                    Operation::Replace => (number, Some(record(number, 2))),
                    Operation::Touch | Operation::Delete => (number, None),
                })
                .collect()
        })
        .collect();
    Cost::of(count, async || {
        let mut tasks = tokio::task::JoinSet::new();
        for share in work {
            let store = store.clone();
            tasks.spawn(async move {
                for (number, record) in share {
                    apply(&store, operation, number, record)
                        .await
                        .expect("the disk has room");
                }
            });
        }
        tasks.join_all().await;
        Ok(())
    })
    .await
}

async fn apply(
    store: &FjallStore,
    operation: Operation,
    number: u64,
    record: Option<Record>,
) -> session_core::Result<()> {
    let key = key(number);
    match (operation, record) {
        (Operation::Create, Some(record)) => {
            let _ = store
                .create(key, record, Admission::default(), Timestamp::default())
                .await?;
        }
        (Operation::Replace, Some(record)) => {
            let _ = store.replace(key, 1, record, at(START)).await?;
        }
        (Operation::Touch, _) => {
            let _ = store.touch(key, at(START + 1000), at(START + HOUR)).await?;
        }
        (_, _) => {
            let _ = store.delete(key).await?;
        }
    }
    Ok(())
}

async fn load(store: &FjallStore, sessions: u64, threads: u64) -> Duration {
    const LOADS: u64 = 200_000;
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for thread in 0..threads {
        let store = store.clone();
        tasks.spawn(async move {
            let mut state = thread + 1;
            for _ in 0..LOADS {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let loaded = store.load(key(state % sessions), at(START + 1)).await;
                assert!(loaded.expect("the store is sound").is_some());
            }
        });
    }
    tasks.join_all().await;
    started.elapsed()
}

/// The bare engine with the same keyspaces and batches.
struct Engine {
    database: Database,
    records: Keyspace,
    seen: Keyspace,
    deadlines: Keyspace,
}

impl Engine {
    fn open(path: &std::path::Path) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(64 << 20)
            .max_journaling_size(64 << 20)
            .open()?;
        let keyspace = |name| database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(16 << 20));
        Ok(Self {
            records: keyspace("records")?,
            seen: keyspace("seen")?,
            deadlines: keyspace("deadlines")?,
            database: database.clone(),
        })
    }

    fn run(&self, operation: Operation, numbers: std::ops::Range<u64>) -> fjall::Result<()> {
        let bytes = record(0, 1).encode();
        for number in numbers {
            let key = key(number);
            let key = key.as_bytes();
            let mut place = [0; 40];
            place[8..].copy_from_slice(key);
            let mut batch = self.database.batch();
            match operation {
                Operation::Create => {
                    batch.insert(&self.records, key, &*bytes);
                    batch.insert(&self.seen, key, [0; 16]);
                    batch.insert(&self.deadlines, place, []);
                }
                Operation::Replace => batch.insert(&self.records, key, &*bytes),
                Operation::Touch => batch.insert(&self.seen, key, [1; 16]),
                Operation::Delete => {
                    batch.remove(&self.records, key);
                    batch.remove(&self.seen, key);
                    batch.remove(&self.deadlines, place);
                }
            }
            batch.commit()?;
            if matches!(operation, Operation::Delete) && number % 64 == 0 {
                self.database.persist(PersistMode::SyncData)?;
            }
        }
        Ok(())
    }
}

/// Durable writers, beside one sync for each write.
async fn durable(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    const WRITES: u64 = 300;
    let engine = Engine::open(&folder.join("synced engine"))?;
    let bytes = record(0, 1).encode();
    let mut syncs = Vec::new();
    let started = Instant::now();
    for number in 0..WRITES {
        let began = Instant::now();
        engine.records.insert(key(number).as_bytes(), &*bytes)?;
        engine.database.persist(PersistMode::SyncData)?;
        syncs.push(began.elapsed());
    }
    let alone = WRITES as f64 / started.elapsed().as_secs_f64();
    syncs.sort_unstable();
    let sync = syncs[syncs.len() / 2];
    println!(
        "\none sync for each write: {alone:.0} writes a second, median {sync:.1?}, p99 {:.1?}",
        percentile(&syncs)
    );
    let store = FjallStore::builder(folder.join("durable"))
        .durability(Durability::PowerLoss)
        .open()?;
    for writers in [1, 64, 256] {
        let took = Arc::new(std::sync::Mutex::new(Vec::new()));
        let each = if writers == 1 { WRITES } else { 200 };
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let (store, took) = (store.clone(), Arc::clone(&took));
            tasks.spawn(async move {
                let mut mine = Vec::new();
                for number in 0..each {
                    let number = (writers * 1000 + writer) * 1000 + number;
                    let record = record(number, 1);
                    let began = Instant::now();
                    let created = store.create(key(number), record, Admission::default(), Timestamp::default());
                    let _ = created.await.expect("the disk has room");
                    mine.push(began.elapsed());
                }
                took.lock().expect("nobody panicked").extend(mine);
            });
        }
        tasks.join_all().await;
        let rate = (writers * each) as f64 / started.elapsed().as_secs_f64();
        let mut took = std::mem::take(&mut *took.lock().expect("nobody panicked"));
        took.sort_unstable();
        let p99 = percentile(&took);
        println!(
            "{writers} durable writers: {rate:.0} a second, {:.1} times as many; p99 {p99:.1?}, {:.1} syncs",
            rate / alone,
            p99.as_secs_f64() / sync.as_secs_f64()
        );
    }
    Ok(())
}

fn percentile(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
