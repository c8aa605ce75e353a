//! Holds the fjall store to the published suite: with its cache of sessions, with one that forgets all the time, and without.

use session_core::conformance::store::TestStore;
use session_fjall::FjallStore;

async fn fresh(record_cache: Option<u64>) -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let builder = FjallStore::builder(folder.path());
    let builder = match record_cache {
        Some(bytes) => builder.record_cache(bytes),
        None => builder,
    };
    let store = builder.open().expect("an empty folder becomes a store");
    let store = TestStore::new(store).keeping(folder);
    // The long races are long enough once.
    if record_cache.is_some() {
        store.racing(50)
    } else {
        store
    }
}

mod as_it_comes {
    session_core::store_contract!(async || super::fresh(None).await);
}

mod with_room_for_three_sessions {
    session_core::store_contract!(async || super::fresh(Some(1500)).await);
}

mod without_record_cache {
    session_core::store_contract!(async || super::fresh(Some(0)).await);
}
