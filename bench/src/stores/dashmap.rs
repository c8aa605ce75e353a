//! A sharded map of encoded records: what memory costs, without promises.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use session_core::StoreKey;

use super::{Engine, Item, Op, Sessions, Setup};

struct Stored {
    record: Vec<u8>,
    seen: u64,
}

pub struct Map {
    map: DashMap<StoreKey, Stored>,
    sessions: Sessions,
}

impl Map {
    pub fn open(setup: &Setup) -> Self {
        Self {
            map: DashMap::new(),
            sessions: setup.sessions,
        }
    }

    fn apply(&self, op: Op, item: &Item) -> Result<()> {
        let key = item.key;
        let now = self.sessions.now().unix_millis();
        match op {
            Op::Load => {
                let found = self.map.get(&key).context("a session that was stored is missing")?;
                std::hint::black_box((found.record.clone(), found.seen));
            }
            Op::Replace => self.map.get_mut(&key).context("there is nothing to replace")?.record = item.bytes.clone(),
            Op::Touch => self.map.get_mut(&key).context("there is nothing to touch")?.seen = now,
            Op::Create => match self.map.entry(key) {
                Entry::Occupied(_) => anyhow::bail!("the session is there already"),
                Entry::Vacant(entry) => {
                    entry.insert(Stored {
                        record: item.bytes.clone(),
                        seen: now,
                    });
                }
            },
            Op::Delete => ensure!(self.map.remove(&key).is_some(), "there is nothing to delete"),
        }
        Ok(())
    }
}

impl Engine for Map {
    fn name(&self) -> &'static str {
        "sharded map (dashmap)"
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        numbers
            .into_iter()
            .try_for_each(|number| self.apply(Op::Create, &self.sessions.item(number)))
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        items.iter().try_for_each(|item| self.apply(op, item))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
