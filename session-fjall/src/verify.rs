//! [`Examination`]: whether records and indexes agree, what disagrees, and mending it. Reads here; writes are the committer's.

use std::fmt;

use fjall::{Readable, Snapshot};
use session_core::{Handle, Record, Result, StoreKey};

use crate::committer::{Mend, Request};
use crate::failure;
use crate::inventory::{Found, Seen, Stock, Walk};
use crate::layout;
use crate::progress::{Meter, Progress};
use crate::read::Reader;
use crate::store::FjallStore;

/// What [`FjallStore::examine`] is to do about what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// Look only.
    #[default]
    Nothing,
    /// Write index entries that are missing, and remove those that lead nowhere. No session is lost by it.
    Indexes,
    /// The same, and remove records that cannot be read. Their sessions end; check first that no newer release wrote them.
    IndexesAndDamaged,
}

/// What [`FjallStore::examine`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// Records that can be read.
    pub sessions: u64,
    /// Index entries that are missing. Their sessions work, but are not swept, or not listed and revoked with their owner.
    pub missing: u64,
    /// Index entries that lead to no session. They only take room.
    pub leftover: u64,
    /// Records that cannot be read.
    pub damaged: u64,
    /// Records whose place in their owner's list leads to another record. No repair can tell which of the two is in use; ending the
    /// session by its handle, by [`find`](FjallStore::find) and [`delete`](session_core::Store::delete), ends one at a time.
    pub doubled: u64,
    /// What was found first, at most [`MOST_FINDINGS`](Self::MOST_FINDINGS); the numbers count everything.
    pub findings: Vec<Finding>,
    /// How much of it was mended or removed.
    pub mended: u64,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A session has no entry, or a wrong one, in an index.
    Missing {
        /// Where the record is.
        key: StoreKey,
        /// Its public name.
        handle: Handle,
        /// Which index.
        index: Index,
    },
    /// An index entry leads to no session, or to one that stands elsewhere.
    Leftover {
        /// Where it leads; `None` if it is malformed.
        key: Option<StoreKey>,
        /// Which index.
        index: Index,
    },
    /// A record cannot be read.
    Damaged {
        /// Where it is.
        key: StoreKey,
        /// Why, without what it holds.
        why: String,
    },
    /// Two records are one session: same owner, same start, same handle. Revoking the owner ends the other alone.
    Doubled {
        /// The record that the owner's list does not lead to.
        key: StoreKey,
        /// The one that it leads to.
        other: StoreKey,
        /// The public name of both.
        handle: Handle,
    },
}

/// What is kept beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Index {
    /// When each session was last seen without being changed, and where it stands in the queue of deadlines.
    Seen,
    /// When each session ends, for the sweep.
    Deadlines,
    /// The sessions of each owner.
    Owners,
}

impl Examination {
    /// The most that [`findings`](Self::findings) holds.
    pub const MOST_FINDINGS: usize = 100;

    /// Whether everything agrees.
    pub fn is_sound(&self) -> bool {
        self.faults() == 0
    }

    /// How many findings there are.
    pub(crate) fn faults(&self) -> u64 {
        self.missing + self.leftover + self.damaged + self.doubled
    }

    fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Missing { .. } => self.missing += 1,
            Finding::Leftover { .. } => self.leftover += 1,
            Finding::Damaged { .. } => self.damaged += 1,
            Finding::Doubled { .. } => self.doubled += 1,
        }
        if self.findings.len() < Self::MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seen => "seen",
            Self::Deadlines => "deadlines",
            Self::Owners => "owners",
        })
    }
}

/// Shows no more of a store key than its first bytes.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, handle, index } => write!(f, "session {handle} at {key:?} has no entry in {index}"),
            Self::Leftover { key: Some(key), index } => write!(f, "an entry in {index} leads to no session at {key:?}"),
            Self::Leftover { key: None, index } => write!(f, "an entry in {index} is malformed"),
            Self::Damaged { key, why } => write!(f, "the record at {key:?} cannot be read: {why}"),
            Self::Doubled { key, other, handle } => write!(
                f,
                "session {handle} is stored twice, at {key:?} and {other:?}; revoke it by its handle, and let its user sign in again"
            ),
        }
    }
}

impl FjallStore {
    /// Reads everything and compares records and indexes, both ways, as of one moment; mends what it may.
    ///
    /// For operators, after a disk has failed. Memory does not grow with the store. Blocks: about ten seconds for a million sessions.
    /// Requests go on meanwhile; each mend looks again at what is stored by then, and is one atomic batch, so that an interrupted
    /// repair leaves nothing worse than it was.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// use session_fjall::{FjallStore, Repair};
    ///
    /// let store = FjallStore::open(folder.path().join("sessions"))?;
    /// let found = store.examine(Repair::Indexes, |_progress| {})?;
    /// assert!(found.is_sound());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Corrupt`](session_core::ErrorKind::Corrupt) if the engine's own files are damaged: what follows cannot be read then.
    /// [`Unavailable`](session_core::ErrorKind::Unavailable) if the store is down.
    pub fn examine(&self, repair: Repair, mut progress: impl FnMut(Progress)) -> Result<Examination> {
        self.walk(|reader| {
            let snapshot = reader.tables.database.snapshot();
            let mut examiner = Examiner {
                store: self,
                reader: &reader,
                snapshot: &snapshot,
                repair,
                found: Examination::default(),
                good: Good::default(),
                mends: Vec::new(),
            };
            let meter = &mut Meter::new(&mut progress);
            examiner.sessions(meter)?;
            examiner.deadlines(meter)?;
            examiner.owners(meter)?;
            examiner.mend()?;
            Ok(examiner.found)
        })
    }

    /// Reads everything and checks that records and indexes agree; answers how many sessions there are.
    ///
    /// The same as [`examine`](Self::examine), for those who want a plain answer.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](session_core::ErrorKind::Corrupt), saying what disagrees.
    pub fn verify(&self) -> Result<u64> {
        let found = self.examine(Repair::Nothing, |_| {})?;
        match found.findings.first() {
            None => Ok(found.sessions),
            Some(first) => Err(failure::corrupt(self.path(), &first.to_string())),
        }
    }
}

/// Mends handed to the committer at once.
const MENDS: usize = 128;

struct Examiner<'a> {
    store: &'a FjallStore,
    reader: &'a Reader<'a>,
    snapshot: &'a Snapshot,
    repair: Repair,
    found: Examination,
    good: Good,
    mends: Vec<Mend>,
}

/// Index entries that a record accounts for. If an index holds no more, none of its entries leads nowhere, and it need not be searched.
#[derive(Default)]
struct Good {
    deadlines: u64,
    owners: u64,
}

impl Examiner<'_> {
    /// From the records to the indexes.
    fn sessions(&mut self, meter: &mut Meter<'_>) -> Result<()> {
        meter.start("records", self.reader.tables.records.approximate_len());
        for found in Walk::new(self.reader, self.snapshot, None) {
            let Found {
                key, record, sighting, ..
            } = found?;
            match record {
                Stock::Readable(record) => self.session(key, &record, sighting)?,
                Stock::Damaged(error) => self.damaged(key, &error, sighting)?,
                Stock::Missing => {
                    let index = Index::Seen;
                    self.report(Finding::Leftover { key: Some(key), index }, Mend::Session(key))?;
                }
            }
            meter.tick();
        }
        Ok(())
    }

    fn session(&mut self, key: StoreKey, record: &Record, sighting: Option<Seen>) -> Result<()> {
        self.found.sessions += 1;
        let mut missing = Vec::new();
        match sighting {
            Some(Seen::Readable(sighting)) => {
                let queued = self.is_queued(key, sighting.queued)?;
                self.good.deadlines += u64::from(queued);
                if !queued || sighting.queued > record.expires_at() {
                    missing.push(Index::Deadlines);
                }
            }
            Some(Seen::Malformed) | None => missing.push(Index::Seen),
        }
        if let Some(place) = layout::owner_key(record) {
            let leads_to = self.snapshot.get(&self.reader.tables.owners, place);
            let leads_to = leads_to.map_err(|error| failure::reading(self.reader.path, error))?;
            let leads_to = leads_to.and_then(|leads_to| layout::store_key(&leads_to));
            match leads_to {
                Some(leads_to) if leads_to == key => self.good.owners += 1,
                Some(other) if self.stands_in_list(other, place)? => {
                    let handle = record.handle();
                    self.found.add(Finding::Doubled { key, other, handle });
                }
                _ => missing.push(Index::Owners),
            }
        }
        for index in missing {
            let handle = record.handle();
            self.report(Finding::Missing { key, handle, index }, Mend::Session(key))?;
        }
        Ok(())
    }

    /// Whether the record under a key belongs at this place of an owner's list.
    fn stands_in_list(&self, key: StoreKey, place: [u8; layout::OWNER_KEY]) -> Result<bool> {
        let bytes = self.snapshot.get(&self.reader.tables.records, key.as_bytes());
        let bytes = bytes.map_err(|error| failure::reading(self.reader.path, error))?;
        Ok(bytes.is_some_and(|bytes| layout::belongs_at(&bytes, &place)))
    }

    fn damaged(&mut self, key: StoreKey, error: &session_core::Error, sighting: Option<Seen>) -> Result<()> {
        if let Some(Seen::Readable(sighting)) = sighting {
            self.good.deadlines += u64::from(self.is_queued(key, sighting.queued)?);
        }
        let why = error.to_string();
        self.found.add(Finding::Damaged { key, why });
        if self.repair == Repair::IndexesAndDamaged {
            self.push(Mend::Damaged(key))?;
        }
        Ok(())
    }

    fn is_queued(&self, key: StoreKey, queued: session_core::Timestamp) -> Result<bool> {
        let place = layout::deadline_key(queued, key);
        let found = self.snapshot.contains_key(&self.reader.tables.deadlines, place);
        found.map_err(|error| failure::reading(self.reader.path, error))
    }

    /// From the queue of deadlines to the sessions.
    fn deadlines(&mut self, meter: &mut Meter<'_>) -> Result<()> {
        let keyspace = &self.reader.tables.deadlines;
        if self.count(keyspace, "deadlines", meter)? == self.good.deadlines {
            return Ok(());
        }
        meter.start("deadlines, searching", keyspace.approximate_len());
        for entry in self.snapshot.iter(keyspace) {
            self.reader.go_on()?;
            let place = entry.key().map_err(|error| failure::reading(self.reader.path, error))?;
            let leads_to = layout::split_deadline_key(&place);
            let good = match leads_to {
                Some((queued, key)) => self.stands_at(key, queued)?,
                None => false,
            };
            if !good {
                let finding = Finding::Leftover {
                    key: leads_to.map(|(_, key)| key),
                    index: Index::Deadlines,
                };
                self.report(finding, Mend::Deadline(place.to_vec()))?;
            }
            meter.tick();
        }
        Ok(())
    }

    /// Whether there is a record under the key, and its sighting names this place in the queue.
    fn stands_at(&self, key: StoreKey, queued: session_core::Timestamp) -> Result<bool> {
        let failed = |error| failure::reading(self.reader.path, error);
        let tables = self.reader.tables;
        let sighting = self.snapshot.get(&tables.seen, key.as_bytes()).map_err(failed)?;
        let sighting = sighting.and_then(|bytes| layout::Sighting::decode(&bytes));
        Ok(sighting.is_some_and(|sighting| sighting.queued == queued)
            && self
                .snapshot
                .contains_key(&tables.records, key.as_bytes())
                .map_err(failed)?)
    }

    /// From the owners' lists to the sessions.
    fn owners(&mut self, meter: &mut Meter<'_>) -> Result<()> {
        let failed = |error| failure::reading(self.reader.path, error);
        let keyspace = &self.reader.tables.owners;
        if self.count(keyspace, "owners", meter)? == self.good.owners {
            return Ok(());
        }
        meter.start("owners, searching", keyspace.approximate_len());
        for entry in self.snapshot.iter(keyspace) {
            self.reader.go_on()?;
            let (place, value) = entry.into_inner().map_err(failed)?;
            let key = layout::store_key(&value);
            let stored = self.snapshot.get(&self.reader.tables.records, &value).map_err(failed)?;
            match stored.map(|bytes| Record::decode(&bytes)) {
                Some(Ok(record)) if layout::owner_key(&record).is_some_and(|known| *place == known) => {}
                // Whose it is, nobody can tell; if the record goes, so does this.
                Some(Err(_)) if self.repair != Repair::IndexesAndDamaged => {}
                Some(Err(_)) => self.push(Mend::Owner(place.to_vec()))?,
                _ => {
                    let index = Index::Owners;
                    self.report(Finding::Leftover { key, index }, Mend::Owner(place.to_vec()))?;
                }
            }
            meter.tick();
        }
        Ok(())
    }

    fn count(&self, keyspace: &fjall::Keyspace, walking: &'static str, meter: &mut Meter<'_>) -> Result<u64> {
        meter.start(walking, keyspace.approximate_len());
        let mut count = 0;
        for entry in self.snapshot.iter(keyspace) {
            self.reader.go_on()?;
            entry.key().map_err(|error| failure::reading(self.reader.path, error))?;
            count += 1;
            meter.tick();
        }
        Ok(count)
    }

    fn report(&mut self, finding: Finding, mend: Mend) -> Result<()> {
        self.found.add(finding);
        if self.repair == Repair::Nothing {
            return Ok(());
        }
        self.push(mend)
    }

    fn push(&mut self, mend: Mend) -> Result<()> {
        self.mends.push(mend);
        if self.mends.len() < MENDS {
            return Ok(());
        }
        self.mend()
    }

    fn mend(&mut self) -> Result<()> {
        if self.mends.is_empty() {
            return Ok(());
        }
        let what = std::mem::take(&mut self.mends);
        self.found.mended += self.store.ask_blocking(|reply| Request::Mend { what, reply })?;
        Ok(())
    }
}
