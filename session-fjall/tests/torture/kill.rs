//! SIGKILL at random moments: while the store opens, under load, while it closes. A child process, this same test binary, says what it
//! begins and what was acknowledged. After each reopening all of it must be there and nothing else: of what was under way, all or nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use session_core::Store;
use session_fjall::{Durability, FjallStore, Repair};

use crate::load::{Lane, Op};
use crate::support::{HOUR, START, at};
use crate::{Chance, seed, times};

const ARGUMENTS: &str = "SESSION_FJALL_TORTURE_CHILD";
const LANES: u64 = 4;
/// Rounds on one folder, which the next one finds as the kill left it.
const CHAIN: u64 = 6;
const OPS: usize = 150;

fn say(line: &str) {
    // In one write, so that lines of several lanes do not mix.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What a lane is called, how large its values are, and how durable they are: the same for parent and child.
fn plan(seed: u64, round: u64) -> (Vec<Lane>, Durability) {
    let mut chance = Chance::new(seed ^ (round << 32));
    let payload = chance.pick(&[20, 300, 5000, 60_000]);
    let durability = chance.pick(&[Durability::Process, Durability::Process, Durability::PowerLoss]);
    let lanes = (0..LANES).map(|lane| Lane::new(round * LANES + lane, payload));
    (lanes.collect(), durability)
}

/// Runs in the child only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_works_until_it_is_killed() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let mut words = arguments.splitn(3, ' ');
    let mut number = || words.next().unwrap().parse().unwrap();
    let (seed, round): (u64, u64) = (number(), number());
    let (lanes, durability) = plan(seed, round);
    let store = FjallStore::builder(words.next().unwrap())
        .durability(durability)
        .open()
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, mut lane) in lanes.into_iter().enumerate() {
        let store = store.clone();
        tasks.spawn(async move {
            let mut chance = Chance::new(seed ^ (round << 32) ^ (number as u64 + 1));
            for _ in 0..OPS {
                let op = lane.choose(&mut chance);
                say(&format!("> {number} {op}"));
                lane.perform(&store, op).await.unwrap();
                say(&format!("< {number}"));
                lane.apply(op);
            }
        });
    }
    tasks.join_all().await;
    store.close().await.unwrap();
    say("closed");
}

/// Kills a child somewhere in its life; answers what each lane has acknowledged, and what was under way.
fn kill_a_child(folder: &Path, seed: u64, round: u64, chance: &mut Chance) -> Vec<(Lane, Option<Op>)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_works_until_it_is_killed", "--nocapture"])
        .env(ARGUMENTS, format!("{seed} {round} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut heard = Vec::new();
    let most = LANES * OPS as u64 * 2 + 1;
    let wanted = match chance.below(5) {
        0 => 0,
        1 => most,
        _ => chance.below(most),
    };
    heard.extend(lines.by_ref().take(wanted as usize).map_while(std::io::Result::ok));
    // Microseconds, so that the kill falls anywhere in an operation; or the time that opening takes.
    let pause = Duration::from_micros(chance.below(if wanted == 0 { 120_000 } else { 400 }));
    let from = Instant::now();
    while from.elapsed() < pause {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What is in the pipe was said before the kill.
    heard.extend(lines.map_while(std::io::Result::ok));
    child.wait().unwrap();

    let mut lanes: Vec<_> = plan(seed, round).0.into_iter().map(|lane| (lane, None)).collect();
    for line in heard {
        let mut words = line.splitn(3, ' ');
        let (what, number, rest) = (words.next(), words.next(), words.next());
        let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else {
            continue;
        };
        match (what, rest.map(str::parse)) {
            (Some(">"), Some(Ok(op))) => lanes[number].1 = Some(op),
            (Some("<"), None) => {
                let op = lanes[number].1.take().expect("what ended had begun");
                lanes[number].0.apply(op);
            }
            _ => {}
        }
    }
    lanes
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_half_done() {
    let seed = seed();
    let (mut ops, mut torn) = (0, 0);
    let rounds = CHAIN * times();
    let mut chance = Chance::new(seed);
    let scratch = tempfile::tempdir().unwrap();
    let mut settled: Vec<Lane> = Vec::new();
    for round in 0..rounds {
        let folder = scratch.path().join(format!("chain-{}", round / CHAIN));
        if round % CHAIN == 0 {
            settled.clear();
        }
        let same = format!("seed {seed}, round {round}");
        let lanes = kill_a_child(&folder, seed, round, &mut chance);
        let store = FjallStore::open(&folder).unwrap_or_else(|error| panic!("{same}: {error:?}"));
        let examined = store.examine(Repair::Nothing, |_| {}).unwrap();
        assert!(examined.is_sound(), "{same}: {examined:?}");
        for lane in &settled {
            let found = lane.found(&store, lane.used()).await.unwrap();
            assert!(
                found == lane.expected(),
                "{same}: a session of an earlier round is another one"
            );
        }
        for (lane, under_way) in lanes {
            ops += lane.used().len();
            torn += usize::from(under_way.is_some());
            settled.push(settle(&store, lane, under_way, &same).await);
        }
        if round % CHAIN == CHAIN - 1 {
            // Everything is in the queue of deadlines, and nothing is left when it has come to its end.
            let end = at(START + 1000 * HOUR);
            while store.sweep(end, 10_000).await.unwrap().removed > 0 {}
            assert_eq!(store.verify().unwrap(), 0, "{same}");
            drop(store);
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
    println!("{rounds} kills, seed {seed}: {ops} sessions acknowledged, {torn} operations under way");
    assert!(ops > 100);
}

/// The lane as the store has it: with what was under way, or without.
async fn settle(store: &FjallStore, before: Lane, under_way: Option<Op>, same: &str) -> Lane {
    let mut after = before.clone();
    if let Some(op) = under_way {
        after.apply(op);
    }
    let used: BTreeSet<_> = before.used().union(after.used()).copied().collect();
    let found = after.found(store, &used).await.unwrap();
    if found == after.expected() {
        return after;
    }
    assert!(
        under_way.is_some() && found == before.expected(),
        "{same}: {under_way:?} was under way. acknowledged: {:?}, found: {:?}",
        before.expected().keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>()
    );
    before
}
