//! Runs the whole suite against a broken store, and says which cases turned red.

use std::panic;
use std::sync::Once;

use session_core::conformance::store::{CASES, TestStore};

use crate::defect::{Broken, Defect};

/// A case that failed, and what it said.
pub(crate) struct Red {
    promise: &'static str,
    name: &'static str,
    said: String,
}

/// Asserts that the suite turns red, and that these cases, each about its promise, are among the red ones.
pub(crate) fn assert_caught<D: Defect + Default>(by: &[(&str, &str)]) {
    let mut red = red_cases::<D>(|_| true);
    for (_, name) in by {
        // A race that a broken store loses goes well now and then, on a busy machine above all.
        for _ in 0..TRIES {
            if red.iter().any(|red| red.name == *name) {
                break;
            }
            red.extend(red_cases::<D>(|case| case == *name));
        }
    }
    let defect = std::any::type_name::<D>();
    if std::env::var_os("SHOW_RED_CASES").is_some() {
        for red in &red {
            println!(
                "{defect}: {} {}: {}",
                red.promise,
                red.name,
                red.said.lines().next().unwrap_or_default()
            );
        }
    }
    assert!(!red.is_empty(), "the suite stays green on {defect}");
    let names: Vec<&str> = red.iter().map(|red| red.name).collect();
    for (promise, name) in by {
        let caught = red.iter().find(|red| red.name == *name);
        let caught = caught.unwrap_or_else(|| panic!("{name} stays green on {defect}; red are {names:?}"));
        assert_eq!(caught.promise, *promise, "{name} is about another promise");
        assert!(
            caught.said.contains(&format!("({promise})")),
            "{name} does not name its promise {promise} when it fails: {}",
            caught.said
        );
    }
}

/// How often a case that stays green is tried again.
const TRIES: usize = 20;

fn red_cases<D: Defect + Default>(chosen: impl Fn(&str) -> bool) -> Vec<Red> {
    silence_cases();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(CASE)
        .enable_all()
        .build()
        .expect("a test can start a runtime");
    runtime.block_on(async {
        let mut red = Vec::new();
        for case in CASES.iter().filter(|case| chosen(case.name)) {
            let ran = tokio::spawn(case.run(TestStore::new(Broken(D::default())).racing(20))).await;
            if let Err(error) = ran {
                assert!(error.is_panic(), "no case is cancelled");
                red.push(Red {
                    promise: case.promise,
                    name: case.name,
                    said: message(&*error.into_panic()),
                });
            }
        }
        red
    })
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

/// The name of the threads on which cases run: what fails there is expected, and is not reported.
const CASE: &str = "a case that is meant to fail";

fn silence_cases() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(CASE) {
                report(info);
            }
        }));
    });
}
