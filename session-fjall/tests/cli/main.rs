//! The program itself, run on folders of its own.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

#[path = "../damage/mod.rs"]
mod damage;
mod harmless;
mod program;
mod repair;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod transfer;
