//! Holds the fjall store to the published suite.

use session_core::conformance::store::TestStore;
use session_core::store_contract;
use session_fjall::FjallStore;

async fn fresh() -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = FjallStore::open(folder.path()).expect("an empty folder becomes a store");
    TestStore::new(store).keeping(folder)
}

store_contract!(fresh);
