//! Mending what an examination found: each mend looks at what is stored by now, and is one atomic batch.

use session_core::{Record, StoreKey};

use super::change::Change;
use super::write::{Outcome, Removal, Writer};
use crate::failure;
use crate::layout::{self, Sighting};

/// What to look at again, and to put right.
#[derive(Clone, Debug)]
pub(crate) enum Mend {
    /// The index entries of a session; or its sighting, if there is no record.
    Session(StoreKey),
    /// A place in the queue of deadlines.
    Deadline(Vec<u8>),
    /// A place in an owner's list.
    Owner(Vec<u8>),
    /// A record that cannot be read: remove it.
    Damaged(StoreKey),
}

impl Writer<'_> {
    /// Answers how many mends changed anything.
    pub(crate) fn mend(&mut self, what: Vec<Mend>) -> Outcome<u64> {
        let mut mended = 0;
        for mend in what {
            let mut change = self.change();
            match mend {
                Mend::Session(key) => self.mend_session(&mut change, key)?,
                Mend::Deadline(place) => self.mend_deadline(&mut change, place)?,
                Mend::Owner(place) => self.mend_owner(&mut change, place)?,
                Mend::Damaged(key) => self.remove_damaged(&mut change, key)?,
            }
            if !change.is_empty() {
                self.commit(change, ())?;
                mended += 1;
            }
        }
        Ok(mended)
    }

    fn mend_session(&mut self, change: &mut Change<'_>, key: StoreKey) -> Outcome<()> {
        let failed = |error| failure::reading(self.path, error);
        let sighting = self.tables.seen.get(key.as_bytes()).map_err(failed)?;
        let record = self.tables.records.get(key.as_bytes()).map_err(failed)?;
        let Some(record) = record else {
            if sighting.is_some() {
                change.remove_sighting(key);
            }
            return Ok(());
        };
        let Ok(record) = Record::decode(&record) else {
            return Ok(());
        };
        let sighting = sighting.and_then(|bytes| Sighting::decode(&bytes));
        let record = match sighting {
            Some(sighting) => record.seen(sighting.seen_at),
            None => record,
        };
        if !self.is_queued(key, &record, sighting)? {
            // A batch must not name a key twice, so only a place that is not taken again is given up.
            if let Some(sighting) = sighting.filter(|sighting| sighting.queued != record.expires_at()) {
                let place = layout::deadline_key(sighting.queued, key);
                change.unqueue(place);
            }
            self.enqueue(change, key, &record);
        }
        if let Some(place) = layout::owner_key(&record) {
            let leads_to = self.tables.owners.get(place).map_err(failed)?;
            // A place that is another record's is not taken: who of the two is in use, nobody knows.
            let listed = match leads_to {
                Some(leads_to) if *leads_to != *key.as_bytes() => {
                    let other = self.tables.records.get(&leads_to).map_err(failed)?;
                    other.is_some_and(|other| layout::belongs_at(&other, &place))
                }
                Some(_) => true,
                None => false,
            };
            if !listed {
                change.list(place, key);
            }
        }
        Ok(())
    }

    /// Whether the session stands in the queue of deadlines where its sighting says, and not too late.
    fn is_queued(&self, key: StoreKey, record: &Record, sighting: Option<Sighting>) -> Outcome<bool> {
        let Some(sighting) = sighting.filter(|sighting| sighting.queued <= record.expires_at()) else {
            return Ok(false);
        };
        let place = layout::deadline_key(sighting.queued, key);
        let found = self.tables.deadlines.contains_key(place);
        Ok(found.map_err(|error| failure::reading(self.path, error))?)
    }

    fn mend_deadline(&self, change: &mut Change<'_>, place: Vec<u8>) -> Outcome<()> {
        if let Some((queued, key)) = layout::split_deadline_key(&place)
            && self.contains(key)?
            && let Ok(Some(sighting)) = self.reader().sighting(key)
            && sighting.queued == queued
        {
            return Ok(());
        }
        change.unqueue(place);
        Ok(())
    }

    fn mend_owner(&self, change: &mut Change<'_>, place: Vec<u8>) -> Outcome<()> {
        let failed = |error| failure::reading(self.path, error);
        let Some(key) = self.tables.owners.get(&place).map_err(failed)? else {
            return Ok(());
        };
        let record = self.tables.records.get(&key).map_err(failed)?;
        let leads_nowhere = match record.map(|bytes| Record::decode(&bytes)) {
            None => true,
            Some(Ok(record)) => layout::owner_key(&record).is_none_or(|known| *place != known),
            Some(Err(_)) => false,
        };
        if leads_nowhere {
            change.unlist(place);
        }
        Ok(())
    }

    fn remove_damaged(&self, change: &mut Change<'_>, key: StoreKey) -> Outcome<()> {
        let failed = |error| failure::reading(self.path, error);
        let record = self.tables.records.get(key.as_bytes()).map_err(failed)?;
        if record.is_some_and(|bytes| Record::decode(&bytes).is_err()) {
            let _: Removal = self.remove(change, key)?;
        }
        Ok(())
    }
}
