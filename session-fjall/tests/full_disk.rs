//! A disk that fills up, on a real small file system:
//!
//! ```text
//! mount -t tmpfs -o size=96m tmpfs /mnt/small
//! SESSION_FJALL_SMALL_DISK=/mnt/small cargo test -p session-fjall --test full_disk -- --ignored
//! ```
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod support;

use std::path::PathBuf;

use session_core::{Admission, Created, Deleted, ErrorKind, Store, Timestamp};
use session_fjall::FjallStore;
use support::{START, at, key, sample};

#[tokio::test]
#[ignore = "needs a file system of about 96 MB, named by SESSION_FJALL_SMALL_DISK"]
async fn a_full_disk_makes_the_store_unavailable_until_there_is_room() {
    let disk = PathBuf::from(std::env::var("SESSION_FJALL_SMALL_DISK").unwrap());
    let path = disk.join("sessions");
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 40_000_000]).unwrap();
    let store = FjallStore::open(&path).unwrap();

    let mut stored = 0;
    let error = loop {
        let mut sample = sample(stored);
        sample.payload = 4000;
        match store
            .create(key(stored), sample.record(), Admission::default(), Timestamp::default())
            .await
        {
            Ok(created) => assert_eq!(created, Created::Stored),
            Err(error) => break error,
        }
        stored += 1;
        assert!(stored < 1_000_000, "the file system is too large");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    println!("full after {stored} sessions: {error}");

    std::fs::remove_file(&ballast).unwrap();
    let deleted = loop {
        match store.delete(key(0)).await {
            Ok(deleted) => break deleted,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(deleted, Deleted::Removed);
    for number in 1..stored {
        let loaded = store.load(key(number), at(START)).await.unwrap();
        assert!(loaded.is_some(), "session {number} of {stored} was acknowledged");
    }
    store.verify().unwrap();
    drop(store);
    std::fs::remove_dir_all(&path).unwrap();
}
