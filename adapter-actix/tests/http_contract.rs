//! Holds the actix adapter to the http half of the suite, on every store.

#[path = "../examples/probe/app.rs"]
mod app;
mod server;

use actix_web::HttpServer;
use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;
use session_core::conformance::store::TestStore;
use session_core::{MemoryStore, http_contract};
use session_fjall::FjallStore;

async fn spawn(probe: Probe) -> Server {
    let running = server::serve(move |listener| {
        let server = HttpServer::new(move || app::app(probe.clone())).workers(2);
        Ok(server.disable_signals().listen(listener)?.run())
    });
    let running = running.await;
    Server {
        addr: running.addr,
        stop: Box::new(running),
    }
}

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
