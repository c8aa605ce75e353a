//! No secret reaches a log (P17): everything is logged at TRACE, the framework's own lines too, on all paths, and searched. In a process of
//! its own: there is one log for all threads.

mod spawn;

use session_core::MemoryStore;
use session_core::conformance::http::secrets::{Log, provoke};
use session_core::conformance::http::site::World;
use session_core::conformance::store::TestStore;
use session_fjall::FjallStore;
use spawn::spawn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_reaches_the_log_on_any_path() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let memory = World::new(spawn, async || TestStore::from(MemoryStore::new()));
    let fjall = World::new(spawn, async || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = FjallStore::open(folder.path()).expect("an empty folder becomes a store");
        TestStore::new(store).keeping(folder)
    });
    for world in [memory, fjall] {
        let secrets = provoke(world).await;
        secrets.search(&log.text(), None);
    }
}
