//! `http`: real servers on loopback; what a session costs them of the processor, and of throughput.

use std::path::Path;

use anyhow::Result;

use crate::fleet::{COOKIES, Effort, Fleet, Taken};
use crate::goals::Goal;
use crate::heartbeat;
use crate::load::CONNECTIONS;
use crate::peers::servers::{self, Framework, WORKERS};
use crate::plot::{Bars, Group, Scale};
use crate::report::{Report, Table, number};

const ROUTES: [(&str, &str); 2] = [("/read", "live read"), ("/write", "live read+write")];

pub fn run(folder: &Path, effort: Effort) -> Result<()> {
    let mut report = Report::new(
        folder,
        "http",
        "Over HTTP: what a session costs a server",
        &[
            "axum",
            "tower-sessions",
            "tower-sessions-redis-store",
            "tower-sessions-rusqlite-store",
            "axum_session",
            "actix-web",
            "actix-session",
            "rocket",
            "rocket_flex_session",
            "fjall",
        ],
    )?;
    report.note(&format!(
        "Every server is a process of its own with {WORKERS} workers; {CONNECTIONS} connections on the same machine send one request after \
         the other with {COOKIES} live cookies. Median of {} rounds of {} ms, each server once a round. *over bare* is the processor time of \
         the server for one request, all its threads, less that of the bare framework in the same round: **lower is better**. *Redis* is \
         what the Redis server takes beside that. *rate* is the throughput as a part of the bare framework's: **higher is better**; load \
         generator, server and Redis share the processors. The rows *floor* are the least that a store on fjall can take: ours in memory, \
         and each write straight into fjall, by the worker that answers, which then waits for the disk, or by another thread, so that \
         no worker does.",
        effort.rounds,
        effort.time.as_millis()
    ));
    let mut goals = Vec::new();
    for framework in Framework::ALL {
        let words: Vec<_> = servers::all()
            .into_iter()
            .filter(|(_, server)| server.framework() == framework)
            .map(|(word, _)| word)
            .collect();
        let fleet = Fleet::start(&words)?;
        report.section(framework.name(), "Processor time in µs for one request.");
        let mut groups = Vec::new();
        for (route, what) in ROUTES {
            let taken = fleet.ask(route, effort)?;
            report.table(&table(what, &taken));
            groups.push(Group {
                title: what.to_owned(),
                bars: over_bare(&taken)
                    .map(|(taken, over)| (taken.label.clone(), over))
                    .collect(),
            });
            if framework == Framework::Axum && route == "/write" {
                goals.extend(goals_of(&taken));
            }
        }
        report.bars(
            framework.name().to_lowercase().trim_end_matches("-web"),
            &Bars {
                title: format!("{}: processor time of the server for one request", framework.name()),
                subtitle: "µs over the bare framework; lower is better. Redis's own is not included".to_owned(),
                scale: Scale::Linear,
                groups,
            },
        )?;
    }
    goals.extend(heartbeat::run(&mut report, effort)?);
    report.goals(&goals);
    report.finish()
}

/// Each server but the bare one, with the µs that it takes over that.
pub fn over_bare(taken: &[Taken]) -> impl Iterator<Item = (&Taken, f64)> {
    taken[1..]
        .iter()
        .map(|peer| (peer, peer.server.over(&taken[0].server).median()))
}

pub fn table(what: &str, taken: &[Taken]) -> Table {
    let mut table = Table::new(&[
        what,
        "over bare µs",
        "server µs",
        "Redis µs",
        "requests/s",
        "rate",
        "p99 µs",
    ]);
    for peer in taken {
        let over = peer.server.over(&taken[0].server).median();
        table.row([
            peer.label.clone(),
            number(over),
            number(peer.server.median()),
            number(peer.redis.median()),
            number(peer.rate.median()),
            format!("{:.2}", peer.rate.median() / taken[0].rate.median()),
            number(peer.late.median()),
        ]);
    }
    table
}

fn goals_of(taken: &[Taken]) -> [Goal; 2] {
    let of = |label: &str| {
        let mut found = over_bare(taken).filter(|(peer, _)| peer.label == label);
        found.next().map_or(f64::NAN, |(_, over)| over)
    };
    let ours = of("ours, FjallStore");
    let goal = |limit, peer: &str| {
        Goal::ratio(
            format!("4. live read+write over HTTP, FjallStore, of {peer}"),
            limit,
            ours,
            of(peer),
        )
    };
    [
        goal(0.4, "tower-sessions, RedisStore"),
        goal(0.12, "tower-sessions, RusqliteStore"),
    ]
}
