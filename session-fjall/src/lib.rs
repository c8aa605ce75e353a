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
//! | `read`       | what is read                                                            |
//! | `inventory`  | everything that is stored, in order                                     |
//! | `database`   | keyspaces, tuning, opening and closing the engine                       |
//! | `layout`     | bytes of keys and values                                                |
//! | `journal`    | notices when the engine drops the end of its journal                    |
//! | `folder`     | lock, format marker, whether a folder is ours                           |
//! | `failure`    | every error                                                             |

mod builder;
mod committer;
mod database;
mod durability;
mod failure;
mod folder;
mod inventory;
mod journal;
mod layout;
mod read;
mod store;

pub use builder::FjallStoreBuilder;
pub use durability::Durability;
pub use store::FjallStore;
