//! What an operator gives to the command line.

use std::cell::OnceCell;

use session_core::{ErrorKind, Timestamp};
use session_fjall::FjallStore;

thread_local! {
    static STORE: OnceCell<(FjallStore, tempfile::TempDir)> = const { OnceCell::new() };
}

/// The lines of an export.
pub fn import(bytes: &[u8]) {
    STORE.with(|store| {
        let (store, _) = store.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let store = FjallStore::open(folder.path()).expect("an empty folder becomes a store");
            (store, folder)
        });
        // 2026-01-01T00:00:00Z.
        let now = Timestamp::from_unix_millis(1_767_225_600_000);
        if let Err(error) = store.import(bytes, now, |_| {}) {
            let expected = matches!(
                error.kind(),
                ErrorKind::Invalid | ErrorKind::UnsupportedFormat | ErrorKind::TooLarge | ErrorKind::Corrupt
            );
            assert!(expected, "{error:?}");
        }
        let stored = store.verify().expect("records and indexes agree");
        if stored > 0 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            assert_eq!(runtime.block_on(store.clear()).expect("the store works"), stored);
        }
    });
}
