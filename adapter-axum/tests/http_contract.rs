//! Holds the axum adapter to the http half of the suite, on every store.

#[path = "../examples/probe/app.rs"]
mod app;

use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;
use session_core::conformance::store::TestStore;
use session_core::{MemoryStore, http_contract};
use session_fjall::FjallStore;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn spawn(probe: Probe) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let addr = listener.local_addr().expect("a bound listener has an address");
    let task = tokio::spawn(async move {
        axum::serve(listener, app::app(probe))
            .await
            .expect("serving does not fail");
    });
    Server {
        addr,
        stop: Box::new(Abort(task)),
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
