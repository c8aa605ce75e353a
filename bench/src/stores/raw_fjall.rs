//! fjall itself, with the keyspaces, the tuning and the batches of our store, called directly: no committer, no decoding, no checks
//! beyond the look that an operation cannot do without. What our store could cost at best.

use std::ops::Range;
use std::sync::mpsc;

use anyhow::{Context, Result};
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, HashRatioPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tokio::sync::oneshot;

use super::{Engine, Item, Op, Sessions, Setup, Sync, block_on};

pub struct RawFjall {
    database: Database,
    records: Keyspace,
    seen: Keyspace,
    deadlines: Keyspace,
    sessions: Sessions,
    sync: Sync,
}

impl RawFjall {
    pub fn open(setup: &Setup) -> Result<Self> {
        let database = Database::builder(&setup.folder)
            .cache_size(setup.cache)
            .max_journaling_size(64 * 1024 * 1024)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 * 1024 * 1024);
        let point = || {
            let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
            options()
                .filter_policy(FilterPolicy::all(bloom))
                .data_block_hash_ratio_policy(HashRatioPolicy::all(8.0))
        };
        let range = || options().filter_policy(FilterPolicy::disabled());
        Ok(Self {
            records: database.keyspace("records", point)?,
            seen: database.keyspace("seen", point)?,
            deadlines: database.keyspace("deadlines", range)?,
            database,
            sessions: setup.sessions,
            sync: setup.sync,
        })
    }

    fn apply(&self, op: Op, item: &Item) -> Result<()> {
        let key = item.key.as_bytes();
        match op {
            Op::Load => {
                let record = self.records.get(key)?.context("a session that was stored is missing")?;
                let seen = self.seen.get(key)?.context("a sighting that was stored is missing")?;
                std::hint::black_box((record, seen));
                return Ok(());
            }
            Op::Replace => {
                let record = self.records.get(key)?.context("there is nothing to replace")?;
                std::hint::black_box((record, self.seen.get(key)?));
                self.put(item)?;
            }
            Op::Touch => {
                let record = self.records.get(key)?.context("there is nothing to touch")?;
                std::hint::black_box((record, self.seen.get(key)?));
                self.seen.insert(key, self.sighting(item))?;
            }
            Op::Create => {
                anyhow::ensure!(!self.records.contains_key(key)?, "the session is there already");
                self.insert_all(item)?;
            }
            Op::Delete => {
                let mut batch = self.database.batch();
                let seen = self.seen.get(key)?.context("there is nothing to delete")?;
                std::hint::black_box((self.records.get(key)?, seen));
                batch.remove(&self.records, key);
                batch.remove(&self.seen, key);
                batch.remove(&self.deadlines, place(item));
                batch.commit()?;
                self.database.persist(PersistMode::SyncData)?;
                return Ok(());
            }
        }
        if self.sync == Sync::Durable {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn put(&self, item: &Item) -> Result<()> {
        Ok(self.records.insert(item.key.as_bytes(), item.bytes.as_slice())?)
    }

    fn insert_all(&self, item: &Item) -> Result<()> {
        let key = item.key.as_bytes();
        let mut batch = self.database.batch();
        batch.insert(&self.records, key, item.bytes.as_slice());
        batch.insert(&self.seen, key, self.sighting(item));
        batch.insert(&self.deadlines, place(item), []);
        batch.commit()?;
        Ok(())
    }

    fn sighting(&self, item: &Item) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.sessions.now().unix_millis().to_be_bytes());
        bytes[8..].copy_from_slice(&item.deadline.to_be_bytes());
        bytes
    }
}

fn place(item: &Item) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&item.deadline.to_be_bytes());
    bytes[8..].copy_from_slice(item.key.as_bytes());
    bytes
}

impl Engine for RawFjall {
    fn name(&self) -> &'static str {
        "raw fjall"
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        for number in numbers {
            self.insert_all(&self.sessions.item(number))?;
        }
        Ok(())
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        items.iter().try_for_each(|item| self.apply(op, item))
    }

    fn run_across(&self, op: Op, items: &[Item]) -> Result<()> {
        let (requests, received) = mpsc::channel::<(&Item, oneshot::Sender<Result<()>>)>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (item, reply) in received {
                    let _ = reply.send(self.apply(op, item)); // who asks always waits
                }
            });
            // It takes `requests` with it, whose end is the end of the thread.
            block_on(async move {
                for item in items {
                    let (reply, answer) = oneshot::channel();
                    requests
                        .send((item, reply))
                        .ok()
                        .context("the other thread has ended")?;
                    answer.await??;
                }
                Ok(())
            })
        })
    }

    /// As our store closes: memtables are written to tables.
    fn close(self: Box<Self>) -> Result<()> {
        for keyspace in [&self.records, &self.seen, &self.deadlines] {
            keyspace.rotate_memtable_and_wait()?;
        }
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}
