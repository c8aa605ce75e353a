//! Starts the probe on actix-web.

#[path = "../../examples/probe/app.rs"]
mod app;
#[path = "../server/mod.rs"]
mod server;

use actix_web::HttpServer;
use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;

pub(crate) async fn spawn(probe: Probe) -> Server {
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
