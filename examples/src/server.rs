//! What the binaries have in common around their framework's server: what they print, when they stop, how long that takes.

use std::net::SocketAddr;
use std::time::Duration;

use session_core::Result;
use session_fjall::FjallStore;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// How long requests that are under way may take when the server stops.
pub const GRACE: Duration = Duration::from_secs(5);

/// What to say if the address cannot be had.
pub fn cannot_listen(address: SocketAddr) -> String {
    format!("listening on {address}: choose another address with --listen")
}

/// Says that requests were cut off.
pub fn out_of_time() {
    eprintln!("some requests were not done in {} s", GRACE.as_secs());
}

/// Says where the shop is.
pub fn announce(address: SocketAddr) {
    println!("Keepsake is open at http://{address}");
}

/// Returns on Ctrl-C, or on what a service manager sends.
pub async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

/// Closes the store when the last request is done, or out of time. Handles that are still held, by a socket say, then fail.
///
/// # Errors
///
/// What `FjallStore::close` says: the disk is full, say.
pub async fn close(store: &FjallStore) -> Result<()> {
    store.close().await?;
    println!("Keepsake is closed. Open it again, and everybody is still signed in.");
    Ok(())
}
