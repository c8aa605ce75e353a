//! The probe on axum: `cargo run -p adapter-axum --example probe -- --listen 127.0.0.1:3000 --data DIR`.

mod app;
mod options;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let options = options::Options::parse();
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
