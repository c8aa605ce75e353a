//! Holds the axum adapter to the http half of the suite, on every store.

mod spawn;

use session_core::conformance::store::TestStore;
use session_core::{MemoryStore, http_contract};
use session_fjall::FjallStore;
use spawn::spawn;

mod on_memory {
    use super::*;

    async fn store() -> TestStore {
        MemoryStore::new().into()
    }

    http_contract!(super::spawn, store);
}

mod on_fjall {
    use super::*;

    async fn store() -> TestStore {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = FjallStore::open(folder.path()).expect("an empty folder becomes a store");
        TestStore::new(store).keeping(folder)
    }

    http_contract!(super::spawn, store);
}
