//! What cleaning costs beside a full scan, on one database: `cargo bench -p session-fjall --bench sweep`. `SESSIONS=100000` shrinks it.
//!
//! Required (P15): sweeping 1,000 expired sessions of 1,000,000 takes at most 1/10 of a full scan, an empty sweep at most 1/100, also
//! right after a sweep that removed 100,000.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use session_core::{Admission, Created, Store, Timestamp};
use session_fjall::FjallStore;
use support::{HOUR, START, at, key, sample};

const IN_FLIGHT: usize = 512;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions: u64 = std::env::var("SESSIONS").map_or(Ok(1_000_000), |text| text.parse())?;
    let (few, many) = (sessions / 1000, sessions / 10);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sessions");
    let store = FjallStore::builder(&path).cache_size(512 * 1024 * 1024).open()?;

    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..IN_FLIGHT as u64 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (lane..sessions).step_by(IN_FLIGHT) {
                let mut sample = sample(number);
                sample.payload = 230;
                sample.idle = None;
                // Three generations; a tenth of the sessions has an owner.
                sample.absolute = Some(match number {
                    _ if number < few => HOUR,
                    _ if number < few + many => 2 * HOUR,
                    _ => 24 * HOUR + number % HOUR,
                });
                if number.is_multiple_of(10) {
                    sample.owner = Some(format!("user {number}"));
                }
                let created = store
                    .create(key(number), sample.record(), Admission::default(), Timestamp::default())
                    .await;
                assert_eq!(created.expect("the disk has room"), Created::Stored);
            }
        });
    }
    tasks.join_all().await;
    let filling = started.elapsed();
    println!("stored {sessions} sessions of about 300 B in {filling:.1?}");

    // Reopened, so that the figures do not depend on what compaction is doing at this moment.
    store.close().await?;
    let (opening, store) = timed(|| FjallStore::builder(&path).cache_size(512 * 1024 * 1024).open());
    let store = store?;
    println!("opened after a clean close in {opening:.1?}");

    let scan = (0..3)
        .map(|_| {
            let (scan, count) = timed(|| store.count());
            assert_eq!(count.expect("the store is sound"), sessions);
            scan
        })
        .min()
        .expect("three scans were made");
    println!("full scan of records            {scan:>12.1?}");

    // Nothing is due yet.
    let empty = sweep(&store, START + HOUR - 1, 0).await?;
    report("empty sweep", empty, scan, 100);
    let small = sweep(&store, START + HOUR, few).await?;
    report(&format!("sweep removing {few}"), small, scan, 10);
    let after_small = sweep(&store, START + HOUR, 0).await?;
    report("empty sweep right after", after_small, scan, 100);
    let large = sweep(&store, START + 2 * HOUR, many).await?;
    println!(
        "{:<31} {large:>12.1?}  ({:.1?} a session)",
        format!("sweep removing {many}"),
        large / u32::try_from(many)?
    );
    let after_large = sweep(&store, START + 2 * HOUR, 0).await?;
    report("empty sweep right after", after_large, scan, 100);
    // What only a clock that is set back brings about: a deadline below the mark lowers it, and the tombstones are walked over once.
    let mut early = sample(sessions);
    early.idle = None;
    early.absolute = Some(HOUR / 2);
    let created = store
        .create(
            key(sessions),
            early.record(),
            Admission::default(),
            Timestamp::default(),
        )
        .await?;
    assert_eq!(created, Created::Stored);
    let lowered = sweep(&store, START + 2 * HOUR, 1).await?;
    println!("{:<31} {lowered:>12.1?}", "sweep after a lowered mark");
    let again = sweep(&store, START + 2 * HOUR, 0).await?;
    report("empty sweep right after", again, scan, 100);

    let (checking, count) = timed(|| store.verify());
    println!("verify: {} sessions agree with their indexes, {checking:.1?}", count?);
    Ok(())
}

async fn sweep(store: &FjallStore, now: u64, expected: u64) -> session_core::Result<Duration> {
    let started = Instant::now();
    let swept = store.sweep(at(now), usize::MAX).await?;
    let elapsed = started.elapsed();
    assert_eq!(swept.removed as u64, expected);
    Ok(elapsed)
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

fn report(what: &str, took: Duration, scan: Duration, at_most: u32) {
    let verdict = if took <= scan / at_most { "met" } else { "MISSED" };
    println!(
        "{what:<31} {took:>12.1?}  1/{:.0} of the scan, required 1/{at_most}: {verdict}",
        scan.as_secs_f64() / took.as_secs_f64()
    );
}
