//! Damage done to a closed store, in its database, as `docs/record-format.md` lays it out.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::ops::Range;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use session_core::{Admission, Created, Store, StoreKey};
use session_fjall::FjallStore;

use crate::support::{START, at, key, sample};

/// What is done to each of a range of sessions.
#[derive(Clone, Copy)]
pub enum Damage {
    /// The record is gone, its index entries are there.
    Record,
    /// A byte of the record is another one.
    Flipped,
}

/// A closed store with sessions 0 to `sessions`, each of an owner of its own.
pub async fn filled(path: &Path, sessions: u64) {
    let store = FjallStore::open(path).unwrap();
    for number in 0..sessions {
        let record = sample(number).owner(&format!("user {number}")).record();
        let created = store
            .create(key(number), record, Admission::default(), at(START))
            .await
            .unwrap();
        assert_eq!(created, Created::Stored);
    }
    store.close().await.unwrap();
}

fn change<T>(path: &Path, change: impl FnOnce(&dyn Fn(&str) -> Keyspace) -> T) -> T {
    let database = Database::builder(path.join("db")).open().unwrap();
    let keyspace = |name: &str| database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
    let done = change(&keyspace);
    database.persist(PersistMode::SyncAll).unwrap();
    done
}

/// Removes what an index holds about a session.
pub fn remove_index_entry(path: &Path, index: &str, number: u64) -> StoreKey {
    change(path, |keyspace| {
        let keyspace = keyspace(index);
        let place = keyspace.iter().find_map(|entry| {
            let (place, value) = entry.into_inner().unwrap();
            let stored = key(number);
            let found = place.ends_with(stored.as_bytes()) || *value == *stored.as_bytes();
            found.then_some(place)
        });
        keyspace.remove(place.expect("the session is in the index")).unwrap();
    });
    key(number)
}

/// A session's place in its owner's list leads to another session.
pub fn misdirect(path: &Path, number: u64, other: u64) {
    change(path, |keyspace| {
        let owners = keyspace("owners");
        let place = owners.iter().find_map(|entry| {
            let (place, value) = entry.into_inner().unwrap();
            (*value == *key(number).as_bytes()).then_some(place)
        });
        let place = place.expect("the session is in its owner's list");
        owners.insert(place, key(other).as_bytes()).unwrap();
    });
}

/// What is known of the last time a session was seen has another length.
pub fn malform_sighting(path: &Path, number: u64) {
    change(path, |keyspace| {
        keyspace("seen").insert(key(number).as_bytes(), "short").unwrap();
    });
}

pub fn remove_record(path: &Path, number: u64) {
    at_once(path, Damage::Record, number..number + 1);
}

pub fn damage_record(path: &Path, number: u64) {
    at_once(path, Damage::Flipped, number..number + 1);
}

pub fn at_once(path: &Path, damage: Damage, numbers: Range<u64>) {
    change(path, |keyspace| {
        let records = keyspace("records");
        for number in numbers {
            let place = key(number);
            match damage {
                Damage::Record => records.remove(place.as_bytes()).unwrap(),
                Damage::Flipped => {
                    let mut bytes = records.get(place.as_bytes()).unwrap().unwrap().to_vec();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    records.insert(place.as_bytes(), bytes).unwrap();
                }
            }
        }
    });
}
