//! `store`: what one operation of a store takes, beside the same operation of the engine beneath ours and of other engines.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use tokio::sync::oneshot;

use crate::durable;
use crate::goals::Goal;
use crate::measure::{Picker, Samples, micros, timed, turns};
use crate::plot::{Bars, Group, Scale};
use crate::process::{RedisServer, rest};
use crate::report::{Report, Table, number};
use crate::stores::entry::{CACHE, Entry, FJALL, IN_MEMORY, ON_DISK, Open};
use crate::stores::{Engine, Item, Op, Sessions, Sync};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// How long one figure of one round may take, in ms.
    pub millis: f64,
    pub sizes: &'static [Size],
}

/// So many sessions of so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub count: u64,
    pub bytes: usize,
    pub engines: Engines,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    All,
    /// Ours and the engine beneath it: for sizes that take minutes to fill.
    Fjall,
}

impl Engines {
    fn all(self) -> Vec<Open> {
        let fjall = FJALL.into_iter();
        match self {
            Self::All => fjall.chain(ON_DISK).chain(IN_MEMORY).collect(),
            Self::Fjall => fjall.collect(),
        }
    }
}

const fn size(count: u64, bytes: usize, engines: Engines) -> Size {
    Size { count, bytes, engines }
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 5,
        millis: 60.0,
        sizes: &[
            size(100_000, 300, Engines::All),
            size(100_000, 2048, Engines::All),
            size(1_000_000, 300, Engines::All),
        ],
    };
    /// With what does not fit into a few minutes.
    pub const LARGE: Self = Self {
        sizes: &[
            size(100_000, 300, Engines::All),
            size(100_000, 2048, Engines::All),
            size(1_000_000, 300, Engines::All),
            size(1_000_000, 2048, Engines::Fjall),
            size(10_000_000, 300, Engines::Fjall),
        ],
        ..Self::FULL
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        millis: 15.0,
        sizes: &[size(10_000, 300, Engines::All)],
    };
}

/// Sessions that are in use.
const HOT: u64 = 10_000;

/// What is measured of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    LoadHot,
    LoadHotTwo,
    LoadAny,
    LoadCold,
    Replace,
    ReplaceAcross,
    ReplaceMany,
    Touch,
    TouchAcross,
    TouchMany,
    Create,
    CreateAcross,
    CreateMany,
    Delete,
    DeleteMany,
}

impl Cell {
    const ALL: [Self; 15] = [
        Self::LoadHot,
        Self::LoadHotTwo,
        Self::LoadAny,
        Self::LoadCold,
        Self::Replace,
        Self::ReplaceAcross,
        Self::ReplaceMany,
        Self::Touch,
        Self::TouchAcross,
        Self::TouchMany,
        Self::Create,
        Self::CreateAcross,
        Self::CreateMany,
        Self::Delete,
        Self::DeleteMany,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::LoadHot => "load, hot",
            Self::LoadHotTwo => "load, hot, 2 threads",
            Self::LoadAny => "load, any",
            Self::LoadCold => "load, cold",
            Self::Replace => "replace",
            Self::ReplaceAcross => "replace, by another thread",
            Self::ReplaceMany => "replace, 64 at once",
            Self::Touch => "touch",
            Self::TouchAcross => "touch, by another thread",
            Self::TouchMany => "touch, 64 at once",
            Self::Create => "create",
            Self::CreateAcross => "create, by another thread",
            Self::CreateMany => "create, 64 at once",
            Self::Delete => "delete, durable",
            Self::DeleteMany => "delete, durable, 64 at once",
        }
    }

    fn op(self) -> Op {
        match self {
            Self::LoadHot | Self::LoadHotTwo | Self::LoadAny | Self::LoadCold => Op::Load,
            Self::Replace | Self::ReplaceAcross | Self::ReplaceMany => Op::Replace,
            Self::Touch | Self::TouchAcross | Self::TouchMany => Op::Touch,
            Self::Create | Self::CreateAcross | Self::CreateMany => Op::Create,
            Self::Delete | Self::DeleteMany => Op::Delete,
        }
    }

    /// Whether raw fjall is asked by messages to another thread, as ours always is.
    fn is_across(self) -> bool {
        matches!(self, Self::ReplaceAcross | Self::TouchAcross | Self::CreateAcross)
    }

    /// Whether an engine takes part.
    fn is_for(self, entry: &Entry) -> bool {
        match self {
            Self::LoadCold => entry.is_on_disk(),
            _ => !self.is_across() || entry.is_fjall(),
        }
    }

    /// Threads or writers at once.
    fn lanes(self) -> usize {
        match self {
            Self::LoadHotTwo => 2,
            Self::ReplaceMany | Self::TouchMany | Self::CreateMany | Self::DeleteMany => 64,
            _ => 1,
        }
    }
}

pub fn run(folder: &Path, effort: Effort) -> Result<()> {
    let mut report = Report::new(
        folder,
        "store",
        "Stores: what one operation takes",
        &["fjall", "redb", "rusqlite", "redis", "dashmap"],
    )?;
    report.note(&format!(
        "µs for one operation, **lower is better**: median of {} rounds, each engine once a round, some {} ms a round. *raw fjall* is the \
         engine beneath ours with the same keyspaces, tuning and batches, called directly: the limit. Every engine gets the same keys and \
         the same encoded bytes; ours also encodes and decodes records and compares revisions. Caches are {} MiB. *hot* and all writes are among {} \
         sessions that were just read or written; *any* is one of all, most of whose blocks the operating system has read; *cold* is each session once, right after opening, with the operating system's \
         cache of the files forgotten. *64 at once*: the time for all, divided by their number; for ours 64 tasks on 2 workers, for the \
         others 64 threads. One writer at a time waits for ours: the write goes to another thread and back, so that no async worker \
         waits for the disk. *by another thread*: raw fjall is called by a thread that gets a message for each operation and answers it, and does \
         nothing else: the limit of one writer at a time. What is relaxed: ours and Redis survive what their defaults survive, SQLite has `synchronous = normal`, redb \
         `Durability::None`. *delete* waits for the disk, except in Redis and the map, which cannot. Each figure begins when the disk \
         has what was written and the engines' own threads have come to rest: none pays for what another one left over, and what an engine \
         puts off for longer than a round is in none of them.",
        effort.rounds,
        effort.millis,
        CACHE / 1024 / 1024,
        HOT,
    ));
    report.section(
        "A thread and back",
        &format!(
            "A message to a thread that waits for it, and its answer to a task that waits for that, without any work in between: {} µs. One \
             writer at a time pays that beside what raw fjall takes, more or less as the threads happen to be placed; of 64, each \
             waits for the others' turns too, and few for a thread to wake.",
            number(hop(effort.rounds)?),
        ),
    );
    let redis = RedisServer::start()?;
    let mut goals = Vec::new();
    let mut loads = BTreeMap::new();
    for size in effort.sizes {
        let found = one_size(&redis, *size, effort)?;
        show(&mut report, *size, &found)?;
        goals.extend(found.goals(*size));
        loads.insert((size.bytes, size.count), found.of("ours, FjallStore", Cell::LoadHot));
    }
    if let (Some(many), Some(most)) = (loads.get(&(300, 1_000_000)), loads.get(&(300, 10_000_000))) {
        goals.push(Goal::ratio(
            "9. load, hot, 10 M sessions, of the same at 1 M",
            2.0,
            *most,
            *many,
        ));
    }
    goals.extend(durable::run(&mut report, &redis, effort.rounds)?);
    report.goals(&goals);
    report.finish()
}

/// µs from a task to another thread and back: the median of many, as one writer at a time has it.
fn hop(rounds: usize) -> Result<f64> {
    const HOPS: usize = 2000;
    let (messages, received) = std::sync::mpsc::channel::<oneshot::Sender<()>>();
    let thread = std::thread::spawn(move || {
        while let Ok(answer) = received.recv() {
            let _ = answer.send(()); // nobody waits after the last round
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut samples = Samples::default();
    let all = async move {
        for _ in 0..rounds * HOPS {
            let started = Instant::now();
            let (answer, answered) = oneshot::channel();
            messages.send(answer)?;
            answered.await?;
            samples.push(micros(started.elapsed()));
        }
        anyhow::Ok(samples)
    };
    let samples = runtime.block_on(runtime.spawn(all))??;
    thread.join().expect("the thread only answers");
    Ok(samples.median())
}

/// µs of each engine for each cell.
struct Found {
    names: Vec<&'static str>,
    cells: BTreeMap<Cell, Vec<f64>>,
}

impl Found {
    fn of(&self, name: &str, cell: Cell) -> f64 {
        let column = self.names.iter().position(|known| *known == name);
        column.map_or(f64::NAN, |column| self.cells[&cell][column])
    }

    /// What raw fjall takes is what it takes at best: one writer waits for nobody, but of many, those that sync share the wait.
    fn goals(&self, size: Size) -> Vec<Goal> {
        let alone = [
            Cell::LoadHot,
            Cell::LoadAny,
            Cell::Replace,
            Cell::Touch,
            Cell::Create,
            Cell::Delete,
        ];
        let many = [
            (Cell::ReplaceMany, Cell::Replace),
            (Cell::TouchMany, Cell::Touch),
            (Cell::CreateMany, Cell::Create),
            (Cell::DeleteMany, Cell::Delete),
        ];
        let across = [Cell::ReplaceAcross, Cell::TouchAcross, Cell::CreateAcross];
        let goal = |cell: Cell, limit: f64, of: &str| {
            Goal::ratio(
                format!("6. {}, {}, of {of}", cell.name(), size.title()),
                1.5,
                self.of("ours, FjallStore", cell),
                limit,
            )
        };
        let raw = |cell| self.of("raw fjall", cell);
        let direct = alone.into_iter().map(|cell| (cell, cell)).chain(many);
        let direct = direct.map(|(cell, alone)| goal(cell, raw(alone).min(raw(cell)), "raw fjall"));
        let across = across.map(|cell| goal(cell, raw(cell), "raw fjall so: the limit of one writer"));
        direct.chain(across).collect()
    }
}

impl Size {
    fn title(self) -> String {
        let count = match self.count {
            count if count >= 1_000_000 => format!("{} M", count / 1_000_000),
            count => format!("{} k", count / 1000),
        };
        format!("{count} × {} B", self.bytes)
    }
}

fn one_size(redis: &RedisServer, size: Size, effort: Effort) -> Result<Found> {
    let sessions = Sessions::new(size.bytes);
    let mut entries = Vec::new();
    for open in size.engines.all() {
        let mut entry = Entry::new(open, sessions, Sync::Relaxed, redis.url())?;
        let (took, filled) = timed(|| entry.engine().fill(0..size.count));
        filled?;
        eprintln!("{}: {} filled in {took:.1?}", size.title(), entry.engine().name());
        // Reopened, so that no figure depends on what compaction is doing at this moment.
        if entry.is_on_disk() {
            entry.reopen()?;
        }
        entries.push(entry);
    }
    let mut cells = BTreeMap::new();
    let mut picker = Picker::new(size.count);
    let mut next = size.count;
    for cell in Cell::ALL {
        let samples = if cell == Cell::LoadCold {
            cold(&mut entries, size, &mut picker, effort)?
        } else {
            measure(&entries, cell, size, &mut picker, &mut next, effort)?
        };
        cells.insert(cell, samples.iter().map(Samples::median).collect());
    }
    let names = entries.iter().map(|entry| entry.engine().name()).collect();
    for entry in entries {
        if let Some(engine) = entry.engine {
            engine.close()?;
        }
    }
    redis.empty()?;
    Ok(Found { names, cells })
}

/// µs for each operation, a sample a round.
fn measure(
    entries: &[Entry],
    cell: Cell,
    size: Size,
    picker: &mut Picker,
    next: &mut u64,
    effort: Effort,
) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); entries.len()];
    let mut counts = vec![0; entries.len()];
    let range = if matches!(cell, Cell::LoadAny) {
        size.count
    } else {
        size.count.min(HOT)
    };
    // First unmeasured: it brings what is in use to the same state everywhere, in caches and in what was written last, and says how
    // many operations fit into the time. Without it an engine that is asked more often would find more of it in memory.
    for (entry, count) in entries.iter().zip(&mut counts).filter(|(entry, _)| cell.is_for(entry)) {
        // Keys are hashes, so a hundred thousand sessions lie in most blocks of a million.
        let warm = range.min(10 * HOT);
        let warm: Vec<_> = (0..warm)
            .map(|number| sessions_of(entry).item(number * (range / warm)))
            .collect();
        entry.engine().run(Op::Load, &warm)?;
        if matches!(cell.op(), Op::Replace | Op::Touch) {
            entry.engine().run_at_once(cell.op(), &warm, 64)?;
        }
        let items = items(entry, cell, range, picker, next, 4 * cell.lanes())?;
        rest()?;
        let took = time(entry.engine(), cell, &items)?;
        settle(entry.engine(), cell, &items)?;
        *count = ((effort.millis * 1000.0 / took.max(0.01)) as usize).clamp(4 * cell.lanes(), 10_000);
    }
    for turn in turns(effort.rounds, entries.len()) {
        let entry = &entries[turn];
        if !cell.is_for(entry) {
            continue;
        }
        let items = items(entry, cell, range, picker, next, counts[turn])?;
        rest()?;
        samples[turn].push(time(entry.engine(), cell, &items)?);
        settle(entry.engine(), cell, &items)?;
    }
    Ok(samples)
}

fn sessions_of(entry: &Entry) -> Sessions {
    entry.setup.sessions
}

/// What the operations are done to, made before they are measured. What is deleted is created here.
fn items(
    entry: &Entry,
    cell: Cell,
    range: u64,
    picker: &mut Picker,
    next: &mut u64,
    count: usize,
) -> Result<Vec<Item>> {
    let is_new = matches!(cell.op(), Op::Create | Op::Delete);
    let numbers = (0..count).map(|_| match is_new {
        true => {
            *next += 1;
            *next
        }
        false => picker.below(range),
    });
    let items: Vec<Item> = numbers.map(|number| sessions_of(entry).item(number)).collect();
    if cell.op() == Op::Delete {
        entry.engine().run_at_once(Op::Create, &items, 64.min(count))?;
    }
    Ok(items)
}

/// What was created is deleted again, where that takes no time of note; elsewhere the few more do not matter.
fn settle(engine: &dyn Engine, cell: Cell, items: &[Item]) -> Result<()> {
    match cell.op() {
        Op::Create if matches!(engine.name(), "Redis, socket" | "sharded map (dashmap)") => {
            engine.run(Op::Delete, items)
        }
        _ => Ok(()),
    }
}

/// µs for one operation.
fn time(engine: &dyn Engine, cell: Cell, items: &[Item]) -> Result<f64> {
    let started = Instant::now();
    let took = match cell.lanes() {
        1 => {
            if cell.is_across() {
                engine.run_across(cell.op(), items)?;
            } else {
                engine.run(cell.op(), items)?;
            }
            started.elapsed()
        }
        lanes => engine.run_at_once(cell.op(), items, lanes)?.took,
    };
    Ok(micros(took) / items.len() as f64)
}

/// Each session once, after opening.
fn cold(entries: &mut [Entry], size: Size, picker: &mut Picker, effort: Effort) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); entries.len()];
    for turn in turns(effort.rounds.min(3), entries.len()) {
        let entry = &mut entries[turn];
        if !Cell::LoadCold.is_for(entry) {
            continue;
        }
        let items: Vec<_> = (0..300)
            .map(|_| sessions_of(entry).item(picker.below(size.count)))
            .collect();
        entry.reopen()?;
        samples[turn].push(time(entry.engine(), Cell::LoadCold, &items)?);
    }
    Ok(samples)
}

fn show(report: &mut Report, size: Size, found: &Found) -> Result<()> {
    report.section(&size.title(), "µs for one operation; lower is better.");
    let head: Vec<&str> = ["µs"].into_iter().chain(found.names.iter().copied()).collect();
    let mut table = Table::new(&head);
    for (cell, values) in &found.cells {
        table.row(
            [cell.name().to_owned()]
                .into_iter()
                .chain(values.iter().map(|value| number(*value))),
        );
    }
    report.table(&table);
    let group = |cell: Cell| Group {
        title: cell.name().to_owned(),
        bars: found
            .names
            .iter()
            .zip(&found.cells[&cell])
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    };
    let file = size.title().replace(" × ", "-").replace(' ', "").to_lowercase();
    for (kind, cells) in [
        ("loads", &[Cell::LoadHot, Cell::LoadAny, Cell::LoadCold][..]),
        (
            "writes",
            &[Cell::ReplaceMany, Cell::TouchMany, Cell::CreateMany, Cell::DeleteMany][..],
        ),
    ] {
        report.bars(
            &format!("{kind}-{file}"),
            &Bars {
                title: format!(
                    "{} of {} sessions",
                    if kind == "loads" { "Loads" } else { "Writes" },
                    size.title()
                ),
                subtitle: "µs for one operation, logarithmic; lower is better".to_owned(),
                scale: Scale::Log,
                groups: cells.iter().map(|cell| group(*cell)).collect(),
            },
        )?;
    }
    Ok(())
}
