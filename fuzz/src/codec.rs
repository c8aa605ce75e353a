//! What stores hold and what names a place in a list.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session_core::conformance::sample::Sample;
use session_core::{Cursor, Handle, InventoryCursor, Owner, Record, Replaced, Session, Timestamp};

use crate::layout::{self, Stored};
use crate::site::Site;

/// A record: the bytes themselves, and the same with a mark and a checksum that are right, so that the fields are reached.
pub fn record(bytes: &[u8]) {
    check_record(bytes);
    check_record(&checked(bytes));
}

/// Mark, version and checksum around a body.
fn checked(body: &[u8]) -> Vec<u8> {
    let mut bytes = [b"S\x01", body].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn check_record(bytes: &[u8]) {
    let Ok(record) = Record::decode(bytes) else { return };
    let again = Record::decode(&record.encode()).expect("what was read can be written and read");
    assert!(again == record, "a record changes when it is written and read");
    let names: Vec<_> = record.values().iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "values are in order");
    for name in &names {
        assert!(record.values().get(name).is_some());
    }
    let shown = format!("{record:?} {} {}", record.expires_at(), record.created_at());
    if let Some(owner) = record.owner().map(Owner::as_str) {
        // Names of values are shown, and one of them may hold the same text, or look so where it is escaped.
        let named = names.iter().any(|name| format!("{name:?}").contains(owner));
        assert!(owner.len() < 8 || named || !shown.contains(owner));
    }
    assert!(record.is_expired(Timestamp::MAX) || record.expires_at() == Timestamp::MAX);
    let _ = record.seen(Timestamp::MAX).expires_at();
}

/// Text that names a place in a list, or a session: what is accepted is what would be shown.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(cursor) = text.parse::<InventoryCursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(handle) = text.parse::<Handle>() {
        assert_eq!(handle.to_string(), text);
    }
}

/// A value as Redis answers with it: the bytes themselves, and the same with a record whose checksum is right.
pub fn redis_value(bytes: &[u8]) {
    check_redis_value(bytes);
    if let Some((header, body)) = bytes.split_first_chunk::<34>() {
        check_redis_value(&[header.as_slice(), &checked(body)].concat());
    }
}

fn check_redis_value(bytes: &[u8]) {
    let _ = (layout::deadline(bytes), layout::leads_to_a_session(bytes));
    match Stored::decode(bytes) {
        Ok(Stored::Session(record)) => {
            let again = Stored::decode(&layout::session(&record)).expect("what was read can be written and read");
            assert!(again == Stored::Session(record));
            assert!(!layout::is_tombstone(bytes));
        }
        Ok(Stored::Moved { to, kept }) => {
            assert_eq!(layout::Place::decode(&to.encode()), Some(to));
            assert!(kept.is_none_or(|kept| layout::record(&layout::session(&kept)).is_ok_and(|again| again == kept)));
        }
        Ok(Stored::Ended) => assert!(layout::is_tombstone(bytes)),
        Err(_) => {}
    }
}

/// What an application may keep.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    lines: Vec<(u64, String)>,
    notes: BTreeMap<String, Option<i32>>,
    state: State,
    rate: [u8; 4],
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum State {
    Open,
    Paid { at: u64, by: Box<Option<State>> },
    Sent(char, bool, i128),
}

thread_local! {
    static SITE: OnceCell<(Site, Session)> = const { OnceCell::new() };
}

/// A value of a session, read as several types.
pub fn value(bytes: &[u8]) {
    SITE.with(|site| {
        let (site, session) = site.get_or_init(|| {
            let site = Site::new();
            let session = site.signed_in();
            (site, session)
        });
        let now = Timestamp::from_unix_millis(0);
        site.runtime.block_on(async {
            let page = site
                .engine
                .store()
                .inventory()
                .expect("a memory store has one")
                .page(None, 1)
                .await;
            let (key, record) = page.expect("the store works").records.remove(0);
            let next = Sample::of(&record)
                .next_revision()
                .versioned_value("k", 0, bytes)
                .build();
            let replaced = site.engine.store().replace(key, record.revision(), next, now).await;
            assert_eq!(replaced.expect("the store works"), Replaced::Stored);
            session.reload().await.expect("the store works");
        });
        same::<Cart>(session);
        same::<Vec<State>>(session);
        same::<String>(session);
        same::<BTreeMap<u8, Vec<String>>>(session);
        same::<(u8, i64, f64, char, Option<bool>)>(session);
    });
}

/// What was read reads the same once it is written. (Not for numbers that are none.)
fn same<T: DeserializeOwned + Serialize + PartialEq>(session: &Session) {
    if let Ok(Some(value)) = session.get::<T>("k") {
        session.insert("again", &value).expect("what was read can be written");
        let again = session
            .get::<T>("again")
            .expect("it was written")
            .expect("it was written");
        #[expect(clippy::eq_op, reason = "a value that holds no number is not equal to itself")]
        let comparable = value == value;
        assert!(
            !comparable || again == value,
            "a value changes when it is written and read"
        );
    }
}
