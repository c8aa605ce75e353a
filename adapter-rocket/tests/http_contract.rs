//! Holds the Rocket adapter to the http half of the suite, on every store.

#[path = "../examples/probe/app.rs"]
mod app;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use rocket::config::Shutdown;
use rocket::fairing::AdHoc;
use rocket::{Config, Rocket};
use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;
use session_core::conformance::store::TestStore;
use session_core::{MemoryStore, http_contract};
use session_fjall::FjallStore;
use tokio::sync::oneshot;

struct Stop(rocket::Shutdown);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.clone().notify();
    }
}

async fn spawn(probe: Probe) -> Server {
    let config = Config {
        shutdown: Shutdown {
            ctrlc: false,
            signals: HashSet::new(),
            grace: 0,
            mercy: 0,
            ..Shutdown::default()
        },
        ..app::config((Ipv4Addr::LOCALHOST, 0).into())
    };
    let (lifted_off, address) = oneshot::channel();
    let lifted_off = Mutex::new(Some(lifted_off));
    let rocket = app::app(config, probe)
        .attach(AdHoc::on_liftoff("address", |rocket| {
            Box::pin(async move {
                let lifted_off = lifted_off.lock().expect("nothing panics with it").take();
                let config = rocket.config();
                let address = SocketAddr::new(config.address, config.port);
                lifted_off.map(|sender| sender.send(address));
            })
        }))
        .ignite()
        .await
        .expect("the probe is wired");
    let stop = Stop(rocket.shutdown());
    tokio::spawn(Rocket::launch(rocket));
    Server {
        addr: address.await.expect("a free port on loopback"),
        stop: Box::new(stop),
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
