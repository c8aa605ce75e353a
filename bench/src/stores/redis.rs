//! Redis over its socket on this machine, by plain commands: a round trip and a copy, and another process's processor.

use std::cell::RefCell;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use redis::{Connection, cmd, pipe};

use super::{Engine, Item, Op, Sessions, Setup};

pub struct Redis {
    client: redis::Client,
    url: String,
    sessions: Sessions,
}

impl Redis {
    pub fn open(setup: &Setup) -> Result<Self> {
        let redis = Self {
            client: redis::Client::open(setup.redis.as_str())?,
            url: setup.redis.clone(),
            sessions: setup.sessions,
        };
        Ok(redis)
    }

    /// A connection of this thread.
    fn connected<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        thread_local! {
            static CONNECTION: RefCell<Option<(String, Connection)>> = const { RefCell::new(None) };
        }
        CONNECTION.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(url, _)| *url != self.url) {
                *slot = Some((self.url.clone(), self.client.get_connection()?));
            }
            work(&mut slot.as_mut().expect("it was just connected").1)
        })
    }

    fn apply(&self, connection: &mut Connection, op: Op, item: &Item) -> Result<()> {
        let key = item.key.as_bytes().as_slice();
        let done = match op {
            Op::Load => {
                let record: Option<Vec<u8>> = cmd("GET").arg(key).query(connection)?;
                std::hint::black_box(record.context("a session that was stored is missing")?);
                true
            }
            Op::Replace => cmd("SET")
                .arg(key)
                .arg(&item.bytes)
                .arg("XX")
                .arg("PXAT")
                .arg(item.deadline)
                .query(connection)?,
            Op::Touch => cmd("PEXPIREAT").arg(key).arg(item.deadline).query(connection)?,
            Op::Create => cmd("SET")
                .arg(key)
                .arg(&item.bytes)
                .arg("NX")
                .arg("PXAT")
                .arg(item.deadline)
                .query(connection)?,
            Op::Delete => cmd("DEL").arg(key).query(connection)?,
        };
        ensure!(done, "{op:?} changed nothing");
        Ok(())
    }
}

impl Engine for Redis {
    fn name(&self) -> &'static str {
        "Redis, socket"
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        self.connected(|connection| {
            let numbers: Vec<_> = numbers.collect();
            for chunk in numbers.chunks(1000) {
                let mut pipe = pipe();
                for number in chunk {
                    let item = self.sessions.item(*number);
                    let set = pipe.cmd("SET").arg(item.key.as_bytes()).arg(item.bytes);
                    set.arg("PXAT").arg(item.deadline).ignore();
                }
                pipe.exec(connection)?;
            }
            Ok(())
        })
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        self.connected(|connection| items.iter().try_for_each(|item| self.apply(connection, op, item)))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
