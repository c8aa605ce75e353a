#![doc = include_str!("../README.md")]
//!
//! # Crate map
//!
//! | file         | holds                                                                  |
//! |--------------|------------------------------------------------------------------------|
//! | `store`      | [`FjallStore`], the handle; reads run on the caller                     |
//! | `builder`    | [`FjallStoreBuilder`]                                                   |
//! | `durability` | [`Durability`]                                                          |
//! | `committer`  | the thread that owns all writes; what each of them does; the sweep      |
//! | `cache`      | sessions in use, decoded                                                |
//! | `read`       | what is read                                                            |
//! | `inventory`  | everything that is stored, in order                                     |
//! | `backup`     | a copy as of one moment                                                 |
//! | `export`     | sessions as lines of JSON (feature `cli`)                               |
//! | `import`     | and back (feature `cli`)                                                |
//! | `cli`        | the program `session-fjall` (feature `cli`)                             |
//! | `stats`      | [`StoreStats`]: what is stored, counted                                 |
//! | `verify`     | [`Examination`]: whether records and indexes agree, and mending them    |
//! | `permit`     | ends walks when the store closes                                        |
//! | `progress`   | [`Progress`] of what walks over everything                              |
//! | `database`   | keyspaces, tuning, opening and closing the engine                       |
//! | `batch`      | what one operation writes, all or nothing                               |
//! | `layout`     | bytes of keys and values                                                |
//! | `journal`    | notices when the engine drops the end of its journal                    |
//! | `manifest`   | notices when the engine's manifests are damaged                          |
//! | `folder`     | lock, format marker, whether a folder is ours                           |
//! | `failure`    | every error                                                             |

mod backup;
mod batch;
mod builder;
mod cache;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod committer;
mod database;
mod durability;
#[cfg(feature = "cli")]
mod export;
mod failure;
mod folder;
#[cfg(feature = "cli")]
mod import;
mod inventory;
mod journal;
mod layout;
mod manifest;
mod permit;
mod progress;
mod read;
mod stats;
mod store;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod verify;

pub use builder::FjallStoreBuilder;
pub use durability::Durability;
#[cfg(feature = "cli")]
pub use export::{Content, Exported};
#[cfg(feature = "cli")]
pub use import::Imported;
pub use progress::Progress;
pub use stats::StoreStats;
pub use store::FjallStore;
pub use verify::{Examination, Finding, Index, Repair};
