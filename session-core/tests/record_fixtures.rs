//! Bytes that released versions wrote stay readable (P16). A fixture is never edited; a change of format adds one.
#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

use session_core::{FORMAT_VERSION, Handle, Lifetime, Persistence, Record, Timestamp};

const V1_FULL: &[u8] = include_bytes!("fixtures/record_v1_full.bin");
const V1_SMALL: &[u8] = include_bytes!("fixtures/record_v1_small.bin");

#[test]
fn a_full_record_of_format_1_reads_as_it_was_written() {
    let record = Record::decode(V1_FULL).unwrap();
    let began = Timestamp::from_unix_millis(1_767_225_600_123);
    assert_eq!(record.handle(), Handle::from_bytes([0xA5; 15]));
    assert_eq!(record.revision(), 1_000_000);
    assert_eq!(record.created_at(), began);
    assert_eq!(record.authenticated_at(), Some(began));
    assert_eq!(record.seen_at(), Timestamp::from_unix_millis(1_767_225_660_456));
    assert_eq!(record.lifetime(), Lifetime::default());
    assert_eq!(record.persistence(), Persistence::Remembered);
    assert_eq!(
        record.owner().map(ToString::to_string).as_deref(),
        Some("grüße@example.com")
    );
    assert_eq!(record.label(), Some("Firefox on Linux"));
    let values: Vec<_> = record
        .values()
        .iter()
        .map(|(name, value)| (name, value.version, value.bytes))
        .collect();
    assert_eq!(values, [("cart", 2, [1_u8, 2, 3].as_slice()), ("visits", 0, &[42])]);
}

#[test]
fn a_small_record_of_format_1_reads_as_it_was_written() {
    let record = Record::decode(V1_SMALL).unwrap();
    assert_eq!((record.revision(), record.owner(), record.label()), (1, None, None));
    assert_eq!(
        (record.authenticated_at(), record.persistence()),
        (None, Persistence::Browser)
    );
    assert_eq!(record.lifetime(), Lifetime::aal1());
    assert!(record.values().is_empty());
}

#[test]
fn this_release_writes_what_the_fixtures_of_its_format_hold() {
    assert_eq!(FORMAT_VERSION, 1, "a new format needs fixtures of its own");
    for bytes in [V1_FULL, V1_SMALL] {
        assert_eq!(Record::decode(bytes).unwrap().encode(), bytes);
    }
}
