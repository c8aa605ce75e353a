//! Records that cannot be read, and entries of owners' lists that are left over: neither keeps anybody from signing in or out.

use session_core::{OwnerLimit, Revocations};

use super::*;

#[tokio::test]
async fn a_record_that_cannot_be_read_takes_no_place_of_its_owner_s_and_is_ended_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::builder(folder.path()).record_cache(0).open().unwrap();
    let one_each = Admission::new(Revocations::new().epoch()).with_limit(OwnerLimit::refuse(1).unwrap());
    let sign_in = async |number| {
        let record = sample(number).owner("alice").record();
        store.create(key(number), record, one_each, at(START)).await.unwrap()
    };
    assert_eq!(sign_in(1).await, Created::Stored);
    assert_eq!(sign_in(2).await, Created::Full);
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    tables.records.insert(key(1).as_bytes(), b"no record").unwrap();
    assert_eq!(sign_in(2).await, Created::Stored);
    let alice = session_core::Owner::new("alice").unwrap();
    assert_eq!(store.revoke(&alice, Revoke::All, at(START)).await.unwrap(), 2);
    assert_eq!(store.verify().unwrap(), 0);
}

#[tokio::test]
async fn an_entry_that_is_left_over_in_an_owner_s_list_goes_with_the_session_that_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let record = sample(1).owner("alice").record();
    let created = store.create(key(1), record, Admission::default(), at(START)).await;
    assert_eq!(created.unwrap(), Created::Stored);
    let tables = store.read(|reader| Ok(reader.tables.clone())).unwrap();
    let other = sample(2).owner("alice").record();
    let left_over = crate::layout::owner_key(&other).unwrap().to_vec();
    tables.owners.insert(left_over, key(1).as_bytes()).unwrap();
    let which = Revoke::One(other.handle());
    let alice = session_core::Owner::new("alice").unwrap();
    assert_eq!(store.revoke(&alice, which, at(START)).await.unwrap(), 1);
    let listed: Vec<_> = tables
        .owners
        .iter()
        .map(|entry| entry.key().unwrap().to_vec())
        .collect();
    assert!(listed.is_empty(), "{} left", listed.len());
}
