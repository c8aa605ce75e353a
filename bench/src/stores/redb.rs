//! redb: a B-tree in one file. Relaxed writes survive neither the end of the process nor power loss until somebody commits durably.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Engine, Item, Op, Sessions, Setup, Sync};

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const SEEN: TableDefinition<'_, &[u8], u64> = TableDefinition::new("seen");
const DEADLINES: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("deadlines");

pub struct Redb {
    database: Database,
    sessions: Sessions,
    sync: Sync,
}

impl Redb {
    pub fn open(setup: &Setup) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(setup.cache as usize)
            .create(setup.folder.with_extension("redb"))?;
        let begin = database.begin_write()?;
        begin.open_table(RECORDS)?;
        begin.open_table(SEEN)?;
        begin.open_table(DEADLINES)?;
        begin.commit()?;
        Ok(Self {
            database,
            sessions: setup.sessions,
            sync: setup.sync,
        })
    }

    fn apply(&self, op: Op, item: &Item) -> Result<()> {
        let key = item.key.as_bytes().as_slice();
        if op == Op::Load {
            let read = self.database.begin_read()?;
            let record = read
                .open_table(RECORDS)?
                .get(key)?
                .context("a session that was stored is missing")?
                .value()
                .to_vec();
            let seen = read
                .open_table(SEEN)?
                .get(key)?
                .context("a sighting that was stored is missing")?
                .value();
            std::hint::black_box((record, seen));
            return Ok(());
        }
        let mut write = self.database.begin_write()?;
        write.set_durability(match self.sync {
            Sync::Relaxed if op != Op::Delete => Durability::None,
            _ => Durability::Immediate,
        })?;
        {
            let mut records = write.open_table(RECORDS)?;
            let mut seen = write.open_table(SEEN)?;
            let deadline = item.deadline;
            match op {
                Op::Load => {}
                Op::Replace => {
                    ensure!(records.get(key)?.is_some(), "there is nothing to replace");
                    records.insert(key, item.bytes.as_slice())?;
                }
                Op::Touch => {
                    ensure!(records.get(key)?.is_some(), "there is nothing to touch");
                    seen.insert(key, self.sessions.now().unix_millis())?;
                }
                Op::Create => {
                    ensure!(records.get(key)?.is_none(), "the session is there already");
                    records.insert(key, item.bytes.as_slice())?;
                    seen.insert(key, self.sessions.now().unix_millis())?;
                    write.open_table(DEADLINES)?.insert((deadline, key), ())?;
                }
                Op::Delete => {
                    ensure!(records.remove(key)?.is_some(), "there is nothing to delete");
                    seen.remove(key)?;
                    write.open_table(DEADLINES)?.remove((deadline, key))?;
                }
            }
        }
        write.commit()?;
        Ok(())
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn fill(&self, numbers: Range<u64>) -> Result<()> {
        let write = self.database.begin_write()?;
        {
            let mut records = write.open_table(RECORDS)?;
            let mut seen = write.open_table(SEEN)?;
            let mut deadlines = write.open_table(DEADLINES)?;
            for number in numbers {
                let item = self.sessions.item(number);
                let key = item.key.as_bytes().as_slice();
                records.insert(key, item.bytes.as_slice())?;
                seen.insert(key, self.sessions.now().unix_millis())?;
                deadlines.insert((item.deadline, key), ())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn run(&self, op: Op, items: &[Item]) -> Result<()> {
        items.iter().try_for_each(|item| self.apply(op, item))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
