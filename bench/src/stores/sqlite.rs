//! SQLite with a write-ahead log, by rusqlite: one writing connection, one reading connection for each thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Result, ensure};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Engine, Item, Op, Sessions, Setup, Sync};

pub struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Waits for the disk at every commit.
    durable: Mutex<Connection>,
    sessions: Sessions,
    sync: Sync,
    cache: u64,
}

impl Sqlite {
    pub fn open(setup: &Setup) -> Result<Self> {
        let path = setup.folder.with_extension("sqlite");
        let writer = connect(&path, setup.sync, setup.cache)?;
        writer.execute_batch(
            "create table if not exists sessions (key blob primary key, record blob not null, seen integer not null, \
             expires integer not null) without rowid; \
             create index if not exists deadlines on sessions (expires);",
        )?;
        Ok(Self {
            durable: Mutex::new(connect(&path, Sync::Durable, setup.cache)?),
            path,
            writer: Mutex::new(writer),
            sessions: setup.sessions,
            sync: setup.sync,
            cache: setup.cache,
        })
    }

    fn load(&self, item: &Item) -> Result<()> {
        thread_local! {
            static READERS: RefCell<HashMap<PathBuf, Connection>> = RefCell::default();
        }
        READERS.with_borrow_mut(|readers| {
            if !readers.contains_key(&self.path) {
                readers.clear();
                readers.insert(self.path.clone(), connect(&self.path, self.sync, self.cache)?);
            }
            let mut load = readers[&self.path].prepare_cached("select record, seen from sessions where key = ?")?;
            let found = load
                .query_row([item.key.as_bytes().as_slice()], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            ensure!(
                std::hint::black_box(found).is_some(),
                "a session that was stored is missing"
            );
            Ok(())
        })
    }

    fn write(&self, writer: &Connection, op: Op, item: &Item) -> Result<()> {
        let key = item.key.as_bytes().as_slice();
        let (now, deadline) = (self.sessions.now().unix_millis() as i64, item.deadline as i64);
        let changed = match op {
            Op::Load => 1,
            Op::Replace => writer
                .prepare_cached("update sessions set record = ? where key = ?")?
                .execute(params![item.bytes, key])?,
            Op::Touch => writer
                .prepare_cached("update sessions set seen = ? where key = ?")?
                .execute(params![now, key])?,
            Op::Create => writer
                .prepare_cached("insert into sessions (key, record, seen, expires) values (?, ?, ?, ?)")?
                .execute(params![key, item.bytes, now, deadline])?,
            Op::Delete => writer
                .prepare_cached("delete from sessions where key = ?")?
                .execute([key])?,
        };
        ensure!(changed == 1, "{op:?} changed {changed} sessions");
        Ok(())
    }
}

fn connect(path: &Path, sync: Sync, cache: u64) -> Result<Connection> {
    let connection = Connection::open(path)?;
    let level = if sync == Sync::Durable { "full" } else { "normal" };
    connection.execute_batch(&format!(
        "pragma journal_mode = wal; pragma synchronous = {level}; pragma cache_size = -{}; pragma busy_timeout = 10000;",
        cache / 1024
    ))?;
    Ok(connection)
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite, WAL"
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        let mut writer = self.writer.lock().expect("no writer panicked");
        let transaction = writer.transaction()?;
        for number in numbers {
            self.write(&transaction, Op::Create, &self.sessions.item(number))?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        match op {
            Op::Load => items.iter().try_for_each(|item| self.load(item)),
            // The lock is taken for each, as by requests of a server.
            _ => items.iter().try_for_each(|item| {
                let writer = if op == Op::Delete { &self.durable } else { &self.writer };
                self.write(&writer.lock().expect("no writer panicked"), op, item)
            }),
        }
    }

    fn close(self: Box<Self>) -> Result<()> {
        let writer = self.writer.into_inner().expect("no writer panicked");
        writer.execute_batch("pragma wal_checkpoint(truncate);")?;
        Ok(())
    }
}
