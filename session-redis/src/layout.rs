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

    /// The session whose name is that; `None` if it is the name of something else.
    pub(crate) fn session_of(&self, name: &[u8]) -> Option<StoreKey> {
        let encoded = name.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"s:")?;
        let mut key = [0; StoreKey::LEN];
        let decoded = Base64UrlUnpadded::decode(encoded, &mut key).ok()?;
        (decoded.len() == StoreKey::LEN).then(|| StoreKey::from_bytes(key))
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

#[cfg(test)]
mod tests {
    use super::*;
    use session_core::conformance::sample::{Sample, handle, key};
    use std::time::Duration;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    fn alices() -> Record {
        Sample::new(at(1_000_000))
            .handle(1)
            .owner("alice")
            .idle(60)
            .value("cart", &[1, 2, 3])
            .build()
    }

    #[test]
    fn a_session_is_laid_out_as_documented() {
        let value = session(&alices());
        assert_eq!(value[..2], [1, 1]);
        assert_eq!(value[2..10], 1_060_000_u64.to_be_bytes());
        assert_eq!(value[10..18], 1_000_000_u64.to_be_bytes());
        assert_eq!(value[18..26], (1_060_000_u64 + 24 * 3_600_000).to_be_bytes());
        assert_eq!(value[26..34], 1_u64.to_be_bytes());
        assert_eq!(value[34..], alices().encode());
    }

    /// Written by the first release; never edited.
    #[test]
    fn what_the_first_release_wrote_stays_readable() {
        let written = include_bytes!("../tests/fixtures/session_v1.bin");
        assert_eq!(
            Stored::decode(written).unwrap(),
            Stored::Session(alices().seen(at(1_030_000)))
        );
        let written = include_bytes!("../tests/fixtures/moved_v1.bin");
        let to = Place::of(&alices(), key(2));
        let kept = Some(alices().seen(at(1_030_000)));
        assert_eq!(Stored::decode(written).unwrap(), Stored::Moved { to, kept });
        assert_eq!(Stored::decode(&[1, 2, b'd']).unwrap(), Stored::Ended);
    }

    #[test]
    fn a_sighting_in_front_of_a_record_counts() {
        let mut value = session(&alices());
        value[10..18].copy_from_slice(&1_030_000_u64.to_be_bytes());
        assert_eq!(record(&value).unwrap().seen_at(), at(1_030_000));
    }

    #[test]
    fn a_place_survives_its_bytes_and_nothing_else_does() {
        let place = Place::of(&alices(), key(7));
        let bytes = place.encode();
        assert_eq!((bytes.len(), Place::decode(&bytes)), (PLACE, Some(place)));
        assert_eq!(bytes[8..23], *handle(1).as_bytes());
        assert_eq!(Place::decode(&bytes[1..]), None);
    }

    #[test]
    fn what_is_not_ours_is_an_error_and_never_a_panic() {
        let whole = session(&alices());
        for length in 0..whole.len() {
            assert!(Stored::decode(&whole[..length]).is_err(), "{length}");
        }
        let mut moved = vec![1, 3];
        moved.extend(Place::of(&alices(), key(2)).encode());
        for length in 0..moved.len() {
            assert!(Stored::decode(&moved[..length]).is_err(), "{length}");
        }
        for (foreign, kind) in [
            (&b"text"[..], ErrorKind::Corrupt),
            (&[2, 1], ErrorKind::UnsupportedFormat),
        ] {
            assert_eq!(Stored::decode(foreign).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn a_list_outlives_every_session_on_it() {
        let fixed = session_core::Lifetime::fixed(Duration::from_secs(100)).unwrap();
        let fixed = Sample::new(at(0)).owner("alice").lifetime(fixed).build();
        assert_eq!(listed_until(&fixed), at(100_000));
        assert!(listed_until(&alices()) > alices().expires_at());
        let nobodys = Sample::new(at(0)).build();
        assert_eq!(listed_until(&nobodys), Timestamp::MAX);
    }

    #[test]
    fn keys_of_one_owner_share_a_hash_tag_and_name_nobody() {
        let keys = Keys::new("app:".to_owned());
        let OwnerKeys { list, revocations } = keys.owner(&Owner::new("alice").unwrap());
        assert_eq!(list[..6], *b"app:o:");
        assert_eq!(list[6..], revocations[6..]);
        assert_eq!((list[6], list.last()), (b'{', Some(&b'}')));
        assert!(!String::from_utf8_lossy(&list).contains("alice"));
        assert_eq!(keys.session(key(1)).len(), 4 + 2 + 43);
    }

    #[test]
    fn a_session_is_known_by_its_name_and_nothing_else_is() {
        let keys = Keys::new("app:".to_owned());
        let name = keys.session(key(1));
        assert_eq!(keys.session_of(&name), Some(key(1)));
        assert_eq!(keys.session_of(&name[..name.len() - 1]), None);
        assert_eq!(keys.session_of(&[&name[..], b"A"].concat()), None);
        assert_eq!(keys.session_of(&keys.owner(&Owner::new("alice").unwrap()).list), None);
        assert_eq!(Keys::new("other:".to_owned()).session_of(&name), None);
    }
}
