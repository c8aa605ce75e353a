//! Durable writes, a part of `store`: one after the other, and by many writers at once.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::goals::Goal;
use crate::measure::{Samples, turns};
use crate::process::RedisServer;
use crate::report::{Report, Table, number};
use crate::stores::entry::{Entry, FJALL, ON_DISK};
use crate::stores::{Op, Sessions, Sync};

/// Sessions that are there already.
const STORED: u64 = 10_000;

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
        for turn in turns(rounds, entries.len()) {
            let entry = &entries[turn];
            // As many as take about a second on a disk that syncs in 1 ms.
            let count = if turn == 0 {
                16 * writers.max(8)
            } else {
                (2 * writers).max(64)
            };
            let items: Vec<_> = (next..next + count as u64)
                .map(|number| sessions.item(number))
                .collect();
            next += count as u64;
            let written = entry.engine().run_at_once(Op::Create, &items, writers)?;
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
