//! Serves the probe until it is told to stop.

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::app;
use super::options::Options;

/// Logs to standard output, listens, says where, and stops cleanly on SIGTERM and SIGINT.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let probe = options.probe()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("listening on {}", options.listen))?;
    println!("listening on http://{}", listener.local_addr()?);
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    axum::serve(listener, app::app(probe))
        .with_graceful_shutdown(stopped)
        .await
        .context("serving")?;
    println!("stopped");
    Ok(())
}
