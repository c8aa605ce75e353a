//! The shop on Rocket, as a visitor meets it: the real binary, over TCP.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in what they share"
)]

mod shop;

shop::scenarios!(env!("CARGO_BIN_EXE_rocket"));
