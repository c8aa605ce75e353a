//! The bytes of keys and values, the same in every release of format 1. Nothing here touches a database; the bytes of a record are
//! session-core's.
//!
//! | keyspace    | key                                                         | value                                   |
//! |-------------|-------------------------------------------------------------|-----------------------------------------|
//! | `records`   | store key (32)                                              | the encoded record                      |
//! | `seen`      | store key (32)                                              | last seen (8) ++ place in the queue (8) |
//! | `deadlines` | place in the queue (8) ++ store key (32)                    | nothing                                 |
//! | `owners`    | SHA-256 of the owner (32) ++ inverted start (8) ++ handle (15) | store key (32)                       |
//!
//! Times are milliseconds since the Unix epoch, big-endian, so that the order of bytes is the order of time.

use session_core::{Cursor, Handle, Owner, Record, StoreKey, Timestamp};

pub(crate) const DEADLINE_KEY: usize = 8 + StoreKey::LEN;
pub(crate) const OWNER_KEY: usize = OWNER + PLACE;
pub(crate) const OWNER: usize = 32;
const PLACE: usize = 8 + Handle::LEN;

/// The value in `seen`: all that a touch rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) seen_at: Timestamp,
    /// Where the session stands in `deadlines`: at its deadline or earlier, never later.
    pub(crate) queued: Timestamp,
}

impl Sighting {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.seen_at.unix_millis().to_be_bytes());
        bytes[8..].copy_from_slice(&self.queued.unix_millis().to_be_bytes());
        bytes
    }

    /// `None` if the bytes have another length.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (seen_at, queued) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            seen_at: timestamp(*seen_at),
            queued: timestamp(queued.try_into().ok()?),
        })
    }
}

pub(crate) fn deadline_key(queued: Timestamp, key: StoreKey) -> [u8; DEADLINE_KEY] {
    let mut bytes = [0; DEADLINE_KEY];
    bytes[..8].copy_from_slice(&queued.unix_millis().to_be_bytes());
    bytes[8..].copy_from_slice(key.as_bytes());
    bytes
}

pub(crate) fn split_deadline_key(bytes: &[u8]) -> Option<(Timestamp, StoreKey)> {
    let (queued, key) = bytes.split_first_chunk::<8>()?;
    Some((timestamp(*queued), store_key(key)?))
}

/// The last key that is due at `now`.
pub(crate) fn last_due(now: Timestamp) -> [u8; DEADLINE_KEY] {
    deadline_key(now, StoreKey::from_bytes([0xff; StoreKey::LEN]))
}

/// The first key that is not due at `now`.
pub(crate) fn first_not_due(now: Timestamp) -> [u8; DEADLINE_KEY] {
    let mut bytes = [0; DEADLINE_KEY];
    bytes[..8].copy_from_slice(&now.unix_millis().saturating_add(1).to_be_bytes());
    bytes
}

/// Where a record stands in its owner's list; `None` if it has no owner.
pub(crate) fn owner_key(record: &Record) -> Option<[u8; OWNER_KEY]> {
    Some(owner_place(record.owner()?, Cursor::of(record)))
}

/// Whether these are the bytes of a record that stands at this place of an owner's list.
pub(crate) fn belongs_at(record: &[u8], place: &[u8]) -> bool {
    let known = Record::decode(record).ok().as_ref().and_then(owner_key);
    known.is_some_and(|known| *place == known)
}

/// A place in an owner's list.
pub(crate) fn owner_place(owner: &Owner, cursor: Cursor) -> [u8; OWNER_KEY] {
    let mut bytes = [0; OWNER_KEY];
    bytes[..OWNER].copy_from_slice(&owner.index_key());
    // Inverted, so that the newest comes first.
    bytes[OWNER..OWNER + 8].copy_from_slice(&(!cursor.created_at.unix_millis()).to_be_bytes());
    bytes[OWNER + 8..].copy_from_slice(cursor.handle.as_bytes());
    bytes
}

/// The end of an owner's list, itself included.
pub(crate) fn owner_end(owner: &Owner) -> [u8; OWNER_KEY] {
    let mut bytes = [0xff; OWNER_KEY];
    bytes[..OWNER].copy_from_slice(&owner.index_key());
    bytes
}

pub(crate) fn handle_of(owner_key: &[u8]) -> Option<Handle> {
    Some(Handle::from_bytes(owner_key.get(OWNER + 8..)?.try_into().ok()?))
}

pub(crate) fn store_key(bytes: &[u8]) -> Option<StoreKey> {
    Some(StoreKey::from_bytes(bytes.try_into().ok()?))
}

fn timestamp(bytes: [u8; 8]) -> Timestamp {
    Timestamp::from_unix_millis(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    #[test]
    fn a_sighting_survives_its_bytes_and_nothing_else_does() {
        let sighting = Sighting {
            seen_at: at(5),
            queued: at(1 << 40),
        };
        assert_eq!(Sighting::decode(&sighting.encode()), Some(sighting));
        assert_eq!(Sighting::decode(&sighting.encode()[..15]), None);
        assert_eq!(Sighting::decode(&[0; 17]), None);
    }

    #[test]
    fn the_queue_is_ordered_by_time_first() {
        let (low, high) = (StoreKey::from_bytes([0; 32]), StoreKey::from_bytes([0xff; 32]));
        assert!(deadline_key(at(255), high) < deadline_key(at(256), low));
        assert!(deadline_key(at(255), high) <= last_due(at(255)));
        assert!(first_not_due(at(255)) > last_due(at(255)));
        assert!(first_not_due(at(255)) <= deadline_key(at(256), low));
        assert_eq!(split_deadline_key(&deadline_key(at(7), high)), Some((at(7), high)));
    }

    #[test]
    fn an_owners_list_starts_with_the_newest() {
        let owner = Owner::new("alice").unwrap();
        let place = |millis, handle| {
            let cursor = Cursor {
                created_at: at(millis),
                handle: Handle::from_bytes([handle; 15]),
            };
            owner_place(&owner, cursor)
        };
        assert!(place(2, 9) < place(1, 0));
        assert!(place(2, 1) < place(2, 2));
        assert!(place(0, 0xff) <= owner_end(&owner));
        assert_eq!(handle_of(&place(2, 9)), Some(Handle::from_bytes([9; 15])));
    }
}
