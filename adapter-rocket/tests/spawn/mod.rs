//! Starts the probe on Rocket.

#[path = "../../examples/probe/app.rs"]
mod app;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use rocket::config::Shutdown;
use rocket::fairing::AdHoc;
use rocket::{Config, Rocket};
use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;
use tokio::sync::oneshot;

struct Stop(rocket::Shutdown);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.clone().notify();
    }
}

pub(crate) async fn spawn(probe: Probe) -> Server {
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
