//! Durable writes, a part of `store`: one after the other, and by many writers at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::goals::Goal;
use crate::measure::{Samples, turns};
use crate::process::{RedisServer, rest};
use crate::report::{Report, Table, number};
use crate::stores::entry::{Entry, FJALL, ON_DISK};
use crate::stores::{Op, Sessions, Sync};

/// Sessions that are there already.
const STORED: u64 = 10_000;

/// About how long each engine writes in one round: long enough that a sync that takes long once is not one in a hundred.
const ROUND: Duration = Duration::from_millis(300);

pub fn run(report: &mut Report, redis: &RedisServer, rounds: usize) -> Result<Vec<Goal>> {
    const WRITERS: [usize; 3] = [1, 64, 256];
    let sessions = Sessions::new(300);
    let mut entries = Vec::new();
    for open in FJALL.into_iter().chain(ON_DISK) {
        let entry = Entry::new(open, sessions, Sync::Durable, redis.url())?;
        entry.engine().fill(0..STORED)?;
        entries.push(entry);
    }
    report.section(
        "Durable writes",
        "Every create has reached the disk when it is answered (`Durability::PowerLoss` for ours). Throughput in writes/s, **higher is \
         better**; latencies in ms, **lower is better**. *raw fjall* syncs after every write.",
    );
    let mut table = Table::new(&["engine, writers", "writes/s", "p50 ms", "p99 ms", "max ms"]);
    let mut found = BTreeMap::new();
    let mut next = STORED;
    for writers in WRITERS {
        let mut rates = vec![Samples::default(); entries.len()];
        let mut latencies = vec![Samples::default(); entries.len()];
        let mut create = |entry: &Entry, count: usize| {
            let items: Vec<_> = (next..next + count as u64)
                .map(|number| sessions.item(number))
                .collect();
            next += count as u64;
            rest()?;
            entry.engine().run_at_once(Op::Create, &items, writers)
        };
        // First unmeasured: how many fit into the time.
        let mut counts = Vec::new();
        for entry in &entries {
            let few = (2 * writers).max(64);
            let took = create(entry, few)?.took.as_secs_f64();
            counts.push((few as f64 * ROUND.as_secs_f64() / took) as usize);
        }
        for turn in turns(rounds, entries.len()) {
            let count = counts[turn].max(4 * writers);
            let written = create(&entries[turn], count)?;
            latencies[turn].extend(&written.latencies);
            rates[turn].push(count as f64 / written.took.as_secs_f64());
        }
        for (turn, entry) in entries.iter().enumerate() {
            let (rate, taken) = (rates[turn].median(), &latencies[turn]);
            found.insert((writers, turn), (rate, taken.median(), taken.quantile(0.99)));
            table.row(
                [format!("{}, {writers}", entry.engine().name())].into_iter().chain(
                    [
                        rate,
                        taken.median() / 1e3,
                        taken.quantile(0.99) / 1e3,
                        taken.quantile(1.0) / 1e3,
                    ]
                    .map(number),
                ),
            );
        }
    }
    report.table(&table);
    // One fsync per write, as long as it takes: raw fjall with one writer.
    let (one_rate, one_sync, _) = found[&(1, 1)];
    let (many_rate, _, many_late) = found[&(64, 0)];
    Ok(vec![
        Goal::at_least(
            "6. durable creates by 64 writers, of the throughput of one fsync per write",
            6.0,
            " ×",
            many_rate / one_rate,
        ),
        Goal::at_most(
            "6. durable creates by 64 writers: p99 in fsyncs",
            10.0,
            "",
            many_late / one_sync,
        ),
    ])
}
