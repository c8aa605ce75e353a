//! What the binaries have in common around their framework's server: what they print, when they stop, how long that takes.

use std::net::SocketAddr;
use std::time::Duration;

use session_core::Result;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

use crate::kept::Kept;

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

/// Ends on Ctrl-C, or on what a service manager sends. Such a signal counts from this call on, not only once the future is polled:
/// call it before [`announce`], or who stops the shop right then kills it.
pub fn stopped() -> impl Future<Output = ()> + Send {
    #[cfg(unix)]
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        #[cfg(unix)]
        if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Closes the store when the last request is done, or out of time. Handles that are still held, by a socket say, then fail.
///
/// # Errors
///
/// What [`Kept::close`] says: the disk is full, say.
pub async fn close(kept: &Kept) -> Result<()> {
    kept.close().await?;
    println!("Keepsake is closed. Open it again, and everybody is still signed in.");
    Ok(())
}
