//! Our stores.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use session_core::{Admission, Created, Deleted, MemoryStore, Replaced, Store, Touched};
use session_fjall::{Durability, FjallStore};
use tokio::runtime::{Builder, Runtime};

use super::{AtOnce, Engine, Item, Op, Sessions, Setup, Sync, block_on};
use crate::measure::{Samples, micros};

/// Bytes for sessions in use, beside the cache of blocks; the default.
pub const RECORD_CACHE: u64 = 64 * 1024 * 1024;

/// One of our stores.
pub struct Ours {
    name: &'static str,
    store: Arc<dyn Store>,
    fjall: Option<FjallStore>,
    sessions: Sessions,
    /// Two workers, as a server on this machine would have.
    runtime: Runtime,
}

impl Ours {
    pub fn fjall(setup: &Setup) -> Result<Self> {
        let durability = match setup.sync {
            Sync::Relaxed => Durability::Process,
            Sync::Durable => Durability::PowerLoss,
        };
        let store = FjallStore::builder(&setup.folder)
            .cache_size(setup.cache)
            .record_cache(RECORD_CACHE)
            .durability(durability)
            .open()?;
        Self::new("ours, FjallStore", Arc::new(store.clone()), Some(store), setup)
    }

    pub fn memory(setup: &Setup) -> Result<Self> {
        Self::new("ours, MemoryStore", Arc::new(MemoryStore::new()), None, setup)
    }

    fn new(name: &'static str, store: Arc<dyn Store>, fjall: Option<FjallStore>, setup: &Setup) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self {
            name,
            store,
            fjall,
            sessions: setup.sessions,
            runtime,
        })
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

async fn apply(store: &dyn Store, sessions: Sessions, op: Op, item: &Item) -> Result<()> {
    let (key, now) = (item.key, sessions.now());
    match op {
        Op::Load => {
            std::hint::black_box(
                store
                    .load(key, now)
                    .await?
                    .context("a session that was stored is missing")?,
            );
        }
        Op::Replace => {
            // The revision stays, so that the same call succeeds again.
            let record = item.record.clone();
            let replaced = store.replace(key, record.revision(), record, now).await?;
            ensure!(replaced == Replaced::Stored, "a session was not replaced");
        }
        Op::Touch => {
            let touched = store
                .touch(key, now, item.record.clone().seen(now).expires_at())
                .await?;
            ensure!(touched == Touched::Recorded, "a session was not touched");
        }
        Op::Create => {
            let created = store
                .create(key, item.record.clone(), Admission::default(), now)
                .await?;
            ensure!(created == Created::Stored, "a session was not created");
        }
        Op::Delete => ensure!(
            store.delete(key).await? == Deleted::Removed,
            "a session was not there to delete"
        ),
    }
    Ok(())
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        self.runtime.block_on(async {
            const LANES: u64 = 256;
            let mut lanes = tokio::task::JoinSet::new();
            for lane in 0..LANES {
                let (store, sessions, numbers) = (Arc::clone(&self.store), self.sessions, numbers.clone());
                lanes.spawn(async move {
                    for number in numbers.skip(lane as usize).step_by(LANES as usize) {
                        apply(&*store, sessions, Op::Create, &sessions.item(number)).await?;
                    }
                    anyhow::Ok(())
                });
            }
            while let Some(lane) = lanes.join_next().await {
                lane??;
            }
            Ok(())
        })
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        block_on(async {
            for item in items {
                apply(&*self.store, self.sessions, op, item).await?;
            }
            Ok(())
        })
    }

    /// Tasks instead of threads.
    fn run_at_once(&self, op: Op, items: &[Item], writers: usize) -> Result<AtOnce> {
        let share = |lane| items.iter().skip(lane).step_by(writers).cloned().collect::<Vec<_>>();
        let shares: Vec<_> = (0..writers).map(share).collect();
        self.runtime.block_on(async {
            let started = Instant::now();
            let mut lanes = tokio::task::JoinSet::new();
            for share in shares {
                let (store, sessions) = (Arc::clone(&self.store), self.sessions);
                lanes.spawn(async move {
                    let mut taken = Samples::default();
                    for item in &share {
                        let started = Instant::now();
                        apply(&*store, sessions, op, item).await?;
                        taken.push(micros(started.elapsed()));
                    }
                    anyhow::Ok(taken)
                });
            }
            let mut latencies = Samples::default();
            while let Some(lane) = lanes.join_next().await {
                latencies.extend(&lane??);
            }
            Ok(AtOnce {
                took: started.elapsed(),
                latencies,
            })
        })
    }

    fn close(self: Box<Self>) -> Result<()> {
        if let Some(fjall) = &self.fjall {
            self.runtime.block_on(fjall.close())?;
        }
        Ok(())
    }
}
