//! `memory`: what a session takes of memory and of the disk, and how long a store takes to open. Each figure comes from a process of its
//! own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tower_sessions::Session;

use crate::alloc::Tally;
use crate::goals::Goal;
use crate::measure::timed;
use crate::plot::{Bars, Group, Scale};
use crate::process::{bytes_of, resident, stop};
use crate::report::{Report, Table, number};
use crate::stores::ours::RECORD_CACHE;
use crate::stores::{Engine, Op, Sessions, Setup, Sync, dashmap, ours, raw_fjall, redb, sqlite};

const MIB: u64 = 1024 * 1024;
const RECORD: usize = 300;
const MILLION: u64 = 1_000_000;

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Fills, says how much memory that took.
    Hold,
    /// Fills and closes.
    Fill,
    /// Fills, says so, and writes on until it is killed.
    Crash,
    /// Opens, says how long that took in ms.
    Open,
    /// Opens, reads sessions for a while, says how much memory the process then has, and how much of that it has asked for.
    Read,
}

/// Which engine it does that to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    OursMemory,
    OursFjall,
    TowerMemory,
    Map,
    RawFjall,
    Redb,
    Sqlite,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::OursMemory => "ours, MemoryStore",
            Self::OursFjall => "ours, FjallStore",
            Self::TowerMemory => "tower-sessions, MemoryStore",
            Self::Map => "raw map of encoded records (dashmap)",
            Self::RawFjall => "raw fjall",
            Self::Redb => "redb",
            Self::Sqlite => "SQLite, WAL",
        }
    }

    fn open(self, setup: &Setup) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Self::OursMemory => Box::new(ours::Ours::memory(setup)?),
            Self::OursFjall => Box::new(ours::Ours::fjall(setup)?),
            Self::Map => Box::new(dashmap::Map::open(setup)),
            Self::RawFjall => Box::new(raw_fjall::RawFjall::open(setup)?),
            Self::Redb => Box::new(redb::Redb::open(setup)?),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(setup)?),
            Self::TowerMemory => bail!("it is no engine"),
        })
    }
}

pub fn run(folder: &Path, sessions: u64) -> Result<()> {
    let mut report = Report::new(
        folder,
        if sessions > MILLION { "memory-large" } else { "memory" },
        "Memory, disk, and opening",
        &["fjall", "tower-sessions", "dashmap", "redb", "rusqlite"],
    )?;
    report.note(&format!(
        "{} sessions of {RECORD} B. Every figure comes from a process of its own, one run each; **lower is better**.",
        number(sessions as f64)
    ));

    report.section(
        "In memory",
        "Bytes of resident memory for each live session: what the process grew by, divided.",
    );
    let mut table = Table::new(&["bytes for a session", "resident"]);
    let mut bars = Vec::new();
    for kind in [Kind::OursMemory, Kind::TowerMemory, Kind::Map] {
        let temporary = tempfile::tempdir()?;
        let bytes = figure(Task::Hold, kind, temporary.path(), sessions, 64)? / sessions as f64;
        table.row([kind.name().to_owned(), number(bytes)]);
        bars.push((kind.name().to_owned(), bytes));
    }
    report.table(&table);
    report.bars(
        "resident",
        &Bars {
            title: "Memory of a live session".to_owned(),
            subtitle: format!("bytes of resident memory, {RECORD} B records; lower is better"),
            scale: Scale::Linear,
            groups: vec![Group {
                title: format!("{} sessions", number(sessions as f64)),
                bars,
            }],
        },
    )?;

    let goals = embedded(&mut report, sessions)?;
    report.goals(&goals);
    report.finish()
}

/// Stores with files.
fn embedded(report: &mut Report, sessions: u64) -> Result<Vec<Goal>> {
    let mut disk = Table::new(&["bytes for a session", "on disk"]);
    let mut opening = Table::new(&["ms to open", "after a clean stop", "after kill -9"]);
    let mut groups = Vec::new();
    let mut bounded = Vec::new();
    let kinds = [Kind::OursFjall, Kind::RawFjall, Kind::Redb, Kind::Sqlite];
    // The others would take an hour to fill.
    let kinds = if sessions > MILLION { &kinds[..2] } else { &kinds[..] };
    for kind in kinds.iter().copied() {
        let clean = tempfile::tempdir()?;
        figure(Task::Fill, kind, clean.path(), sessions, 64)?;
        let bytes = bytes_of(clean.path())? as f64 / sessions as f64;
        disk.row([kind.name().to_owned(), number(bytes)]);
        let after_stop = figure(Task::Open, kind, clean.path(), sessions, 64)?;
        if kind == Kind::OursFjall {
            bounded = footprints(clean.path(), sessions)?;
        }
        drop(clean);
        let crashed = tempfile::tempdir()?;
        crash(kind, crashed.path(), sessions)?;
        let after_kill = figure(Task::Open, kind, crashed.path(), sessions, 64)?;
        opening.row([kind.name().to_owned(), number(after_stop), number(after_kill)]);
        groups.push(Group {
            title: kind.name().to_owned(),
            bars: vec![
                ("after a clean stop".to_owned(), after_stop),
                ("after kill -9".to_owned(), after_kill),
            ],
        });
    }
    let small = tempfile::tempdir()?;
    let few = sessions / 10;
    figure(Task::Fill, Kind::OursFjall, small.path(), few, 64)?;
    let mut caches = Table::new(&["MiB", "sessions", "both caches", "resident", "allocated"]);
    for (count, footprint) in footprints(small.path(), few)?
        .iter()
        .map(|footprint| (few, footprint))
        .chain(bounded.iter().map(|footprint| (sessions, footprint)))
    {
        caches.row([
            format!("cache of blocks of {} MiB", footprint.blocks),
            number(count as f64),
            number(footprint.caches()),
            number(footprint.resident),
            number(footprint.allocated),
        ]);
    }
    report.section(
        "FjallStore's caches",
        "Memory of a process that opened the store and then loaded every session once, but at most a million, at random. It should \
         follow the caches that were configured, for blocks and for sessions in use, not the number of sessions; memtables of up to 16 MiB and what finds \
         blocks (filters, indexes) are beside them. \
         *resident* is what the process has of the machine, *allocated* what it asked its allocator for and has not given back: what lies between \
         them is the program itself, and what the allocator keeps.",
    );
    report.table(&caches);
    report.section("On disk", "Bytes of all files after a clean stop, for each session.");
    report.table(&disk);
    report.section(
        "Opening",
        "ms until the store answers; files are in the operating system's cache. Before `kill -9` the process was writing.",
    );
    report.table(&opening);
    report.bars(
        "opening",
        &Bars {
            title: format!("Opening {} sessions", number(sessions as f64)),
            subtitle: "ms; lower is better".to_owned(),
            scale: Scale::Linear,
            groups,
        },
    )?;
    let beside = |footprint: &Footprint| {
        Goal::at_most(
            format!("9. MiB of the process beside caches of {} MiB", footprint.caches()),
            128.0,
            " MiB",
            footprint.resident - footprint.caches(),
        )
    };
    Ok(bounded.iter().map(beside).collect())
}

/// What a process has in memory that reads, in MiB.
struct Footprint {
    blocks: u64,
    resident: f64,
    allocated: f64,
}

impl Footprint {
    /// What both caches may take: that of blocks, and that of sessions in use.
    fn caches(&self) -> f64 {
        (self.blocks + RECORD_CACHE / MIB) as f64
    }
}

/// With a small cache and with a large one.
fn footprints(folder: &Path, sessions: u64) -> Result<Vec<Footprint>> {
    let footprint = |blocks| {
        let found = figures(Task::Read, Kind::OursFjall, folder, sessions, blocks)?;
        let [resident, allocated] = found[..] else {
            bail!("a process that reads said {found:?}")
        };
        Ok(Footprint {
            blocks,
            resident: resident / MIB as f64,
            allocated: allocated / MIB as f64,
        })
    };
    [64, 256].into_iter().map(footprint).collect()
}

fn start(task: Task, kind: Kind, folder: &Path, sessions: u64, cache: u64) -> Result<(Child, BufReader<ChildStdout>)> {
    let word = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    };
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "hold",
            &word(&|| task.to_possible_value()),
            &word(&|| kind.to_possible_value()),
        ])
        .args([sessions.to_string(), cache.to_string()])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("its output was piped")?;
    Ok((child, BufReader::new(output)))
}

/// What a child says in the end.
fn figure(task: Task, kind: Kind, folder: &Path, sessions: u64, cache: u64) -> Result<f64> {
    let found = figures(task, kind, folder, sessions, cache)?;
    found.first().copied().context("a child says one figure at least")
}

fn figures(task: Task, kind: Kind, folder: &Path, sessions: u64, cache: u64) -> Result<Vec<f64>> {
    let (mut child, mut output) = start(task, kind, folder, sessions, cache)?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "{task:?} of {}: {status}", kind.name());
    let found: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    found.with_context(|| format!("{task:?} of {} said {line:?}", kind.name()))
}

/// Kills a child while it writes.
fn crash(kind: Kind, folder: &Path, sessions: u64) -> Result<()> {
    let (mut child, mut output) = start(Task::Crash, kind, folder, sessions, 64)?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    std::thread::sleep(Duration::from_secs(1));
    stop(&mut child);
    Ok(())
}

/// `hold`: what a child runs.
pub fn child(task: Task, kind: Kind, sessions: u64, cache: u64, folder: PathBuf) -> Result<()> {
    let setup = Setup {
        folder: folder.join("store"),
        sessions: Sessions::new(RECORD),
        sync: Sync::Relaxed,
        cache: cache * MIB,
        redis: String::new(),
    };
    if kind == Kind::TowerMemory {
        println!("{}", tower_memory(sessions)?);
        return Ok(());
    }
    let before = resident()?;
    let tally = (task == Task::Read).then(Tally::start);
    let (took, engine) = timed(|| kind.open(&setup));
    let engine = engine?;
    match task {
        Task::Open => {
            engine.run(Op::Load, &[setup.sessions.item(sessions / 2)])?;
            println!("{}", took.as_secs_f64() * 1e3);
        }
        Task::Hold => {
            fill(&*engine, sessions)?;
            println!("{}", resident()?.saturating_sub(before));
            // The memory of a store that is dropped would take seconds to give back.
            std::process::exit(0);
        }
        Task::Fill => {
            fill(&*engine, sessions)?;
            engine.close()?;
            println!("0");
        }
        Task::Crash => {
            fill(&*engine, sessions)?;
            println!("0");
            let items: Vec<_> = (0..sessions.min(10_000))
                .map(|number| setup.sessions.item(number))
                .collect();
            loop {
                engine.run_at_once(Op::Replace, &items, 16)?;
            }
        }
        Task::Read => {
            // An odd number, so that no session comes twice, in no order of the keys.
            for number in 0..sessions.min(MILLION) {
                engine.run(Op::Load, &[setup.sessions.item((number * 7_368_787) % sessions)])?;
            }
            let allocated = tally.map_or(0, |tally| tally.stop().live());
            println!("{} {allocated}", resident()?);
        }
    }
    Ok(())
}

/// In parts, as one transaction of a B-tree would keep all of it in memory.
fn fill(engine: &dyn Engine, sessions: u64) -> Result<()> {
    const PART: u64 = 100_000;
    let mut from = 0;
    while from < sessions {
        let to = (from + PART).min(sessions);
        engine.fill(from..to)?;
        from = to;
    }
    Ok(())
}

/// Bytes that sessions of the same size take in the store of tower-sessions.
fn tower_memory(sessions: u64) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Arc::new(tower_sessions::MemoryStore::default());
    let before = resident()?;
    runtime.block_on(async {
        for number in 0..sessions {
            let session = Session::new(None, store.clone(), None);
            let letter = char::from(b'a' + (number % 26) as u8);
            session
                .insert("payload", letter.to_string().repeat(RECORD - 60))
                .await?;
            session.save().await?;
        }
        anyhow::Ok(())
    })?;
    let after = resident()?;
    std::mem::forget(store);
    Ok(after.saturating_sub(before))
}
