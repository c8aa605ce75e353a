//! Serves an actix application for a test, on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt::System;
use tokio::sync::oneshot;

/// A running server. Dropping it asks the server to stop, and does not wait.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    handle: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Sent by the call; the future only waits for the answer.
        drop(self.handle.stop(false));
    }
}

/// Starts what `start` makes of a listener on a free port of the loopback interface.
///
/// The thread has a runtime of its own: the test's runtime ends with the test, before a server on it could stop its workers.
pub(crate) async fn serve(start: impl FnOnce(TcpListener) -> io::Result<Server> + Send + 'static) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    let addr = listener.local_addr().expect("a bound listener has an address");
    let (started, handle) = oneshot::channel();
    std::thread::spawn(move || {
        System::new().block_on(async {
            let server = start(listener).expect("a bound listener can be served");
            let _ = started.send(server.handle());
            server.await.expect("serving does not fail");
        });
    });
    let handle = handle.await.expect("the server starts");
    Running { addr, handle }
}
