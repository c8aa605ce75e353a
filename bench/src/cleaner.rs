//! `cleaner`: what it takes to remove what has expired, and what requests feel of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, params};
use session_core::conformance::sample::{self, Sample};
use session_core::{Admission, Backlog, Created, Lifetime, MemoryStore, Record, Store, Timestamp};
use session_fjall::FjallStore;
use tokio::runtime::Runtime;
use tower_sessions::ExpiredDeletion;

use crate::goals::Goal;
use crate::measure::{Picker, Samples, micros};
use crate::plot::Lines;
use crate::report::{Report, Table, number};

const HOUR: Duration = Duration::from_secs(3600);

/// What the cleaner removes at once, by default.
const BATCH: usize = 1000;

/// Sessions that requests use meanwhile.
const HOT: u64 = 10_000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub sessions: u64,
    /// A day's worth of visitors who came and went.
    pub churn: u64,
}

impl Effort {
    pub const FULL: Self = Self {
        sessions: 1_000_000,
        churn: 480_000,
    };
    /// Minutes, and some 6 GB of disk.
    pub const LARGE: Self = Self {
        sessions: 10_000_000,
        churn: 480_000,
    };
    pub const QUICK: Self = Self {
        sessions: 20_000,
        churn: 24_000,
    };

    /// How many have expired after 1, 2 and 3 hours: 0.1, 1 and 10 %.
    fn parts(self) -> [u64; 3] {
        [self.sessions / 1000, self.sessions / 100, self.sessions / 10]
    }
}

/// One sweep until nothing is due.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    expired: u64,
    micros: f64,
}

/// Latencies of loads, in µs.
#[derive(Default)]
struct Felt {
    idle: Samples,
    sweeping: Samples,
}

pub fn run(folder: &Path, effort: Effort) -> Result<()> {
    let mut report = Report::new(
        folder,
        if effort.sessions > Effort::FULL.sessions {
            "cleaner-large"
        } else {
            "cleaner"
        },
        "The cleaner: what it takes to remove what has expired",
        &["fjall", "tower-sessions-rusqlite-store", "rusqlite"],
    )?;
    report.note(&format!(
        "{} sessions of 300 B are stored. 0, 0.1, 1 and 10 % of them expire, one part after the other, and each is swept until nothing is \
         due. Of ours, in batches of {BATCH} as the cleaner does; of the peer by its `delete_expired`, which has no index and looks at \
         every session. **Lower is better**; the time should follow what has expired, not what is stored.",
        number(effort.sessions as f64)
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let temporary = tempfile::tempdir()?;
    let start = sample::now();

    let fjall = FjallStore::open(temporary.path().join("store"))?;
    let memory = Arc::new(MemoryStore::new());
    let peer = Peer::fill(&temporary.path().join("sessions.sqlite"), effort.sessions, &runtime)?;
    runtime.block_on(fill(Arc::new(fjall.clone()), effort, start))?;
    runtime.block_on(fill(memory.clone(), effort, start))?;
    // Compaction of what was just filled is no part of a sweep.
    runtime.block_on(fjall.close())?;
    let fjall = FjallStore::open(temporary.path().join("store"))?;

    let mut felt = Felt::default();
    let mut names = vec![("ours, FjallStore", Vec::new()), ("ours, MemoryStore", Vec::new())];
    let mut peers = Vec::new();
    let mut first = Sweep {
        expired: 0,
        micros: 0.0,
    };
    for (hours, expired) in [0].into_iter().chain(effort.parts()).enumerate() {
        let now = start.saturating_add(HOUR * hours as u32);
        // The largest part is swept in slices, so that requests can be watched with and without it.
        let watched = (hours == 3).then_some(&mut felt);
        if expired == 0 {
            first = sweep(&runtime, &fjall, now, 0, start, None)?;
            names[0].1.push(empty(|| sweep(&runtime, &fjall, now, 0, start, None))?);
            names[1]
                .1
                .push(empty(|| sweep(&runtime, &*memory, now, 0, start, None))?);
            peers.push(empty(|| peer.sweep(0, &runtime))?);
            continue;
        }
        names[0].1.push(sweep(&runtime, &fjall, now, expired, start, watched)?);
        names[1].1.push(sweep(&runtime, &*memory, now, expired, start, None)?);
        peers.push(peer.sweep(expired, &runtime)?);
    }
    names.push(("tower-sessions, RusqliteStore", peers));
    report.section(
        "Cost",
        &format!(
            "ms of one sweep, and µs for each session that was removed. A sweep that finds nothing is the median of {EMPTY}. The very first \
             one after opening took {} ms in FjallStore: it finds the front of the queue.",
            number(first.micros / 1e3)
        ),
    );
    let mut table = Table::new(&["sweep of", "expired", "ms", "µs each"]);
    for (name, sweeps) in &names {
        for sweep in sweeps {
            let each = if sweep.expired == 0 {
                f64::NAN
            } else {
                sweep.micros / sweep.expired as f64
            };
            table.row([
                (*name).to_owned(),
                number(sweep.expired as f64),
                number(sweep.micros / 1e3),
                number(each),
            ]);
        }
    }
    report.table(&table);
    report.lines(
        "cost",
        &Lines {
            title: format!("One sweep of {} sessions", number(effort.sessions as f64)),
            across: "sessions that have expired (none is drawn as 1)".to_owned(),
            along: "ms".to_owned(),
            curves: names
                .iter()
                .map(|(name, sweeps)| {
                    let point = |sweep: &Sweep| (sweep.expired.max(1) as f64, (sweep.micros / 1e3).max(0.001));
                    ((*name).to_owned(), sweeps.iter().map(point).collect())
                })
                .collect(),
        },
    )?;

    let mut churned = Felt::default();
    let after = churn(&runtime, &fjall, effort, start, &mut churned)?;
    report.section(
        "After a day of churn",
        &format!(
            "{} visitors came and went in 24 hours, swept every hour: what is removed leaves tombstones at the front of the queue of \
             deadlines. Then sweeps of FjallStore again.",
            number(effort.churn as f64)
        ),
    );
    let mut table = Table::new(&["FjallStore", "expired", "ms", "µs each"]);
    for (what, sweep) in ["nothing is due", "the visitors of a busy hour"].into_iter().zip(after) {
        let each = if sweep.expired == 0 {
            f64::NAN
        } else {
            sweep.micros / sweep.expired as f64
        };
        table.row([
            what.to_owned(),
            number(sweep.expired as f64),
            number(sweep.micros / 1e3),
            number(each),
        ]);
    }
    report.table(&table);

    report.section(
        "What requests feel",
        "A thread loads one of 10,000 sessions in use about every 0.1 ms; slices of sweeping and of nothing take turns. µs of a load, \
         **lower is better**.",
    );
    let mut table = Table::new(&["µs of a load", "p50", "p99", "p99.9", "max"]);
    for (what, samples) in [
        ("idle", &felt.idle),
        ("sweeping", &felt.sweeping),
        ("after churn, idle", &churned.idle),
        ("after churn, sweeping", &churned.sweeping),
    ] {
        let quantiles = [0.5, 0.99, 0.999, 1.0].map(|part| number(samples.quantile(part)));
        table.row([what.to_owned()].into_iter().chain(quantiles));
    }
    report.table(&table);

    let each = |sweep: &Sweep| sweep.micros / sweep.expired as f64;
    let ours = &names[0].1;
    let p99 = |samples: &Samples| samples.quantile(0.99);
    report.goals(&[
        Goal::ratio(
            "8. µs each at 10 % expired, of those at 0.1 %",
            2.0,
            each(&ours[3]),
            each(&ours[1]),
        ),
        Goal::ratio(
            "8. an empty sweep, of one that removes 0.1 %",
            0.1,
            ours[0].micros,
            ours[1].micros,
        ),
        Goal::ratio(
            "8. p99 of loads during a sweep, of the idle one",
            2.0,
            p99(&felt.sweeping),
            p99(&felt.idle),
        ),
        Goal::ratio(
            "8. the same after a day of churn",
            2.0,
            p99(&churned.sweeping),
            p99(&churned.idle),
        ),
    ]);
    report.finish()
}

const EMPTY: usize = 9;

/// The median of several sweeps that find nothing.
fn empty(mut sweep: impl FnMut() -> Result<Sweep>) -> Result<Sweep> {
    let found: Vec<_> = (0..EMPTY).map(|_| Ok(sweep()?.micros)).collect::<Result<_>>()?;
    let found: Samples = found.into_iter().collect();
    Ok(Sweep {
        expired: 0,
        micros: found.median(),
    })
}

/// A session of 300 B that ends at a fixed time.
fn record(number: u64, began: Timestamp, lives: Duration) -> Record {
    let lifetime = Lifetime::fixed(lives).expect("hours are within the limits");
    let sample = Sample::new(began).without_values().lifetime(lifetime).handle(number);
    sample.value("payload", &[number as u8; 240]).build()
}

async fn fill(store: Arc<dyn Store>, effort: Effort, start: Timestamp) -> Result<()> {
    let [few, some, many] = effort.parts();
    create(Arc::clone(&store), IN_USE..IN_USE + HOT, start, |_| 48 * HOUR).await?;
    create(store, 0..effort.sessions, start, move |number| match number {
        _ if number < few => HOUR,
        _ if number < few + some => 2 * HOUR,
        _ if number < few + some + many => 3 * HOUR,
        _ => 48 * HOUR + Duration::from_secs(number % 3600),
    })
    .await
}

async fn create(
    store: Arc<dyn Store>,
    numbers: std::ops::Range<u64>,
    began: Timestamp,
    lives: impl Fn(u64) -> Duration + Copy + Send + 'static,
) -> Result<()> {
    const LANES: usize = 256;
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let (store, numbers) = (Arc::clone(&store), numbers.clone());
        lanes.spawn(async move {
            for number in numbers.skip(lane).step_by(LANES) {
                let record = record(number, began, lives(number));
                let created = store
                    .create(sample::key(number), record, Admission::default(), began)
                    .await?;
                ensure!(created == Created::Stored, "a session was not created");
            }
            Ok(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

/// Sweeps until nothing is due, watched or not.
fn sweep(
    runtime: &Runtime,
    store: &(impl Store + ?Sized),
    now: Timestamp,
    expired: u64,
    start: Timestamp,
    mut watched: Option<&mut Felt>,
) -> Result<Sweep> {
    const SLICE: Duration = Duration::from_millis(250);
    let (mut removed, mut spent) = (0, Duration::ZERO);
    loop {
        if let Some(felt) = &mut watched {
            felt.idle.extend(&loads(store, start, || std::thread::sleep(SLICE))?);
        }
        let mut backlog = Backlog::Remaining;
        let mut slice = || -> Result<()> {
            let began = Instant::now();
            while backlog == Backlog::Remaining && (expired == 0 || began.elapsed() < SLICE) {
                let swept = runtime.block_on(store.sweep(now, BATCH))?;
                removed += swept.removed as u64;
                backlog = swept.backlog;
            }
            spent += began.elapsed();
            Ok(())
        };
        match &mut watched {
            None => slice()?,
            Some(felt) => {
                let mut done = Ok(());
                felt.sweeping.extend(&loads(store, start, || done = slice())?);
                done?;
            }
        }
        if backlog == Backlog::Empty {
            break;
        }
    }
    ensure!(
        removed == expired,
        "{removed} sessions were removed, {expired} had expired"
    );
    Ok(Sweep {
        expired,
        micros: micros(spent),
    })
}

/// What loads take while `meanwhile` runs.
fn loads(store: &(impl Store + ?Sized), now: Timestamp, meanwhile: impl FnOnce()) -> Result<Samples> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loader = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            let mut picker = Picker::new(1);
            let mut samples = Samples::default();
            while !stop.load(Ordering::Relaxed) {
                let key = sample::key(IN_USE + picker.below(HOT));
                let started = Instant::now();
                let found = runtime.block_on(store.load(key, now))?;
                samples.push(micros(started.elapsed()));
                std::hint::black_box(found);
                std::thread::sleep(Duration::from_micros(100));
            }
            anyhow::Ok(samples)
        });
        meanwhile();
        stop.store(true, Ordering::Relaxed);
        loader.join().expect("the loader does not panic")
    })
}

/// The first of the sessions in use: they are created beside the others, and stay.
const IN_USE: u64 = 1 << 40;

/// A day of visitors, by hours.
fn churn(
    runtime: &Runtime,
    store: &FjallStore,
    effort: Effort,
    start: Timestamp,
    felt: &mut Felt,
) -> Result<[Sweep; 2]> {
    let hourly = effort.churn / 24;
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let mut number = 1 << 41;
    let mut now = start.saturating_add(4 * HOUR);
    let mut nothing = Sweep {
        expired: 0,
        micros: 0.0,
    };
    let mut visitors = hourly;
    for hour in 0..=24 {
        // The last hour is a busy one, so that its sweep lasts long enough to be felt.
        visitors = if hour < 24 { hourly } else { 5 * hourly };
        runtime.block_on(create(Arc::clone(&shared), number..number + visitors, now, |_| HOUR))?;
        number += visitors;
        now = now.saturating_add(HOUR);
        if hour < 24 {
            sweep(runtime, store, now, visitors, start, None)?;
            nothing = sweep(runtime, store, now, 0, start, None)?;
        }
    }
    let last = sweep(runtime, store, now, visitors, start, Some(felt))?;
    Ok([nothing, last])
}

/// tower-sessions on SQLite.
struct Peer {
    store: tower_sessions_rusqlite_store::RusqliteStore,
    connection: Connection,
}

impl Peer {
    /// The table is filled past the store, which would take an hour.
    fn fill(path: &Path, sessions: u64, runtime: &Runtime) -> Result<Self> {
        let store = runtime.block_on(async {
            let connection = tokio_rusqlite::Connection::open(path).await?;
            let pragmas = "pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 10000;";
            connection.call(|connection| connection.execute_batch(pragmas)).await?;
            let store = tower_sessions_rusqlite_store::RusqliteStore::new(connection);
            store.migrate().await?;
            anyhow::Ok(store)
        })?;
        let mut connection = Connection::open(path)?;
        connection.execute_batch("pragma synchronous = off; pragma busy_timeout = 10000;")?;
        let name: String = connection.query_row("select name from sqlite_master where type = 'table'", [], |row| {
            row.get(0)
        })?;
        let transaction = connection.transaction()?;
        let insert = format!("insert into {name} (id, data, expiry_date) values (?, ?, ?)");
        for number in 0..sessions {
            let id = format!("{:022x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c));
            transaction
                .prepare_cached(&insert)?
                .execute(params![id, [0_u8; 240], 4_000_000_000_i64])?;
        }
        transaction.commit()?;
        Ok(Self { store, connection })
    }

    fn sweep(&self, expired: u64, runtime: &Runtime) -> Result<Sweep> {
        let name: String =
            self.connection
                .query_row("select name from sqlite_master where type = 'table'", [], |row| {
                    row.get(0)
                })?;
        let expire = format!("update {name} set expiry_date = 1 where rowid in (select rowid from {name} limit ?)");
        let changed = self.connection.execute(&expire, [expired as i64])?;
        ensure!(changed as u64 == expired, "{changed} sessions were made to expire");
        let started = Instant::now();
        runtime.block_on(self.store.delete_expired())?;
        Ok(Sweep {
            expired,
            micros: micros(started.elapsed()),
        })
    }
}
