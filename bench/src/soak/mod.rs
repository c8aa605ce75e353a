//! `soak`: mixed traffic on the probe application with the embedded store, over TCP, while the wall clock jumps an hour forward and back.
//! Every answer is held to a model of what must be true; memory, files, disk and the cleaner are watched. It fails if one answer is wrong
//! or something grows.
//!
//! [`lane`] sends and judges, [`model`] knows when a session must be there, [`server`] is the other process, [`series`] watches it.

pub mod book;
pub mod kind;
pub mod lane;
pub mod model;
pub mod series;
pub mod server;
mod weighed;
mod wire;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use self::book::{Book, lock};
use self::kind::Kind;
use self::lane::Lane;
use self::model::{Counts, JUMP, Rules, Timeline};
use self::series::{Sample, Tolerance, flat};
use self::server::{Fault, Server};
use crate::goals::Goal;
use crate::measure::Samples;
use crate::plot::{Course, Scale};
use crate::report::{Report, Table, number};

const LANES: u64 = 32;
const MIB: f64 = 1024.0 * 1024.0;

/// How long, how much, and how flat.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub time: Duration,
    /// Requests a second.
    pub rate: u64,
    /// Sessions in use at once; as many again and more are left alone.
    pub in_use: u64,
    pub rules: Rules,
    pub every: Duration,
    /// MiB of each of the store's two caches.
    pub cache: u64,
    pub memory: Tolerance,
    pub files: Tolerance,
    pub disk: Tolerance,
}

impl Effort {
    /// Half an hour is what was promised; other times are for other questions.
    pub const fn minutes(minutes: u64, cache: u64) -> Self {
        Self {
            time: Duration::from_secs(minutes * 60),
            rate: 600,
            in_use: 2000,
            rules: Rules {
                idle: Duration::from_secs(60),
                absolute: Duration::from_secs(600),
                sweep: Duration::from_secs(5),
            },
            every: Duration::from_secs(5),
            cache,
            memory: Tolerance { part: 0.04, more: 4.0 },
            files: Tolerance { part: 0.25, more: 16.0 },
            disk: Tolerance { part: 0.25, more: 16.0 },
        }
    }

    /// So short that caches are still filling: only what grows with every request shows.
    pub const SHORT: Self = Self {
        time: Duration::from_secs(30),
        rate: 400,
        in_use: 320,
        rules: Rules {
            idle: Duration::from_secs(5),
            absolute: Duration::from_secs(14),
            sweep: Duration::from_millis(500),
        },
        every: Duration::from_millis(500),
        cache: 64,
        memory: Tolerance { part: 0.1, more: 24.0 },
        files: Tolerance { part: 0.25, more: 16.0 },
        disk: Tolerance { part: 0.25, more: 24.0 },
    };
}

/// What was seen outside of the lanes.
#[derive(Default)]
struct Watched {
    series: Vec<Sample>,
    violations: Vec<String>,
    /// How far the number of live sessions lay from what it may be, at most.
    counted: u64,
}

/// Runs one; an error if something is not as it must be.
pub fn run(folder: &Path, effort: Effort, fault: Option<Fault>) -> Result<()> {
    let mut report = Report::new(
        folder,
        "soak",
        "Soak: mixed traffic for a long time",
        &["fjall", "axum", "tokio"],
    )?;
    let data = tempfile::tempdir()?;
    let store = data.path().join("store");
    let mut server = Server::start(&store, effort.rules, effort.cache, fault)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;

    let start = Instant::now();
    let timeline = Arc::new(Timeline::new(start));
    let books: Vec<Arc<Mutex<Book>>> = (0..LANES).map(|_| Arc::default()).collect();
    let mut lanes = JoinSet::new();
    for (number, book) in (1..).zip(&books) {
        let lane = Lane {
            number,
            port: server.port(),
            rules: effort.rules,
            pause: Duration::from_secs(LANES) / effort.rate as u32,
            in_use: (effort.in_use / LANES) as usize,
            timeline: Arc::clone(&timeline),
            book: Arc::clone(book),
        };
        lanes.spawn_on(lane.run(start + effort.time), runtime.handle());
    }

    let mut watched = Watched::default();
    // The wall clock goes forward at two fifths, back at three.
    let mut jumps = vec![(effort.time * 3 / 5, -1), (effort.time * 2 / 5, 1)];
    let mut next = effort.every;
    while next <= effort.time {
        std::thread::sleep((start + next).saturating_duration_since(Instant::now()));
        watched.look(&mut server, &store, &timeline, &books, start.elapsed(), effort)?;
        if let Some((_, direction)) = jumps.pop_if(|(at, _)| *at <= next) {
            if direction > 0 {
                timeline.jump_begins();
            }
            server.jump(direction * JUMP.as_secs() as i64)?;
            // `SystemClock` looks at the wall clock now and then.
            std::thread::sleep(Duration::from_millis(100));
            if direction > 0 {
                timeline.jump_is_done();
            }
        }
        next += effort.every;
    }
    runtime.block_on(async {
        while let Some(lane) = lanes.join_next().await {
            lane??;
        }
        anyhow::Ok(())
    })?;

    // Nobody comes any more: everything must end, and be removed. A busy machine may take its time.
    let patience = Instant::now() + effort.rules.idle + effort.rules.grace() + Duration::from_secs(30);
    let mut drained = server.count()?;
    while drained.live + drained.expired > 0 && Instant::now() < patience {
        std::thread::sleep(effort.every);
        drained = server.count()?;
    }
    let after = Sample::take(server.id(), &store, start.elapsed(), drained, Samples::default())?;
    let mut looked_at = 0;
    for book in &books {
        looked_at += runtime.block_on(Lane::look_at_the_ended(server.port(), book))?;
    }
    let complaints = server.stop()?;

    let mut book = Book::default();
    for lane in &books {
        book.add(&lock(lane));
    }
    watched.violations.append(&mut book.violations);
    watched
        .violations
        .extend(complaints.into_iter().map(|line| format!("the server wrote: {line}")));

    let goals = goals(&watched, &after, effort);
    describe(&mut report, effort, &book, &watched, &after, looked_at);
    latencies(&mut report, &book);
    courses(&mut report, &watched.series, effort)?;
    report.goals(&goals);
    for violation in watched.violations.iter().take(20) {
        report.note(&format!("- {violation}"));
    }
    report.finish()?;
    let missed = goals.iter().filter(|goal| !goal.is_met()).count();
    ensure!(missed == 0, "{missed} of what must hold does not");
    Ok(())
}

impl Watched {
    /// Takes a sample, and compares the number of sessions with what the lanes say.
    fn look(
        &mut self,
        server: &mut Server,
        store: &Path,
        timeline: &Timeline,
        books: &[Arc<Mutex<Book>>],
        at: Duration,
        effort: Effort,
    ) -> Result<()> {
        let asked = Instant::now();
        let before = known(books, timeline, asked, effort.rules);
        let count = server.count()?;
        let after = known(books, timeline, asked, effort.rules);
        // What is under way in each lane is not yet in its book.
        let under_way = 2 * LANES;
        let least = before.least.min(after.least).saturating_sub(under_way);
        let most = before.most.max(after.most) + under_way;
        let off = least.saturating_sub(count.live) + count.live.saturating_sub(most);
        self.counted = self.counted.max(off);
        if off > 0 {
            self.violations.push(format!(
                "at {} s there are {} live sessions, and not {least} to {most}",
                at.as_secs(),
                count.live
            ));
        }
        let stored = before.stored.max(after.stored) + under_way;
        let settled = timeline.since_jump().is_none_or(|since| since > effort.rules.grace());
        if settled && count.live + count.expired > stored {
            self.violations.push(format!(
                "at {} s {} sessions are stored, and not {stored} at most: the cleaner is behind",
                at.as_secs(),
                count.live + count.expired
            ));
        }
        let mut latencies = Samples::default();
        for book in books {
            let mut book = lock(book);
            latencies.extend(&std::mem::take(&mut book.lately));
        }
        self.series
            .push(Sample::take(server.id(), store, at, count, latencies)?);
        Ok(())
    }
}

fn known(books: &[Arc<Mutex<Book>>], timeline: &Timeline, asked: Instant, rules: Rules) -> Counts {
    let mut sum = Counts::default();
    for book in books {
        let book = lock(book);
        let counts = book.counts(timeline.span(asked, Instant::now()), rules);
        sum.least += counts.least;
        sum.most += counts.most;
        sum.stored += counts.stored;
    }
    sum
}

fn goals(watched: &Watched, after: &Sample, effort: Effort) -> Vec<Goal> {
    let series = &watched.series;
    vec![
        Goal::at_most(
            "answers or counts that are wrong, and lines on standard error",
            0.0,
            "",
            watched.violations.len() as f64,
        ),
        flat("memory at the end, MiB", "", effort.memory, series, |sample| {
            sample.resident as f64 / MIB
        }),
        flat("open files at the end", "", effort.files, series, |sample| {
            sample.open as f64
        }),
        flat("files in the folder at the end", "", effort.files, series, |sample| {
            sample.files as f64
        }),
        flat("disk at the end, MiB", "", effort.disk, series, |sample| {
            sample.disk as f64 / MIB
        }),
        Goal::at_most(
            "sessions stored when all have ended",
            0.0,
            "",
            (after.count.live + after.count.expired) as f64,
        ),
        Goal::at_most("runs of the cleaner that failed", 0.0, "", after.count.failed as f64),
        Goal::at_most("records that cannot be read", 0.0, "", after.count.unreadable as f64),
    ]
}

fn describe(report: &mut Report, effort: Effort, book: &Book, watched: &Watched, after: &Sample, looked_at: u64) {
    let rules = effort.rules;
    report.note(&format!(
        "{} s of traffic on the probe application of adapter-axum with `FjallStore`, two caches of {} MiB each (64 is the default), in a process of its own. {} requests \
         a second are due at fixed moments, whether or not earlier ones are answered, on {LANES} lanes. Sessions end after {} s without a \
         request, or after {} s; the cleaner comes every {} s. After two fifths of the time the wall clock jumps forward by an hour, \
         after three fifths back.",
        effort.time.as_secs(),
        effort.cache,
        effort.rate,
        rules.idle.as_secs(),
        rules.absolute.as_secs(),
        rules.sweep.as_secs_f64(),
    ));
    report.note(
        "Each lane knows what its sessions hold and when they end, and holds every answer to that: what was acknowledged is read back, \
         tokens that were given up stay out, nothing lives longer than it may or shorter than it must. With each sample the sessions in the \
         store are counted, and compared with what all lanes know together.",
    );
    let last = watched.series.last();
    let of_last = |figure: fn(&Sample) -> u64| last.map_or(f64::NAN, |sample| figure(sample) as f64);
    let (written, data) = (of_last(|sample| sample.written), of_last(|sample| sample.count.written));
    let most = |figure: fn(&Sample) -> u64| watched.series.iter().map(figure).max().unwrap_or(0) as f64;
    let mut table = Table::new(&["", "figure"]);
    let mut row = |what: &str, figure: String| table.row([what.to_owned(), figure]);
    row("requests", number(book.requests as f64));
    row(
        "wrong answers, wrong counts, lines on standard error",
        watched.violations.len().to_string(),
    );
    row(
        "requests within which a deadline lay, so that more than one answer is right",
        number(book.unjudged as f64),
    );
    row(
        "sessions in the store, at most",
        number(most(|sample| sample.count.live + sample.count.expired)),
    );
    row("removed by the cleaner", number(after.count.removed as f64));
    row(
        "of what is stored expired, at most",
        number(most(|sample| sample.count.expired)),
    );
    row("session data written, MiB", number(data / MIB));
    row("written to the disk by the process, MiB", number(written / MIB));
    row("write amplification", number(written / data));
    row("memory at most, MiB", number(most(|sample| sample.resident) / MIB));
    row("open files at most", number(most(|sample| sample.open)));
    row("threads at most", number(most(|sample| sample.threads)));
    row("files in the folder at most", number(most(|sample| sample.files)));
    row("disk at most, MiB", number(most(|sample| sample.disk) / MIB));
    row(
        "records in the end, MiB",
        number(of_last(|sample| sample.count.bytes) / MIB),
    );
    row(
        "disk when all sessions have ended, MiB",
        number(after.disk as f64 / MIB),
    );
    row(
        "tokens of ended sessions that were tried in the end",
        number(looked_at as f64),
    );
    report.table(&table);
}

fn latencies(report: &mut Report, book: &Book) {
    report.section(
        "Latency",
        "ms from the moment when a request was due to its whole answer, so waiting in line counts. Generator and server share the \
         processors. **Lower is better.**",
    );
    let mut table = Table::new(&["request", "number", "p50", "p99", "p99.9", "max"]);
    let mut all = Samples::default();
    let row = |name: &str, samples: &Samples| {
        let quantiles = [0.5, 0.99, 0.999, 1.0].map(|part| number(samples.quantile(part) / 1e3));
        [name.to_owned(), number(samples.len() as f64)]
            .into_iter()
            .chain(quantiles)
    };
    for ((_, _, name), samples) in Kind::ALL.iter().zip(&book.latencies) {
        all.extend(samples);
        table.row(row(name, samples));
    }
    table.row(row("all", &all));
    report.table(&table);
}

fn courses(report: &mut Report, series: &[Sample], effort: Effort) -> Result<()> {
    report.section("Over time", "The dark lines are the two jumps of the wall clock.");
    let marks: Vec<f64> = [2.0, 3.0]
        .map(|part| effort.time.as_secs_f64() / 60.0 * part / 5.0)
        .to_vec();
    let curve = |name: &str, figure: &dyn Fn(&Sample) -> f64| {
        let points = series.iter().map(|sample| (sample.minutes(), figure(sample)));
        (name.to_owned(), points.collect())
    };
    let mut draw = |file: &str, title: &str, along: &str, scale: Scale, curves: Vec<(String, Vec<(f64, f64)>)>| {
        report.course(
            file,
            &Course {
                title: title.to_owned(),
                across: "minutes".to_owned(),
                along: along.to_owned(),
                scale,
                curves,
                marks: marks.clone(),
            },
        )
    };
    draw(
        "memory",
        "Memory of the server",
        "MiB",
        Scale::Linear,
        vec![curve("resident", &|sample| sample.resident as f64 / MIB)],
    )?;
    draw(
        "disk",
        "The store's folder",
        "MiB",
        Scale::Linear,
        vec![
            curve("disk", &|sample| sample.disk as f64 / MIB),
            curve("records", &|sample| sample.count.bytes as f64 / MIB),
        ],
    )?;
    draw(
        "files",
        "Files",
        "number",
        Scale::Linear,
        vec![
            curve("in the folder", &|sample| sample.files as f64),
            curve("open", &|sample| sample.open as f64),
        ],
    )?;
    draw(
        "sessions",
        "Sessions in the store",
        "number",
        Scale::Linear,
        vec![
            curve("live", &|sample| sample.count.live as f64),
            curve("expired, not yet removed", &|sample| sample.count.expired as f64),
        ],
    )?;
    draw(
        "latency",
        "Latency, in each sample",
        "ms",
        Scale::Log,
        vec![
            curve("p50", &|sample| sample.latencies.quantile(0.5) / 1e3),
            curve("p99", &|sample| sample.latencies.quantile(0.99) / 1e3),
            curve("max", &|sample| sample.latencies.quantile(1.0) / 1e3),
        ],
    )
}
