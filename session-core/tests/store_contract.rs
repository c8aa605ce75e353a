//! The reference store is held to the published suite, as every other store is.
#![cfg(feature = "conformance")]

mod memory {
    use session_core::MemoryStore;

    session_core::store_contract!(async || MemoryStore::new());
}
