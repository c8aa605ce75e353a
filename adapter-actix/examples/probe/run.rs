//! Serves the probe until it is told to stop.

use actix_web::HttpServer;
use anyhow::Context;

use super::app;
use super::options::Options;

/// Logs to standard output, listens, says where, and stops cleanly on SIGTERM and SIGINT, which actix listens for by itself.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let (probe, store) = options.probe()?;
    let server = HttpServer::new(move || app::app(probe.clone()))
        .bind(options.listen)
        .with_context(|| format!("listening on {}", options.listen))?;
    for addr in server.addrs() {
        println!("listening on http://{addr}");
    }
    server.run().await.context("serving")?;
    // The workers' threads may still be ending, each with a handle to the store.
    store.close().await.context("closing the session store")?;
    println!("stopped");
    Ok(())
}
