//! `load_cached` says what `load` would, or nothing.

use crate::clock::Timestamp;
use crate::conformance::sample::{self, Sample, after, just_before, key};
use crate::conformance::store::test_store::TestStore;
use crate::store::Revoke;

/// Compares the two before and after a load, which may bring the record into memory, at a moment and when the session has ended.
async fn assert_exact(store: &TestStore, numbers: [u64; 2], now: Timestamp, what: &str) {
    let end = after(now, 3600);
    for at in [now, just_before(end), end, after(end, 3600)] {
        for number in numbers {
            let before = store.store.load_cached(key(number), at);
            let loaded = store.load(key(number), at).await;
            let afterwards = store.store.load_cached(key(number), at);
            for cached in [before, afterwards].into_iter().flatten() {
                assert_eq!(
                    Some(cached),
                    loaded,
                    "{what}, what is in memory is not what load answers: it would revive what has ended, or lose what was stored (P6)"
                );
            }
        }
    }
}

pub(in super::super) async fn what_is_in_memory_is_what_load_answers(store: TestStore) {
    let now = sample::now();
    let record = Sample::new(now).handle(1).owner("alice").idle(3600).build();
    store.put(key(1), &record).await;
    assert_exact(&store, [1, 2], now, "after create").await;
    let next = Sample::of(&record).next_revision().value("k", b"v").build();
    let _ = store.replace(key(1), record.revision(), &next, now).await;
    assert_exact(&store, [1, 2], now, "after replace").await;
    let seen = after(now, 60);
    let _ = store.touch(key(1), &next, seen).await;
    assert_exact(&store, [1, 2], seen, "after touch").await;
    let moved = Sample::of(&next).next_revision().build();
    let _ = store.rotate((key(1), key(2)), next.revision(), &moved, seen).await;
    assert_exact(&store, [1, 2], seen, "after rotate").await;
    let _ = store.delete(key(2)).await;
    assert_exact(&store, [1, 2], seen, "after delete").await;
    store.put(key(3), &Sample::of(&record).handle(3).build()).await;
    store.put(key(4), &Sample::of(&record).handle(4).build()).await;
    assert_exact(&store, [3, 4], now, "after another create").await;
    if let Some(index) = store.store.owner_index() {
        let revoked = index
            .revoke(&sample::owner("alice"), Revoke::Others(sample::handle(3)), now)
            .await;
        assert_eq!(revoked.ok(), Some(1), "revoke must end the other session (P12)");
        assert_exact(&store, [3, 4], now, "after revoke").await;
    }
    let _ = store.sweep_all(after(now, 3600), 10).await;
    assert_exact(&store, [3, 4], now, "after sweep").await;
}
