//! `micro`: what a session costs a request in process, over the bare axum service: time, allocations, store calls.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::alloc::Tally;
use crate::goals::Goal;
use crate::measure::{Samples, turns};
use crate::peers::axum_session::AxumSession;
use crate::peers::bare::{Bare, Floor};
use crate::peers::ours::Ours;
use crate::peers::tower_sessions::TowerSessions;
use crate::peers::{AxumPeer, Calls, Place};
use crate::plot::{Bars, Group, Scale};
use crate::report::{Report, Table, number};
use crate::site::{SCENARIOS, Scenario, Site, named};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Requests of one peer in one round.
    pub requests: usize,
    /// Live sessions of a peer, unless it is marked otherwise.
    pub few: usize,
    /// Live sessions of those that are marked.
    pub many: usize,
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 81,
        requests: 400,
        few: 1000,
        many: 100_000,
    };
    pub const QUICK: Self = Self {
        rounds: 11,
        requests: 200,
        few: 1000,
        many: 10_000,
    };
}

/// Requests of what waits for the disk: fewer, as each takes a sync.
const DURABLE: usize = 40;

struct Entry {
    label: String,
    peer: Box<dyn AxumPeer>,
    sessions: usize,
    durable: bool,
    site: Site,
    _folder: TempDir,
}

/// What was found of one peer in one scenario.
struct Found {
    nanos: f64,
    spread: f64,
    calls: f64,
    bytes: f64,
    store: Option<f64>,
}

pub fn run(folder: &Path, effort: Effort) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(
        folder,
        "micro",
        "In process: what a session costs a request",
        &[
            "axum",
            "fjall",
            "tower-sessions",
            "tower-sessions-moka-store",
            "moka",
            "axum_session",
        ],
    )?;
    report.note(&format!(
        "One thread calls the axum service; no socket. Every figure is what a request takes **over the bare axum service** that got the \
         same requests in the same round; making the request is not measured. Median of {} rounds, each peer once a round, {} requests \
         each. `±` is half of what lies between the quartiles. **Lower is better** in every column. {} live sessions, or {} where it \
         says so; every request takes one of them at random. \
         The rows *floor* have no sessions: they are what any layer of a router costs, and what one costs that hands something to the \
         handlers; sessions on axum cannot take less.",
        effort.rounds, effort.requests, effort.few, effort.many
    ));
    let mut entries = runtime.block_on(entries(effort))?;
    let mut tables: Vec<Vec<Found>> = Vec::new();
    for scenario in SCENARIOS {
        let found = runtime.block_on(async { measure(&mut entries, scenario, effort).await })?;
        report.section(
            scenario.name,
            &format!("`GET {}`{}.", scenario.route, explanation(scenario)),
        );
        let mut table = Table::new(&["over bare axum", "ns", "±", "allocations", "bytes", "store calls"]);
        for (entry, found) in entries[1..].iter().zip(&found) {
            table.row([
                entry.label.clone(),
                number(found.nanos),
                number(found.spread),
                number(found.calls),
                number(found.bytes),
                found.store.map_or("–".to_owned(), number),
            ]);
        }
        report.table(&table);
        tables.push(found);
    }
    plots(&mut report, &entries, &tables)?;
    report.goals(&goals(&entries, &tables));
    report.finish()
}

fn explanation(scenario: Scenario) -> &'static str {
    match scenario.name {
        "untouched, no cookie" => ", without a cookie; the handler does not ask for the session",
        "untouched, cookie" => ", with the cookie of a live session; the handler does not ask for it",
        "anonymous read" => ", without a cookie; the handler reads two values that are not there",
        "live read" => ", with a live cookie; the handler reads two values",
        "live read+write" => ", with a live cookie; the handler reads two values and changes one",
        "forged token" => {
            ", with a live cookie in which one character was changed. Peers without signatures ask their store"
        }
        "login" => {
            ": a visitor with a session signs in under a new id. Ours writes the owner's index, and on disk waits for a sync"
        }
        _ => ": somebody signed in ends the session. Ours on disk waits for a sync",
    }
}

/// The bare service first.
async fn entries(effort: Effort) -> Result<Vec<Entry>> {
    let few = |peer: Box<dyn AxumPeer>| (peer, effort.few, false);
    let many = |peer: Box<dyn AxumPeer>, durable| (peer, effort.many, durable);
    let peers: [(Box<dyn AxumPeer>, usize, bool); 8] = [
        few(Box::new(Ours::Memory)),
        many(Box::new(Ours::Memory), false),
        many(Box::new(Ours::Fjall), true),
        few(Box::new(TowerSessions::Memory)),
        many(Box::new(TowerSessions::Memory), false),
        few(Box::new(TowerSessions::MemorySigned)),
        few(Box::new(TowerSessions::Moka)),
        few(Box::new(AxumSession)),
    ];
    let mut entries: Vec<Entry> = Vec::new();
    for (peer, sessions, durable) in peers {
        let folder = tempfile::tempdir()?;
        let router = peer.site(&place(&folder, None)).await?;
        let mut label = peer.name().to_owned();
        if sessions == effort.many {
            label += &format!(", {} k", sessions / 1000);
        }
        let site = Site::new(router, sessions).await?;
        entries.push(Entry {
            label,
            peer,
            sessions,
            durable,
            site,
            _folder: folder,
        });
    }
    let without_sessions: [Box<dyn AxumPeer>; 3] = [Box::new(Bare), Box::new(Floor::Layer), Box::new(Floor::Extension)];
    for (index, peer) in without_sessions.into_iter().enumerate() {
        let folder = tempfile::tempdir()?;
        let router = peer.site(&place(&folder, None)).await?;
        // The sessions of ours, which moved behind those that are here already.
        let site = Site::bare(router, &entries[index].site);
        let entry = Entry {
            label: peer.name().to_owned(),
            peer,
            sessions: 0,
            durable: false,
            site,
            _folder: folder,
        };
        entries.insert(index, entry);
    }
    Ok(entries)
}

fn place(folder: &TempDir, calls: Option<Calls>) -> Place {
    Place {
        folder: Some(folder.path().join("store")),
        redis: None,
        calls,
    }
}

async fn measure(entries: &mut [Entry], scenario: Scenario, effort: Effort) -> Result<Vec<Found>> {
    let count = |entry: &Entry| match entry.durable && matches!(scenario.name, "login" | "logout") {
        true => DURABLE,
        false => effort.requests,
    };
    // Once unmeasured, so that caches are warm and every request is known to succeed.
    for entry in &mut *entries {
        let requests = entry.site.requests(scenario, count(entry).min(200)).await?;
        let failed = entry.site.run(requests).await;
        ensure!(
            failed == 0,
            "{} of {}: {failed} requests failed",
            scenario.name,
            entry.label
        );
    }
    let mut samples = vec![Samples::default(); entries.len()];
    for peer in turns(effort.rounds, entries.len()) {
        let entry = &mut entries[peer];
        let count = count(entry);
        let requests = entry.site.requests(scenario, count).await?;
        let started = Instant::now();
        entry.site.run(requests).await;
        samples[peer].push(started.elapsed().as_nanos() as f64 / count as f64);
    }
    let mut allocated = Vec::new();
    for entry in &mut *entries {
        allocated.push(allocations(entry, scenario).await?);
    }
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate().skip(1) {
        let over = samples[index].over(&samples[0]);
        found.push(Found {
            nanos: over.median(),
            spread: (over.quantile(0.75) - over.quantile(0.25)) / 2.0,
            calls: allocated[index].0 - allocated[0].0,
            bytes: allocated[index].1 - allocated[0].1,
            store: store_calls(entry, scenario).await?,
        });
    }
    Ok(found)
}

/// Allocations and bytes of one request.
async fn allocations(entry: &mut Entry, scenario: Scenario) -> Result<(f64, f64)> {
    const REQUESTS: usize = 50;
    let (mut calls, mut bytes) = (Samples::default(), Samples::default());
    // The median leaves out what a table takes when it grows, and what a task in the background takes.
    for _ in 0..5 {
        let requests = entry.site.requests(scenario, REQUESTS).await?;
        let tally = Tally::start();
        entry.site.run(requests).await;
        let allocated = tally.stop();
        calls.push(allocated.calls as f64 / REQUESTS as f64);
        bytes.push(allocated.bytes as f64 / REQUESTS as f64);
    }
    Ok((calls.median(), bytes.median()))
}

/// How often one request asks the store; `None` if the peer cannot say.
async fn store_calls(entry: &Entry, scenario: Scenario) -> Result<Option<f64>> {
    const REQUESTS: usize = 20;
    // axum_session's map is no store that one could get between.
    if entry.sessions == 0 || entry.peer.name() == AxumSession.name() {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let calls = Calls::default();
    let router = entry.peer.site(&place(&folder, Some(calls.clone()))).await?;
    let mut site = Site::new(router, 10).await?;
    let requests = site.requests(scenario, REQUESTS).await?;
    let before = calls.total();
    site.run(requests).await;
    Ok(Some((calls.total() - before) as f64 / REQUESTS as f64))
}

fn plots(report: &mut Report, entries: &[Entry], tables: &[Vec<Found>]) -> Result<()> {
    let group = |scenario: Scenario, figure: fn(&Found) -> f64| {
        let index = SCENARIOS
            .iter()
            .position(|other| other.name == scenario.name)
            .unwrap_or(0);
        let bars = entries[1..].iter().zip(&tables[index]);
        // A sync of the disk would hide everything else.
        let bars = bars.filter(|(entry, _)| !(entry.durable && matches!(scenario.name, "login" | "logout")));
        Group {
            title: scenario.name.to_owned(),
            bars: bars
                .map(|(entry, found)| (entry.label.clone(), figure(found)))
                .collect(),
        }
    };
    report.section(
        "Plots",
        "The same figures; what waits for a sync of the disk is left out.",
    );
    let nanos = "nanoseconds over the bare axum service";
    for (name, title, scenarios, scale, subtitle) in [
        (
            "nothing",
            "Requests that leave the session alone, and visitors without one",
            &SCENARIOS[..3],
            Scale::Linear,
            format!("{nanos}; lower is better"),
        ),
        (
            "live",
            "Requests with a live session",
            &SCENARIOS[3..5],
            // A write into a folder goes to another thread and back, which takes more than all else together.
            Scale::Log,
            format!("{nanos}, logarithmic; lower is better"),
        ),
        (
            "identity",
            "Forged tokens, login, logout",
            &SCENARIOS[5..],
            Scale::Linear,
            format!("{nanos}; lower is better"),
        ),
    ] {
        report.bars(
            name,
            &Bars {
                title: title.to_owned(),
                subtitle,
                scale,
                groups: scenarios
                    .iter()
                    .map(|scenario| group(*scenario, |found| found.nanos))
                    .collect(),
            },
        )?;
    }
    report.bars(
        "allocations",
        &Bars {
            title: "Allocations of one request".to_owned(),
            subtitle: "over the bare axum service; lower is better".to_owned(),
            scale: Scale::Linear,
            groups: [named("untouched, cookie"), named("live read"), named("live read+write")]
                .map(|scenario| group(scenario, |found| found.calls))
                .into(),
        },
    )
}

fn goals(entries: &[Entry], tables: &[Vec<Found>]) -> Vec<Goal> {
    let of = |scenario: &str, peer: &dyn AxumPeer, many: bool| {
        let row = SCENARIOS
            .iter()
            .position(|known| known.name == scenario)
            .expect("a scenario of the table");
        let most = entries.iter().map(|entry| entry.sessions).max();
        let column = entries[1..]
            .iter()
            .position(|entry| entry.peer.name() == peer.name() && (Some(entry.sessions) == most) == many)
            .expect("a peer of the list");
        &tables[row][column]
    };
    let mut goals = Vec::new();
    for scenario in ["untouched, no cookie", "untouched, cookie"] {
        let found = of(scenario, &Ours::Memory, false);
        goals.push(Goal::at_most(format!("1. {scenario}: time"), 100.0, " ns", found.nanos));
        goals.push(Goal::at_most(
            format!("1. {scenario}: allocations"),
            1.0,
            "",
            found.calls,
        ));
    }
    let read = |peer: &dyn AxumPeer, many| of("live read", peer, many);
    let theirs = &TowerSessions::Memory;
    goals.push(Goal::ratio(
        "2. live read, MemoryStore, of tower-sessions MemoryStore",
        0.45,
        read(&Ours::Memory, false).nanos,
        read(theirs, false).nanos,
    ));
    goals.push(Goal::at_most(
        "2. live read, MemoryStore: allocations",
        8.0,
        "",
        read(&Ours::Memory, false).calls,
    ));
    for (many, what) in [(true, "with as many sessions"), (false, "with few sessions in theirs")] {
        goals.push(Goal::ratio(
            format!("3. live read, FjallStore, of tower-sessions MemoryStore {what}"),
            0.8,
            read(&Ours::Fjall, true).nanos,
            read(theirs, many).nanos,
        ));
    }
    let small = |scenario, peer: &dyn AxumPeer| of(scenario, peer, false);
    goals.push(Goal::ratio(
        "4. live read+write, MemoryStore, of tower-sessions MemoryStore",
        0.5,
        small("live read+write", &Ours::Memory).nanos,
        small("live read+write", theirs).nanos,
    ));
    goals.push(Goal::ratio(
        "5. login, MemoryStore, of tower-sessions MemoryStore",
        0.6,
        small("login", &Ours::Memory).nanos,
        small("login", theirs).nanos,
    ));
    let forged = small("forged token", &Ours::Memory);
    goals.push(Goal::ratio(
        "5. forged token, of tower-sessions signed",
        0.25,
        forged.nanos,
        small("forged token", &TowerSessions::MemorySigned).nanos,
    ));
    goals.push(Goal::at_most(
        "5. forged token: store calls",
        0.0,
        "",
        forged.store.unwrap_or(f64::NAN),
    ));
    goals
}
