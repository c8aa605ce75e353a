//! Sweeping and clearing, a chunk at a time, so that other writes get in between. Cost follows the queue of deadlines, from the
//! low-water mark to the present, never the number of sessions (P15).

use std::ops::Bound;
use std::sync::Weak;
use std::time::Duration;

use session_core::{Rotated, StoreKey, Timestamp};

use super::change::Change;
use super::write::{Outcome, Removal, Writer};
use crate::failure;
use crate::layout::{self, Sighting};
use crate::read::Stored;

/// Entries looked at in one chunk of a clearing, which is durable and pays for a sync each: some milliseconds of the committer's time.
pub(crate) const CHUNK: usize = 128;

/// The same in a sweep, which pays little for each chunk: with 32 instead of 128, the median write beside a sweep waited a third of the time
/// (0.3 ms instead of 0.8), and a swept session cost 6.0 µs of processor time instead of 5.2.
pub(crate) const REAP: usize = 32;

/// A record that cannot be read is looked at again after this time, so that it holds up no sweep.
const DAMAGED_AGAIN: Duration = Duration::from_secs(3600);

/// What one chunk of a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reaped {
    pub(crate) removed: usize,
    pub(crate) rest: Rest,
}

/// Whether anything that was due is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Something,
}

/// What one chunk of a clearing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// Records removed.
    pub(crate) removed: u64,
    /// Where to go on; `None` if nothing is left.
    pub(crate) next: Option<StoreKey>,
}

/// A clearing that is under way: what stands below `done` is ended, what stands above is about to be.
#[derive(Debug)]
pub(crate) struct Clearing {
    done: StoreKey,
    /// Dead when nobody waits for it any more.
    caller: Weak<()>,
}

impl Writer<'_> {
    /// Removes up to `limit` sessions that are expired at `now`; puts what was extended meanwhile back at its true deadline.
    pub(crate) fn reap(&mut self, now: Timestamp, limit: usize) -> Outcome<Reaped> {
        let end = layout::last_due(now);
        if *self.low_water > end {
            return Ok(Reaped {
                removed: 0,
                rest: Rest::Nothing,
            });
        }
        let mut change = self.change();
        let (mut removed, mut seen) = (0, 0);
        let mut left_at = None;
        for entry in self.tables.deadlines.range(*self.low_water..=end) {
            let entry = entry.key().map_err(|error| failure::reading(self.path, error))?;
            let (Ok(place), Some((queued, key))) = (
                <[u8; layout::DEADLINE_KEY]>::try_from(&*entry),
                layout::split_deadline_key(&entry),
            ) else {
                return Err(failure::corrupt(self.path, "the queue of deadlines is malformed").into());
            };
            if removed == limit || seen == REAP {
                left_at = Some(place);
                break;
            }
            seen += 1;
            removed += self.settle(&mut change, key, queued, now)?;
        }
        let rest = if left_at.is_some() {
            Rest::Something
        } else {
            Rest::Nothing
        };
        if !change.is_empty() {
            self.commit(change, ())?;
        }
        // Everything below was committed away; what was put back lies above the present.
        *self.low_water = left_at.unwrap_or_else(|| layout::first_not_due(now));
        Ok(Reaped { removed, rest })
    }

    /// Decides about a session whose place in the queue is due; answers how many records it removed. Whatever becomes of the session,
    /// it leaves this place.
    fn settle(&mut self, change: &mut Change<'_>, key: StoreKey, queued: Timestamp, now: Timestamp) -> Outcome<usize> {
        let stored = self.stored(key);
        if let Ok(Some(Stored { record, queued: at })) = &stored
            && at.is_none_or(|at| at == queued)
            && record.is_expired(now)
        {
            self.take(change, key, Some(record), Some(queued));
            return Ok(1);
        }
        change.unqueue(layout::deadline_key(queued, key));
        match stored {
            // It stands elsewhere, or nowhere: this entry was left over.
            Ok(Some(stored)) if stored.queued.is_some_and(|at| at != queued) => Ok(0),
            Ok(None) => Ok(0),
            Ok(Some(stored)) => {
                self.enqueue(change, key, &stored.record);
                Ok(0)
            }
            Err(error) if failure::is_damage(&error) => {
                tracing::error!(?key, %error, "a session that cannot be read is left in place by the sweep");
                let seen_at = self
                    .reader()
                    .sighting(key)
                    .ok()
                    .flatten()
                    .map_or(now, |sighting| sighting.seen_at);
                let queued = now.saturating_add(DAMAGED_AGAIN);
                change.write_sighting(key, Sighting { seen_at, queued });
                change.queue(layout::deadline_key(queued, key));
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes up to a chunk of sessions from `from` on, whatever they hold.
    pub(crate) fn clear(&mut self, from: Option<StoreKey>, caller: Weak<()>) -> Outcome<Cleared> {
        let from = from.map_or([0; StoreKey::LEN], |from| *from.as_bytes());
        let mut change = self.change();
        let mut next = None;
        let mut removed = 0;
        for (count, entry) in self.tables.records.range(from..).enumerate() {
            let bytes = entry.key().map_err(|error| failure::reading(self.path, error))?;
            let key = layout::store_key(&bytes);
            let key = key.ok_or_else(|| failure::corrupt(self.path, "a record's key has another length"))?;
            if count == CHUNK {
                next = Some(key);
                break;
            }
            if !matches!(self.remove(&mut change, key)?, Removal::Absent) {
                removed += 1;
            }
        }
        if !change.is_empty() {
            self.commit(change, ())?;
        }
        self.clearings
            .retain(|clearing| clearing.caller.strong_count() > 0 && !clearing.caller.ptr_eq(&caller));
        if let Some(done) = next {
            self.clearings.push(Clearing { done, caller });
        }
        Ok(Cleared { removed, next })
    }

    /// Whether a renewal would take a session from where a clearing is still to come to where it has been.
    pub(super) fn escapes_a_clearing(&self, old: StoreKey, new: StoreKey) -> bool {
        self.clearings
            .iter()
            .any(|clearing| new < clearing.done && clearing.done <= old && clearing.caller.strong_count() > 0)
    }

    /// Ends a session that is being renewed: the clearing reaches it now.
    pub(super) fn clear_early(&self, key: StoreKey, stored: Stored) -> Outcome<Rotated> {
        let mut change = self.change();
        self.take(&mut change, key, Some(&stored.record), stored.queued);
        self.commit(change, Rotated::Gone)
    }

    /// Removes entries of owners' lists that lead nowhere, which damaged records leave because they do not say whose they were; at most
    /// a chunk of them. Answers where to go on.
    pub(crate) fn remove_leftovers(&mut self, from: Leftovers) -> Outcome<Option<Leftovers>> {
        let mut change = self.change();
        let mut next = from.next_stretch();
        for (count, entry) in self.tables.owners.range(from.stretch()).enumerate() {
            let (place, key) = entry.into_inner().map_err(|error| failure::reading(self.path, error))?;
            if count == CHUNK {
                next = Some(Leftovers {
                    from: place.to_vec(),
                    ..from
                });
                break;
            }
            let leads_somewhere = match layout::store_key(&key) {
                Some(key) => self.contains(key)?,
                None => false,
            };
            if !leads_somewhere {
                change.unlist(place);
            }
        }
        if !change.is_empty() {
            self.commit(change, ())?;
        }
        Ok(next)
    }
}

/// Where the search for entries that lead nowhere goes on.
#[derive(Clone, Debug)]
pub(crate) struct Leftovers {
    from: Vec<u8>,
    /// First bytes in one stretch. What was just removed is still walked over, so a stretch is as wide as a chunk may cost, not as many
    /// entries as it holds. Owners are hashes, so they are spread evenly.
    width: u16,
}

/// Entries removed lately that are walked over in one stretch: some milliseconds.
const STRETCH: u64 = 4096;

impl Leftovers {
    /// The beginning, after so many sessions were removed.
    pub(crate) fn after(removed: u64) -> Self {
        let stretches = (removed / STRETCH).clamp(1, 256) as u16;
        Self {
            from: Vec::new(),
            width: 256_u16.div_ceil(stretches),
        }
    }

    fn stretch(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let end = self.end().map_or(Bound::Unbounded, |end| Bound::Excluded(vec![end]));
        (Bound::Included(self.from.clone()), end)
    }

    fn next_stretch(&self) -> Option<Self> {
        Some(Self {
            from: vec![self.end()?],
            width: self.width,
        })
    }

    /// The first byte behind this stretch; `None` if it is the last one.
    fn end(&self) -> Option<u8> {
        let first = u16::from(self.from.first().copied().unwrap_or_default());
        u8::try_from((first / self.width + 1) * self.width).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_was_removed_the_more_often_the_search_for_leftovers_pauses() {
        for (removed, stretches) in [
            (0, 1),
            (STRETCH, 1),
            (2 * STRETCH, 2),
            (64 * STRETCH, 64),
            (u64::MAX, 256),
        ] {
            let mut rest = Some(Leftovers::after(removed));
            let mut count = 0;
            while let Some(stretch) = rest {
                rest = stretch.next_stretch();
                count += 1;
            }
            assert_eq!(count, stretches, "{removed}");
        }
    }
}
