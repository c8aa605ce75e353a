//! `check`: what a request of ours costs in counts, held to the bounds in this file. Counts do not depend on how busy a machine is, so
//! they can fail a build.
//!
//! Allocations, store calls and instructions are those over the bare axum service. Instructions are counted by callgrind, which knows a
//! plain processor without instructions for SHA-256: more than on the real one, but the same everywhere. If a bound is far above what is
//! found, `check` says so: lower it with the change that earned it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_axum::{Engine, MemoryStore, Session, SessionConfig, SessionLayer, SigningKey, SigningKeys};
use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::routing::get;
use session_core::ManualClock;

use crate::alloc::Tally;
use crate::measure::Samples;
use crate::peers::bare::Bare;
use crate::peers::counted::Counted;
use crate::peers::ours::Ours;
use crate::peers::{AxumPeer, Calls, Place};
use crate::site::{Scenario, Site, named};

/// The most that one request may take, over the bare service.
struct Bound {
    store: Ours,
    scenario: &'static str,
    allocations: f64,
    store_calls: f64,
    instructions: f64,
}

const fn bound(store: Ours, scenario: &'static str, allocations: f64, store_calls: f64, instructions: f64) -> Bound {
    Bound {
        store,
        scenario,
        allocations,
        store_calls,
        instructions,
    }
}

/// Allocations are exact but where a table grows now and then. Instructions have some 5 % of room.
const BOUNDS: [Bound; 10] = [
    bound(Ours::Memory, "untouched, no cookie", 7.0, 0.0, 1_980.0),
    bound(Ours::Memory, "untouched, cookie", 7.0, 0.0, 2_620.0),
    bound(Ours::Memory, "anonymous read", 7.0, 0.0, 4_400.0),
    bound(Ours::Memory, "live read", 8.0, 1.0, 18_400.0),
    bound(Ours::Memory, "live read+write", 15.0, 2.0, 23_400.0),
    bound(Ours::Memory, "forged token", 7.0, 0.0, 13_400.0),
    bound(Ours::Memory, "login", 23.5, 2.0, 41_700.0),
    bound(Ours::Memory, "logout", 14.5, 2.0, 24_700.0),
    bound(Ours::Fjall, "live read", 8.5, 1.0, UNCOUNTED),
    bound(Ours::Fjall, "live read+write", 27.0, 2.0, UNCOUNTED),
];

/// Threads of the store take part, each as it likes.
const UNCOUNTED: f64 = f64::INFINITY;

/// Bounds that are this much above what was found should be lowered.
const LOOSE: f64 = 0.85;

pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !valgrind {
        println!("skipped: no valgrind, so instructions are not counted");
    }
    let mut failures = Vec::new();
    let bare_instructions = if valgrind {
        instructions("bare", "untouched, cookie")?
    } else {
        0.0
    };
    println!(
        "{:<46} {:>22} {:>18} {:>26}",
        "", "allocations", "store calls", "instructions"
    );
    for bound in &BOUNDS {
        let scenario = named(bound.scenario);
        let name = format!("{}: {}", bound.store.name(), bound.scenario);
        let bare = runtime.block_on(allocations(&Bare, scenario))?;
        let allocated = runtime.block_on(allocations(&bound.store, scenario))? - bare;
        let asked = runtime.block_on(store_calls(bound.store, scenario))?;
        let executed = match valgrind && bound.instructions.is_finite() {
            true => Some(instructions(word(bound.store), bound.scenario)? - bare_instructions),
            false => None,
        };
        println!(
            "{name:<46} {:>22} {:>18} {:>26}",
            format!("{allocated:.1} of {:.1}", bound.allocations),
            format!("{asked:.1} of {:.1}", bound.store_calls),
            executed.map_or("–".to_owned(), |executed| format!(
                "{executed:.0} of {:.0}",
                bound.instructions
            )),
        );
        let executed = executed.map(|executed| ("instructions", executed, bound.instructions));
        let counts = [
            ("allocations", allocated, bound.allocations),
            ("store calls", asked, bound.store_calls),
        ];
        for (what, found, most) in counts.into_iter().chain(executed) {
            if found > most {
                failures.push(format!("{name}: {found:.1} {what}, at most {most:.1} are allowed"));
            } else if found < most * LOOSE {
                println!("  the bound on {what} is loose: {found:.1} were found");
            }
        }
    }
    let touches = runtime.block_on(touches())?;
    println!("a session that is read every second for an hour is touched {touches} times, of at most 6");
    if touches > 6 {
        failures.push(format!(
            "a busy session was touched {touches} times in an hour; its window is 10 minutes"
        ));
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    println!("all counts are within their bounds");
    Ok(())
}

const SESSIONS: usize = 100;

/// Allocations of one request.
async fn allocations(peer: &dyn AxumPeer, scenario: Scenario) -> Result<f64> {
    const REQUESTS: usize = 50;
    let folder = tempfile::tempdir()?;
    let mut site = site(peer, folder.path(), None).await?;
    let mut samples = Samples::default();
    for round in 0..6 {
        let requests = site.requests(scenario, REQUESTS).await?;
        let tally = Tally::start();
        let failed = site.run(requests).await;
        let allocated = tally.stop();
        ensure!(failed == 0, "{}: {failed} requests failed", scenario.name);
        // The first round fills caches.
        if round > 0 {
            samples.push(allocated.calls as f64 / REQUESTS as f64);
        }
    }
    Ok(samples.median())
}

/// How often one request asks the store.
async fn store_calls(store: Ours, scenario: Scenario) -> Result<f64> {
    const REQUESTS: usize = 20;
    let folder = tempfile::tempdir()?;
    let calls = Calls::default();
    let mut site = site(&store, folder.path(), Some(calls.clone())).await?;
    let requests = site.requests(scenario, REQUESTS).await?;
    let before = calls.total();
    site.run(requests).await;
    Ok((calls.total() - before) as f64 / REQUESTS as f64)
}

/// A bare site gets cookies of ours.
async fn site(peer: &dyn AxumPeer, folder: &Path, calls: Option<Calls>) -> Result<Site> {
    let place = Place {
        folder: Some(folder.join("store")),
        redis: None,
        calls,
    };
    let router = peer.site(&place).await?;
    if peer.name() == Bare.name() {
        let like = Site::new(Ours::Memory.site(&Place::default()).await?, SESSIONS).await?;
        return Ok(Site::bare(router, &like));
    }
    Site::new(router, SESSIONS).await
}

fn word(store: Ours) -> &'static str {
    if store == Ours::Memory { "memory" } else { "fjall" }
}

const FEW: u64 = 50;
const MORE: u64 = 250;

/// Instructions of one request: what more requests take than few, so that all that happens once cancels out.
fn instructions(peer: &str, scenario: &str) -> Result<f64> {
    let of = |requests: u64| -> Result<f64> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("callgrind");
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(std::env::current_exe()?)
            .args(["counted", peer, scenario, &requests.to_string()])
            .output()?;
        ensure!(
            output.status.success(),
            "valgrind: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = std::fs::read_to_string(&file).context("callgrind left no file")?;
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        Ok(total.context("callgrind's file has no total")?.trim().parse()?)
    };
    Ok((of(MORE)? - of(FEW)?) / (MORE - FEW) as f64)
}

/// `counted`: what callgrind looks at. It always makes the same requests, and sends the first of them.
pub fn counted(peer: &str, scenario: &str, requests: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let peer = named_peer(peer)?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(async {
        let mut site = site(&*peer, folder.path(), None).await?;
        let mut made = site.requests(named(scenario), MORE as usize).await?;
        let unsent = made.split_off(requests as usize);
        let failed = site.run(made).await;
        ensure!(failed == 0, "{failed} requests failed");
        std::mem::forget(unsent);
        Ok(())
    })
}

/// `profile`: requests of one kind for a while, and what one takes. Making them takes a part of the time, too.
pub fn profile(peer: &str, scenario: &str, time: Duration) -> Result<()> {
    const REQUESTS: usize = 400;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let peer = named_peer(peer)?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(async {
        let mut site = site(&*peer, folder.path(), None).await?;
        let mut samples = Samples::default();
        let began = Instant::now();
        while began.elapsed() < time {
            let requests = site.requests(named(scenario), REQUESTS).await?;
            let started = Instant::now();
            let failed = site.run(requests).await;
            samples.push(started.elapsed().as_nanos() as f64 / REQUESTS as f64);
            ensure!(failed == 0, "{failed} requests failed");
        }
        println!("{scenario}, {}: {:.0} ns a request", peer.name(), samples.median());
        Ok(())
    })
}

fn named_peer(name: &str) -> Result<Box<dyn AxumPeer>> {
    Ok(match name {
        "bare" => Box::new(Bare),
        "memory" => Box::new(Ours::Memory),
        "fjall" => Box::new(Ours::Fjall),
        other => bail!("there is no {other}"),
    })
}

/// How often the store is told of a session that is read every second for an hour, under the default lifetime: its touch window is ten
/// minutes (24 h / 100, at most 10 min).
async fn touches() -> Result<u64> {
    let clock = Arc::new(ManualClock::default());
    let calls = Calls::default();
    let store = Arc::new(Counted::new(Arc::new(MemoryStore::new()), calls.clone()));
    let keys = SigningKeys::new(SigningKey::from_bytes(&[7; 32])?);
    let config = SessionConfig::builder().danger().insecure_cookies().build()?;
    let engine = Engine::builder(store, keys)
        .config(config)
        .clock(Arc::clone(&clock))
        .build();
    let router =
        Router::new()
            .route(
                "/start",
                get(|session: Session| async move { session.insert("visits", 1_u32).map_err(crate::peers::failed) }),
            )
            .route(
                "/read",
                get(|session: Session| async move {
                    session.get::<u32>("visits").map(|_| ()).map_err(crate::peers::failed)
                }),
            )
            .layer(SessionLayer::from_engine(engine));
    let mut site = Site::new(router, 1).await?;
    let before = calls.total();
    let reads = 3600;
    for _ in 0..reads {
        clock.advance(Duration::from_secs(1));
        let requests = site.requests(named("live read"), 1).await?;
        ensure!(site.run(requests).await == 0, "a read failed");
    }
    // Each read loads once; what is more are touches.
    Ok(calls.total() - before - reads)
}
