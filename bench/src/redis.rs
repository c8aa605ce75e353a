//! `redis`: ours on Redis beside tower-sessions on the same Redis, with what both take of the processor: the application and Redis itself.

use std::path::Path;

use anyhow::Result;

use crate::fleet::{COOKIES, Effort, Fleet};
use crate::http::{over_bare, table};
use crate::load::CONNECTIONS;
use crate::plot::{Bars, Group, Scale};
use crate::report::Report;

const SERVERS: &[&str] = &[
    "axum",
    "axum-ours-redis",
    #[cfg(feature = "peers")]
    "axum-ours-redis-near",
    "axum-tower-redis",
];

pub fn run(folder: &Path, effort: Effort) -> Result<()> {
    let mut report = Report::new(
        folder,
        "redis",
        "On Redis: what a session costs the application and the server of the data",
        &["axum", "redis", "tower-sessions", "tower-sessions-redis-store", "fred"],
    )?;
    report.note(&format!(
        "As `http`: {CONNECTIONS} connections, {COOKIES} live cookies, median of {} rounds of {} ms, on one Redis server over TCP on this \
         machine. *over bare* is the processor time of the application for one request over that of bare axum, *Redis* that of the Redis \
         server: **lower is better**. *rate* is the throughput as a part of bare axum's: **higher is better**. Writes of ours are scripts \
         that compare revisions, so that no update is lost; those of the peer overwrite.",
        effort.rounds,
        effort.time.as_millis()
    ));
    let fleet = Fleet::start(SERVERS)?;
    let mut groups = Vec::new();
    for (route, what) in [
        ("/read", "live read"),
        ("/write", "live read+write"),
        ("/untouched", "untouched"),
    ] {
        let taken = fleet.ask(route, effort)?;
        report.section(what, "µs for one request.");
        report.table(&table(what, &taken));
        let bars = |(peer, over): (&crate::fleet::Taken, f64)| {
            let redis = peer.redis.median();
            [
                (format!("{}: application", peer.label), over),
                (format!("{}: Redis", peer.label), redis),
            ]
        };
        groups.push(Group {
            title: what.to_owned(),
            bars: over_bare(&taken).flat_map(bars).collect(),
        });
    }
    report.bars(
        "processor",
        &Bars {
            title: "Processor time for one request on Redis".to_owned(),
            subtitle: "µs; the application's over bare axum, and Redis's own; lower is better".to_owned(),
            scale: Scale::Linear,
            groups,
        },
    )?;
    report.finish()
}
