//! Starts the probe on axum.

#[path = "../../examples/probe/app.rs"]
mod app;

use session_core::conformance::http::Server;
use session_core::conformance::probe::Probe;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) async fn spawn(probe: Probe) -> Server {
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
