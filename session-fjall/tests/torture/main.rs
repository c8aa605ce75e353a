//! What a disk and a machine can do to a store: the process is killed at any moment ([`kill`]), the power fails ([`power`]), bytes
//! change ([`bytes`]). Random, from a seed that a failure names.
//!
//! By default as much as fits into a few seconds; `SESSION_FJALL_TORTURE` multiplies it, `SESSION_FJALL_TORTURE_SEED` sets the seed:
//!
//! ```text
//! SESSION_FJALL_TORTURE=20 SESSION_FJALL_TORTURE_SEED=7 cargo test --release -p session-fjall --test torture -- --nocapture
//! ```
#![allow(clippy::unwrap_used, reason = "what a test builds upon")]
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod chance;
mod disk;
mod kill;
mod load;
mod power;

use chance::Chance;

/// How many times as much as by default.
fn times() -> u64 {
    std::env::var("SESSION_FJALL_TORTURE").map_or(1, |times| times.parse().unwrap())
}

fn seed() -> u64 {
    std::env::var("SESSION_FJALL_TORTURE_SEED").map_or(1, |seed| seed.parse().unwrap())
}
