//! The bytes of keys and values, the same in every release of format 1. Nothing here talks to a server; the bytes of a record are
//! session-core's.
//!
//! | key                               | type   | holds                                                                    |
//! |-----------------------------------|--------|--------------------------------------------------------------------------|
//! | prefix `s:` store key             | string | one session, or what is left of it                                        |
//! | prefix `o:{` hash of the owner `}` | zset   | the owner's list: places                                                  |
//! | prefix `r:{` hash of the owner `}` | hash   | when the owner's sessions were revoked: `all`, `others`, `spared`          |
//!
//! Keys and hashes are base64url without padding, 43 characters. The value of a session:
//!
//! | what it is | bytes                                                                                                          |
//! |------------|----------------------------------------------------------------------------------------------------------------|
//! | a session  | 1, 1, deadline (8), last seen (8), listed until (8), revision (8), the encoded record                             |
//! | ended      | 1, 2, why (1): `d` deleted, `v` revoked, `l` made room, `r` rotated                                              |
//! | moved      | 1, 3, its place (55) in the owner's list; while the successor is being stored, behind it the value that was here |
//!
//! A place is when the session began (8), its handle (15) and its store key (32). Its score: minus the time at which it was listed
//! (the session is being stored), the time until which it may live (it is stored), or infinity (it makes room for another one).
//!
//! Numbers are big-endian; times are milliseconds since the Unix epoch. The deadline and last-seen time in front of a record are the
//! true ones: a touch writes them and leaves the record alone. No key is without a TTL.

use base64ct::{Base64UrlUnpadded, Encoding};
use session_core::{Cursor, Error, ErrorKind, Handle, Owner, Record, Result, StoreKey, Timestamp};

const FORMAT: u8 = 1;
const SESSION: u8 = 1;
const ENDED: u8 = 2;
const MOVED: u8 = 3;
const HEADER: usize = 34;
pub(crate) const PLACE: usize = 8 + Handle::LEN + StoreKey::LEN;

/// What is in front of every key of a store.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(crate) fn session(&self, key: StoreKey) -> Vec<u8> {
        format!("{}s:{}", self.prefix, Base64UrlUnpadded::encode_string(key.as_bytes())).into_bytes()
    }

    /// The list and the revocations of an owner share a hash tag, so that one script reaches both on a cluster.
    pub(crate) fn owner(&self, owner: &Owner) -> OwnerKeys {
        let hash = Base64UrlUnpadded::encode_string(&owner.index_key());
        OwnerKeys {
            list: format!("{}o:{{{hash}}}", self.prefix).into_bytes(),
            revocations: format!("{}r:{{{hash}}}", self.prefix).into_bytes(),
        }
    }
}

/// The keys of one owner.
#[derive(Clone, Debug)]
pub(crate) struct OwnerKeys {
    pub(crate) list: Vec<u8>,
    pub(crate) revocations: Vec<u8>,
}

/// Where a session stands in its owner's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) created_at: Timestamp,
    pub(crate) handle: Handle,
    pub(crate) key: StoreKey,
}

impl Place {
    pub(crate) fn of(record: &Record, key: StoreKey) -> Self {
        Self {
            created_at: record.created_at(),
            handle: record.handle(),
            key,
        }
    }

    pub(crate) fn cursor(self) -> Cursor {
        Cursor {
            created_at: self.created_at,
            handle: self.handle,
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PLACE);
        bytes.extend(self.created_at.unix_millis().to_be_bytes());
        bytes.extend(self.handle.as_bytes());
        bytes.extend(self.key.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (created_at, rest) = bytes.split_first_chunk::<8>()?;
        let (handle, key) = rest.split_first_chunk::<{ Handle::LEN }>()?;
        Some(Self {
            created_at: timestamp(*created_at),
            handle: Handle::from_bytes(*handle),
            key: StoreKey::from_bytes(key.try_into().ok()?),
        })
    }
}

/// Until when a session's place in its owner's list is good; what has no owner is never listed, and never asks.
pub(crate) fn listed_until(record: &Record) -> Timestamp {
    if record.owner().is_none() {
        return Timestamp::MAX;
    }
    match record.lifetime().absolute() {
        Some(absolute) => record.created_at().saturating_add(absolute),
        // Touches may extend it without end; the list follows once in a while.
        None => {
            let idle = record.lifetime().idle().unwrap_or_default();
            record.expires_at().saturating_add(idle.max(DAY))
        }
    }
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// The value of a session.
pub(crate) fn session(record: &Record) -> Vec<u8> {
    let encoded = record.encode();
    let mut value = Vec::with_capacity(HEADER + encoded.len());
    value.extend([FORMAT, SESSION]);
    for time in [record.expires_at(), record.seen_at(), listed_until(record)] {
        value.extend(time.unix_millis().to_be_bytes());
    }
    value.extend(record.revision().to_be_bytes());
    value.extend(encoded);
    value
}

/// What is stored under the key of a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stored {
    Session(Record),
    Ended,
    Moved {
        to: Place,
        /// The session as it was; gone once the successor is stored.
        kept: Option<Record>,
    },
}

impl Stored {
    pub(crate) fn decode(value: &[u8]) -> Result<Self> {
        match value {
            [FORMAT, SESSION, ..] => Ok(Self::Session(record(value)?)),
            [FORMAT, ENDED, ..] => Ok(Self::Ended),
            [FORMAT, MOVED, rest @ ..] => {
                let (place, kept) = rest.split_at_checked(PLACE).ok_or_else(|| unreadable(value))?;
                Ok(Self::Moved {
                    to: Place::decode(place).ok_or_else(|| unreadable(value))?,
                    kept: if kept.is_empty() { None } else { Some(record(kept)?) },
                })
            }
            _ => Err(unreadable(value)),
        }
    }
}

/// The session in a value, with its latest sighting.
pub(crate) fn record(value: &[u8]) -> Result<Record> {
    match (value.first_chunk::<HEADER>(), value.get(HEADER..)) {
        (Some(header @ [FORMAT, SESSION, ..]), Some(encoded)) => {
            Ok(Record::decode(encoded)?.seen(time_at(header, 10).unwrap_or_default()))
        }
        _ => Err(unreadable(value)),
    }
}

/// The deadline in the header of a session.
pub(crate) fn deadline(header: &[u8]) -> Option<Timestamp> {
    time_at(header, 2)
}

/// What is stored is not what this release writes.
pub(crate) fn unreadable(value: &[u8]) -> Error {
    match value.first() {
        Some(newer) if *newer > FORMAT && *newer < b' ' => Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "reading a session from Redis: format {newer} was written by a newer release; this one reads up to {FORMAT}, so upgrade it"
            ),
        ),
        _ => Error::new(
            ErrorKind::Corrupt,
            "reading a session from Redis: its bytes are damaged or not ours; give the store a prefix or a database of its own, or delete the key",
        ),
    }
}

fn time_at(bytes: &[u8], at: usize) -> Option<Timestamp> {
    Some(timestamp(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn timestamp(bytes: [u8; 8]) -> Timestamp {
    Timestamp::from_unix_millis(u64::from_be_bytes(bytes))
}

/// Whether the first two bytes of a value are those of a session, or of one that has moved.
pub(crate) fn leads_to_a_session(head: &[u8]) -> bool {
    matches!(head, [FORMAT, SESSION | MOVED, ..])
}

/// Whether the first two bytes of a value say that a session has ended here.
pub(crate) fn is_tombstone(head: &[u8]) -> bool {
    matches!(head, [FORMAT, ENDED, ..])
}
