//! A checker in the manner of Jepsen, small. Some processes, each with clients and a store of its own, do what applications do, in an
//! order that follows from a seed, while servers, networks and the processes themselves break. Each call and answer is written down, and
//! the history is judged: see `judge`.
//!
//! A seed repeats what is done and broken, not when the machine gets round to it: so a history that was found bad is kept, and its place
//! printed. Longer runs than those of every day, with a table:
//!
//! ```sh
//! REDIS_CHECKER_SEED=1 REDIS_CHECKER_RUNS=10 REDIS_CHECKER_FAULTS=20 \
//!     cargo test -p session-redis --test redis_checker -- --ignored --nocapture --test-threads 1
//! ```
//!
//! | variable | default | |
//! |---|---|---|
//! | `REDIS_CHECKER_SEED` | 1 | the first seed |
//! | `REDIS_CHECKER_RUNS` | 2 | seeds for each topology |
//! | `REDIS_CHECKER_FAULTS` | each kind once, one takeover | faults in a run |
//! | `REDIS_CHECKER_KEEP` | – | keeps histories that were found good as well |

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod history;
mod judge;
mod judged;
mod random;
mod run;
mod worker;
mod workload;

mod redis {
    use crate::faults::{Fault, World};
    use crate::judge::Rule;
    use crate::random::Random;
    use crate::run::{PROCESSES, run};
    use crate::worker;
    use crate::workload::Mode;

    /// Not a test by itself: the others start it as a process of its own, and tell it what to do.
    #[test]
    #[ignore = "needs redis-server, and one of the tests below that starts it"]
    fn a_worker_of_the_checker() {
        worker::work();
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_history_on_one_server_keeps_every_promise() {
        check("standalone", || World::standalone(PROCESSES));
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_history_under_sentinel_keeps_every_promise() {
        check("Sentinel", World::sentinel);
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_history_on_a_cluster_keeps_every_promise() {
        check("Cluster", World::cluster);
    }

    /// With an even seed, some faults are such as may lose what was acknowledged: then less is promised, and the rest is counted.
    fn check(topology: &'static str, start: impl Fn() -> World) {
        let first = setting("REDIS_CHECKER_SEED").unwrap_or(1);
        for seed in first..first + setting("REDIS_CHECKER_RUNS").unwrap_or(2) {
            let world = start();
            let faults = plan(&world, seed);
            run(topology, &world, seed, Mode::Right, &faults).check();
        }
    }

    fn plan(world: &World, seed: u64) -> Vec<Fault> {
        let mut random = Random::new(seed, &[u64::MAX]);
        let mut kinds = world.harmless();
        if seed.is_multiple_of(2) {
            kinds.extend_from_slice(world.harmful());
        }
        let Some(many) = setting("REDIS_CHECKER_FAULTS") else {
            random.shuffle(&mut kinds);
            // Of an even seed one that may lose something, if there is any.
            kinds.sort_by_key(|fault| !fault.may_lose());
            let takeover = kinds.iter().copied().find(|fault| fault.is_takeover());
            kinds.retain(|fault| !fault.is_takeover() || Some(*fault) == takeover);
            random.shuffle(&mut kinds);
            return kinds;
        };
        let mut plan = Vec::new();
        while plan.len() < many as usize {
            random.shuffle(&mut kinds);
            plan.extend(kinds.iter().take(many as usize - plan.len()));
        }
        plan
    }

    fn setting(name: &str) -> Option<u64> {
        let value = std::env::var(name).ok()?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
    }

    /// Applications that do it wrong, each in its own way: the checker finds every one.
    #[test]
    #[ignore = "needs redis-server"]
    fn an_application_that_does_it_wrong_is_found_out() {
        let expected = [
            (Mode::DeletesNothing, Rule::EndedStaysEnded),
            (Mode::RetriesBlindly, Rule::NothingTwice),
            (Mode::Overwrites, Rule::NothingLost),
            (Mode::Copies, Rule::OneId),
            (Mode::TakesErrorsForNone, Rule::NeverNoSession),
            (Mode::BeginsLate, Rule::RevocationsHold),
            (Mode::ListsShort, Rule::ListsAreComplete),
        ];
        let world = World::standalone(PROCESSES);
        for (mode, rule) in expected {
            let faults = match mode {
                Mode::RetriesBlindly => &[Fault::ServerStandsStill, Fault::ConnectionBreaks][..],
                _ => &[Fault::ConnectionBreaks],
            };
            // What has to happen by chance may take another turn.
            let is_found = (1..=5).any(|seed| {
                let report = run("standalone", &world, seed, mode, faults);
                println!("{mode:?}: {}\n{}", report.row(), report.told());
                let is_found = report.has(rule);
                report.clean_up();
                is_found
            });
            assert!(is_found, "{mode:?} was not found out");
        }
    }
}
