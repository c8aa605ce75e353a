//! What an engine says in the log when it is built. In a process of its own: what is logged is decided once for all threads.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

#[allow(dead_code, reason = "the engine's scenarios use the rest")]
#[path = "engine/without_index.rs"]
mod without_index;

use std::io::Write;
use std::sync::{Arc, Mutex};

use session_core::{Engine, MemoryStore, OwnerLimit, SessionConfig, SessionConfigBuilder, SigningKeys, Store};

use without_index::WithoutIndex;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that building this engine logs.
fn said(store: Arc<dyn Store>, config: SessionConfigBuilder) -> Vec<String> {
    let captured = Captured::default();
    let lines = captured.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || captured.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        drop(
            Engine::builder(store, SigningKeys::generate().unwrap())
                .config(config.build().unwrap())
                .build(),
        );
    });
    let lines = lines.0.lock().unwrap();
    String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect()
}

#[test]
fn what_weakens_sessions_or_cannot_work_is_said_and_nothing_else() {
    let limited = || SessionConfig::builder().owner_limit(OwnerLimit::refuse(3).unwrap());
    assert_eq!(said(Arc::new(MemoryStore::new()), SessionConfig::builder()).len(), 0);
    assert_eq!(said(Arc::new(MemoryStore::new()), limited()).len(), 0);
    assert_eq!(
        said(Arc::new(WithoutIndex::default()), SessionConfig::builder()).len(),
        0
    );

    let lines = said(Arc::new(WithoutIndex::default()), limited());
    assert!(lines.len() == 1 && lines[0].contains("owner index"), "{lines:?}");
    let lines = said(
        Arc::new(MemoryStore::new()),
        SessionConfig::builder().danger().insecure_cookies(),
    );
    assert!(lines.len() == 1 && lines[0].contains("plain http"), "{lines:?}");
}
