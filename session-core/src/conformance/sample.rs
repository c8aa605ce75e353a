//! [`Sample`]: records and keys for tests of a store, the same ones in every run. Time is passed in; [`now`] is where it comes from.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::id::{Handle, Owner, StoreKey};
use crate::lifetime::Lifetime;
use crate::record::{Persistence, Record, Revision, StoredValue, Values};

/// How long a sample lives without being seen, unless told otherwise.
pub const IDLE: Duration = Duration::from_secs(3600);

/// How long a sample lives at most, unless told otherwise.
pub const ABSOLUTE: Duration = Duration::from_secs(24 * 3600);

/// The real time: where a case starts. Stores on a server that expires by its own clock would drop a record of the year 2000.
pub fn now() -> Timestamp {
    SystemClock::new().now()
}

/// This many seconds after `start`.
pub fn after(start: Timestamp, seconds: u64) -> Timestamp {
    start.saturating_add(Duration::from_secs(seconds))
}

/// The last millisecond before `at`.
pub fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis().saturating_sub(1))
}

/// A key; another number is another key, and neighbours are spread like real ones.
pub fn key(number: u64) -> StoreKey {
    StoreKey::from_bytes(Sha256::digest(number.to_be_bytes()).into())
}

/// A handle; another number is another handle. The order of handles is not that of their numbers.
pub fn handle(number: u64) -> Handle {
    let hash: [u8; 32] = Sha256::digest(format!("handle {number}")).into();
    let mut bytes = [0; Handle::LEN];
    bytes.copy_from_slice(&hash[..Handle::LEN]);
    Handle::from_bytes(bytes)
}

/// An owner.
///
/// # Panics
///
/// If the name is empty or longer than [`Owner::MAX_LEN`].
pub fn owner(name: &str) -> Owner {
    Owner::new(name).expect("a test names its owners within the limits")
}

/// A record that began at `now`, without an owner, with one value: `Sample::new(now).build()`.
pub fn record(now: Timestamp) -> Record {
    Sample::new(now).build()
}

/// Builds a record that a store could be given, field by field.
///
/// ```
/// use session_core::conformance::sample::{self, Sample};
///
/// let record = Sample::new(sample::now()).handle(7).owner("alice").revision(3).value("cart", b"tea").build();
/// assert_eq!(record.revision(), 3);
/// ```
#[derive(Clone, Debug)]
pub struct Sample {
    record: Record,
    values: BTreeMap<String, (u16, Vec<u8>)>,
}

impl Sample {
    /// Began and was last seen at `now`, revision 1, handle 0, no owner, [`IDLE`] and [`ABSOLUTE`], one value named `greeting`.
    pub fn new(now: Timestamp) -> Self {
        let lifetime = Lifetime::sliding(IDLE)
            .and_then(|lifetime| lifetime.with_absolute(ABSOLUTE))
            .expect("both timeouts are within the limits");
        Self {
            record: Record::new(handle(0), now, lifetime),
            values: BTreeMap::new(),
        }
        .value("greeting", b"hello")
    }

    /// Starts from a record that a store has answered.
    pub fn of(record: &Record) -> Self {
        Self {
            record: record.clone(),
            values: record
                .values()
                .iter()
                .map(|(name, value)| (name.to_owned(), (value.version, value.bytes.to_vec())))
                .collect(),
        }
    }

    /// What a commit on top of this record would store: the next revision.
    #[must_use]
    pub fn next_revision(self) -> Self {
        let revision = self.record.revision + 1;
        self.revision(revision)
    }

    /// Sets the revision.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.record.revision = revision;
        self
    }

    /// Sets the handle: [`handle`] of this number.
    #[must_use]
    pub fn handle(mut self, number: u64) -> Self {
        self.record.handle = handle(number);
        self
    }

    /// Sets the owner, and that it signed in when the session was last seen.
    ///
    /// # Panics
    ///
    /// As [`owner`].
    #[must_use]
    pub fn owner(mut self, name: &str) -> Self {
        self.record.owner = Some(owner(name));
        self.record.authenticated_at = Some(self.record.seen_at);
        self
    }

    /// Takes the owner away.
    #[must_use]
    pub fn without_owner(mut self) -> Self {
        self.record.owner = None;
        self.record.authenticated_at = None;
        self
    }

    /// Sets when the session began; it is never seen before that.
    #[must_use]
    pub fn created_at(mut self, at: Timestamp) -> Self {
        self.record.created_at = at;
        self.record.seen_at = self.record.seen_at.max(at);
        self
    }

    /// Sets when it was last seen, never before it began.
    #[must_use]
    pub fn seen_at(mut self, at: Timestamp) -> Self {
        self.record.seen_at = at.max(self.record.created_at);
        self
    }

    /// Sets both timeouts.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.record.lifetime = lifetime;
        self
    }

    /// Ends this many seconds after it was last seen; no absolute timeout.
    ///
    /// # Panics
    ///
    /// As [`Lifetime::sliding`] refuses.
    #[must_use]
    pub fn idle(self, seconds: u64) -> Self {
        let lifetime = Lifetime::sliding(Duration::from_secs(seconds));
        self.lifetime(lifetime.expect("a test chooses a timeout within the limits"))
    }

    /// Ends this many seconds after it began; no idle timeout.
    ///
    /// # Panics
    ///
    /// As [`Lifetime::fixed`] refuses.
    #[must_use]
    pub fn fixed(self, seconds: u64) -> Self {
        let lifetime = Lifetime::fixed(Duration::from_secs(seconds));
        self.lifetime(lifetime.expect("a test chooses a timeout within the limits"))
    }

    /// Sets whether the browser keeps the cookie.
    #[must_use]
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.record.persistence = persistence;
        self
    }

    /// Sets the label.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.record.label = Some(label.into());
        self
    }

    /// Adds or overwrites a value of version 0.
    #[must_use]
    pub fn value(self, name: &str, bytes: &[u8]) -> Self {
        self.versioned_value(name, 0, bytes)
    }

    /// Adds or overwrites a value.
    #[must_use]
    pub fn versioned_value(mut self, name: &str, version: u16, bytes: &[u8]) -> Self {
        self.values.insert(name.to_owned(), (version, bytes.to_vec()));
        self
    }

    /// Takes all values away.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.values.clear();
        self
    }

    /// The record.
    pub fn build(self) -> Record {
        let Self { mut record, values } = self;
        record.values = Values::from_sorted(values.iter().map(|(name, (version, bytes))| {
            (
                name.as_str(),
                StoredValue {
                    version: *version,
                    bytes,
                },
            )
        }));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_taken_apart_and_built_again_is_the_same_record() {
        let record = Sample::new(now())
            .owner("alice")
            .label("phone")
            .versioned_value("a", 4, b"1")
            .build();
        assert_eq!(Sample::of(&record).build(), record);
    }

    #[test]
    fn numbers_name_different_keys_and_handles() {
        assert_ne!(key(1), key(2));
        assert_ne!(handle(1), handle(2));
        assert_eq!(key(1), key(1));
    }
}
