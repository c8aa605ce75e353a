//! What hostile bytes are given to: one function for everything that reads bytes from strangers, from disks or from other machines. Each
//! panics if a promise is broken. libFuzzer calls them (`targets/`, see `fuzz/run`), and `cargo test` replays the corpus.

mod codec;
mod requests;
mod site;
mod transfer;

/// Compiled here as it is in session-redis, where it is private.
#[allow(dead_code, reason = "the store uses the rest")]
#[path = "../../session-redis/src/layout.rs"]
mod layout;

pub use codec::{cursor, record, redis_value, value};
pub use requests::{admin, cookie, form, token};
pub use transfer::import;

/// A target: a promise, given any bytes.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("cookie", cookie),
    ("token", token),
    ("record", record),
    ("cursor", cursor),
    ("import", import),
    ("redis_value", redis_value),
    ("value", value),
    ("form", form),
    ("admin", admin),
];
