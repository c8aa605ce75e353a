//! [`Record`]: one session as a store keeps it, with private fields; its [codec](codec) and its [values](values).

mod codec;
mod limits;
mod values;

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Owner};
use crate::lifetime::Lifetime;

pub use codec::FORMAT_VERSION;
pub use limits::Limits;
pub use values::{StoredValue, Values};

/// Counts the commits of one session; [`replace`](crate::Store::replace) and [`rotate`](crate::Store::rotate) compare it.
pub type Revision = u64;

/// One session as a store keeps it.
///
/// A store treats it as a value: it compares [`revision`](Self::revision), asks [`is_expired`](Self::is_expired), indexes
/// [`owner`](Self::owner), [`handle`](Self::handle) and [`created_at`](Self::created_at), and keeps
/// [`encode`](Self::encode)d bytes. Cloning shares the values. `Debug` shows names and sizes, never values.
#[derive(Clone)]
pub struct Record {
    pub(crate) handle: Handle,
    /// Starts at 1; each commit adds one.
    pub(crate) revision: Revision,
    /// When the session began; a login begins it anew. The absolute timeout counts from here.
    pub(crate) created_at: Timestamp,
    pub(crate) authenticated_at: Option<Timestamp>,
    /// Never earlier than `created_at`.
    pub(crate) seen_at: Timestamp,
    pub(crate) lifetime: Lifetime,
    pub(crate) persistence: Persistence,
    pub(crate) owner: Option<Owner>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) values: Values,
}

/// Whether the browser keeps the cookie when it closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// The cookie ends with the browser session.
    #[default]
    Browser,
    /// The cookie carries a `Max-Age` that follows the record.
    Remembered,
}

impl Record {
    /// A record that holds nothing yet.
    pub(crate) fn new(handle: Handle, now: Timestamp, lifetime: Lifetime) -> Self {
        Self {
            handle,
            revision: 1,
            created_at: now,
            authenticated_at: None,
            seen_at: now,
            lifetime,
            persistence: Persistence::Browser,
            owner: None,
            label: None,
            values: Values::default(),
        }
    }

    /// The session's public name; an owner index needs it.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// What a commit compares.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// When the session began.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When its owner signed in.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.authenticated_at
    }

    /// When a request last used it, give or take the [touch window](Lifetime::touch_window).
    pub fn seen_at(&self) -> Timestamp {
        self.seen_at
    }

    /// How long it lives.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Whether the browser keeps its cookie.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Who is signed in.
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// What the application calls it in a list, for example a device.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// What it holds, still encoded.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// When it ends unless it is seen again.
    pub fn expires_at(&self) -> Timestamp {
        self.lifetime.deadline(self.created_at, self.seen_at)
    }

    /// Whether it has ended: at its deadline it has.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at()
    }

    /// The revision of what a commit makes of it. Counting never reaches the end, but what was written from outside may be there: such
    /// a record can be read and ended, and not be changed.
    pub(crate) fn next_revision(&self) -> Result<Revision> {
        self.revision.checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                "changing a session: its revision is the last one there is, so the store was changed from outside or its disk is failing; end the session",
            )
        })
    }

    /// What a commit at `now` starts from.
    pub(crate) fn succeeded(&self, now: Timestamp) -> Result<Self> {
        let revision = self.next_revision()?;
        Ok(Self {
            revision,
            ..self.clone().seen(now)
        })
    }

    /// The same record, last seen at `seen_at` unless it was seen later: for stores that keep sightings apart from data.
    #[must_use]
    pub fn seen(mut self, seen_at: Timestamp) -> Self {
        self.seen_at = self.seen_at.max(seen_at);
        self
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("handle", &self.handle)
            .field("revision", &self.revision)
            .field("created_at", &self.created_at)
            .field("seen_at", &self.seen_at)
            .field("lifetime", &self.lifetime)
            .field("persistence", &self.persistence)
            .field("signed_in", &self.owner.is_some())
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

/// Two records are equal if a store could not tell them apart.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.encode() == other.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn record(now: Timestamp) -> Record {
        Record::new(Handle::generate().unwrap(), now, Lifetime::aal2())
    }

    #[test]
    fn a_record_is_expired_at_its_deadline_to_the_millisecond() {
        let now = Timestamp::from_unix_millis(1_000_000);
        let record = record(now);
        let deadline = now.saturating_add(Duration::from_secs(3600));
        assert!(!record.is_expired(Timestamp::from_unix_millis(deadline.unix_millis() - 1)));
        assert!(record.is_expired(deadline));
    }

    #[test]
    fn a_sighting_moves_forward_only() {
        let now = Timestamp::from_unix_millis(1_000_000);
        let later = now.saturating_add(Duration::from_secs(5));
        let record = record(now).seen(later).seen(now);
        assert_eq!(record.seen_at(), later);
    }

    #[test]
    fn records_are_equal_if_every_field_is() {
        let record = record(Timestamp::from_unix_millis(1_000_000));
        assert_eq!(record, record.clone());
        let remembered = Record {
            persistence: Persistence::Remembered,
            ..record.clone()
        };
        assert_ne!(record, remembered);
    }

    #[test]
    fn debug_shows_no_value_and_no_owner() {
        let mut record = record(Timestamp::default());
        record.owner = Some(Owner::new("alice").unwrap());
        record.values = Values::from_sorted([(
            "pin",
            StoredValue {
                version: 0,
                bytes: b"secret",
            },
        )]);
        let shown = format!("{record:?}");
        assert!(shown.contains("pin"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("alice"), "{shown}");
        assert!(!shown.contains("115, 101"), "{shown}");
    }
}
