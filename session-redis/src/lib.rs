#![doc = include_str!("../README.md")]
//!
//! # Crate map
//!
//! | file        | holds                                                                                   |
//! |-------------|-----------------------------------------------------------------------------------------|
//! | `store`     | [`RedisStore`], the handle                                                              |
//! | `builder`   | [`RedisStoreBuilder`]                                                                   |
//! | `session`   | one session: each operation is one step on one key                                      |
//! | `login`     | logins and rotations: several steps, in an order that no stop in between makes unsafe   |
//! | `admission` | putting a login on its owner's list: revocations and the limit                          |
//! | `owners`    | listing and revoking                                                                    |
//! | `epoch`     | when a login began, by the clock of a server                                            |
//! | `layout`    | bytes of keys and values                                                                |
//! | `near_cache` | records that are kept in this process until they change                                   |
//! | `script`    | the Lua scripts                                                                         |
//! | `server`    | connections, routes, failover                                                           |
//! | `address`   | URLs                                                                                    |
//! | `check`     | settings of servers that may lose sessions; the health check                            |
//! | `failure`   | every error                                                                             |

mod address;
mod admission;
mod builder;
mod check;
mod epoch;
mod failure;
mod layout;
mod login;
mod near_cache;
mod owners;
mod reply;
mod script;
mod server;
mod session;
mod store;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
