//! Figures for Prometheus, on a listener of their own: off unless `--metrics` asks for them, and never where the public comes.

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use session_core::{Engine, Error, ErrorKind, Result};

/// How often what is stored is counted: it is a walk over all of it.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// From what the embedded store answers out of memory to what visitors notice, in seconds.
const DURATIONS: [f64; 8] = [0.000_01, 0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0];

/// An address of this machine that no other reaches.
///
/// # Errors
///
/// What to write instead.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write it as 127.0.0.1:9090".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("metrics are for this machine: choose an address such as 127.0.0.1:9090".to_owned())
    }
}

/// Serves what is counted from now on.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`] if the address cannot be had.
pub fn serve(address: SocketAddr) -> Result<()> {
    let exporter = PrometheusBuilder::new().with_http_listener(address);
    let installed = exporter.set_buckets(&DURATIONS).and_then(PrometheusBuilder::install);
    installed.map_err(|error| {
        let attempted = format!("serving metrics on {address}: choose another address with --metrics");
        Error::new(ErrorKind::Unavailable, attempted).with_source(error)
    })
}

/// Counts what is stored, now and every minute: nothing else moves the gauges.
pub async fn count(engine: Engine) {
    let mut minute = tokio::time::interval(COUNT_EVERY);
    loop {
        minute.tick().await;
        if let Err(error) = counted(&engine).await {
            tracing::warn!(%error, "counting the sessions failed");
        }
    }
}

async fn counted(engine: &Engine) -> Result<()> {
    engine.sessions()?.stats().await.map(drop)
}
