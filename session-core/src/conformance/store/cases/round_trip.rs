//! What is stored is what loads, whatever it is.

use crate::conformance::sample::{self, Sample, key};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::TestStore;
use crate::record::{Limits, Persistence, Record};

async fn assert_round_trip(store: &TestStore, number: u64, record: &Record, what: &str) {
    store.put(key(number), record).await;
    let loaded = store.load(key(number), record.created_at()).await;
    let loaded = loaded.unwrap_or_else(|| panic!("{what} was stored but does not load"));
    assert_eq!(
        &loaded, record,
        "{what} came back changed: a store keeps what encode() yields"
    );
}

pub(in super::super) async fn an_unknown_key_loads_nothing(store: TestStore) {
    let now = sample::now();
    store.put(key(1), &sample::record(now)).await;
    assert_eq!(
        store.load(key(2), now).await,
        None,
        "load answered a record under a key that was never created"
    );
}

pub(in super::super) async fn a_stored_record_loads_with_every_field(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now)
        .created_at(sample::after(now, 1))
        .seen_at(sample::after(now, 61))
        .handle(5)
        .owner("alice")
        .revision(41)
        .persistence(Persistence::Remembered)
        .label("Firefox on the kitchen table")
        .versioned_value("cart", 7, b"\x00\x01\xff")
        .build();
    assert_round_trip(&store, 1, &record, "a record with every field set").await;
    let loaded = store.load(key(1), now).await.expect("it was just loaded");
    assert_eq!(loaded.handle(), record.handle(), "the handle changed");
    assert_eq!(loaded.owner(), record.owner(), "the owner changed");
    assert_eq!(loaded.label(), record.label(), "the label changed");
    assert_eq!(loaded.seen_at(), record.seen_at(), "the last sighting changed");
    assert_eq!(loaded.lifetime(), record.lifetime(), "the lifetime changed");
    let cart = loaded.values().get("cart").expect("the value is there");
    assert_eq!(
        (cart.version, cart.bytes),
        (7, b"\x00\x01\xff".as_slice()),
        "a value changed"
    );
}

pub(in super::super) async fn either_timeout_alone_survives(store: TestStore) {
    let now = sample::now();
    assert_round_trip(
        &store,
        1,
        &Sample::new(now).idle(60).build(),
        "a record with an idle timeout only",
    )
    .await;
    assert_round_trip(
        &store,
        2,
        &Sample::new(now).fixed(60).build(),
        "a record with an absolute timeout only",
    )
    .await;
}

pub(in super::super) async fn a_record_without_values_loads(store: TestStore) {
    let record = Sample::new(sample::now()).without_values().build();
    assert_round_trip(&store, 1, &record, "a record without values").await;
}

pub(in super::super) async fn values_of_every_size_survive(store: TestStore) {
    let now = sample::now();
    for (number, size) in (0..).zip([
        0,
        1,
        127,
        128,
        255,
        256,
        4095,
        4096,
        16_384,
        65_535,
        Limits::default().value,
    ]) {
        let record = Sample::new(now).handle(number).value("blob", &vec![0xa5; size]).build();
        assert_round_trip(&store, number, &record, &format!("a value of {size} bytes")).await;
    }
}

pub(in super::super) async fn the_largest_record_survives(store: TestStore) {
    let limits = Limits::default();
    let mut sample = Sample::new(sample::now())
        .without_values()
        .owner(&"o".repeat(crate::id::Owner::MAX_LEN))
        .label(&"l".repeat(limits.label));
    let room_for_name_and_lengths = limits.name + 8;
    let each = limits.record / 4 - room_for_name_and_lengths;
    for letter in ["a", "b", "c", "d"] {
        sample = sample.value(&letter.repeat(limits.name), &vec![0x5a; each]);
    }
    let record = sample.build();
    assert!(record.values().encoded_len() <= limits.record);
    assert_round_trip(&store, 1, &record, "a record as large as the default limits allow").await;
}

pub(in super::super) async fn many_small_values_survive(store: TestStore) {
    let mut sample = Sample::new(sample::now());
    for number in 0..500_u32 {
        sample = sample.value(&format!("value {number}"), &number.to_le_bytes());
    }
    assert_round_trip(&store, 1, &sample.build(), "a record of 501 values").await;
}

pub(in super::super) async fn text_of_any_script_survives(store: TestStore) {
    let record = Sample::new(sample::now())
        .owner("Жанна 花子 \u{1f9d1}\u{200d}\u{1f680}\0'\";--")
        .label("القائمة \u{202e} e\u{301} \r\n\t")
        .value("ключ.名前:{}*?[]", "värde".as_bytes())
        .build();
    assert_round_trip(
        &store,
        1,
        &record,
        "a record with text of several scripts, quotes and control characters",
    )
    .await;
}

pub(in super::super) async fn many_sessions_do_not_mix(store: TestStore) {
    let now = sample::now();
    let record = |number: u64| {
        Sample::new(now)
            .handle(number)
            .value("number", &number.to_le_bytes())
            .build()
    };
    for number in 0..200 {
        store.put(key(number), &record(number)).await;
    }
    for number in 0..200 {
        let loaded = store.load(key(number), now).await;
        assert_eq!(
            loaded,
            Some(record(number)),
            "session {number} of 200 does not load as it was stored"
        );
    }
}

pub(in super::super) async fn keys_that_differ_in_one_bit_are_different_sessions(store: TestStore) {
    let now = sample::now();
    let first = sample::key(1);
    store.put(first, &Sample::new(now).handle(1).build()).await;
    for position in [0, 15, 16, 31] {
        let mut bytes = *first.as_bytes();
        bytes[position] ^= 1;
        let neighbour = crate::id::StoreKey::from_bytes(bytes);
        let loaded = store.load(neighbour, now).await;
        assert_eq!(
            loaded, None,
            "a key that differs in byte {position} loads another session: compare whole keys"
        );
        store
            .put(neighbour, &Sample::new(now).handle(100 + position as u64).build())
            .await;
    }
    assert!(
        store.load(first, now).await.is_some(),
        "the first session was lost among its neighbours"
    );
}

pub(in super::super) async fn every_handle_to_the_store_sees_the_same_sessions(store: TestStore) {
    let now = sample::now();
    let writers = (0..32).map(|number| {
        let store = store.clone();
        async move { store.put(key(number), &Sample::new(now).handle(number).build()).await }
    });
    race(writers).await;
    let readers = (0..32).map(|number| {
        let store = store.clone();
        async move { store.load(key(number), now).await }
    });
    for (number, loaded) in race(readers).await.into_iter().enumerate() {
        assert!(
            loaded.is_some(),
            "session {number} that one task has created does not load in another"
        );
    }
}

pub(in super::super) async fn loading_writes_nothing(store: TestStore) {
    let now = sample::now();
    let record = sample::record(now);
    store.put(key(1), &record).await;
    for seconds in [10, 1800, 3599] {
        let loaded = store.load(key(1), sample::after(now, seconds)).await;
        assert_eq!(
            loaded.as_ref(),
            Some(&record),
            "load changed the record: a read moves no sighting and no deadline, that is what touch is for (P9)"
        );
    }
    let deadline = record.expires_at();
    assert_eq!(
        store.load(key(1), deadline).await,
        None,
        "loading a session has extended it: a read never writes (P9)"
    );
}
