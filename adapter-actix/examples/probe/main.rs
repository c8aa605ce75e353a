//! The probe on actix: `cargo run -p adapter-actix --example probe -- --listen 127.0.0.1:3000 --data DIR`.

mod app;
mod options;

use actix_web::HttpServer;
use anyhow::Context;
use clap::Parser;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let options = options::Options::parse();
    let (probe, store) = options.probe()?;
    let server = HttpServer::new(move || app::app(probe.clone()))
        .bind(options.listen)
        .with_context(|| format!("listening on {}", options.listen))?;
    for addr in server.addrs() {
        println!("listening on http://{addr}");
    }
    // Until SIGTERM or SIGINT, which actix listens for by itself.
    server.run().await.context("serving")?;
    // The workers' threads may still be ending, each with a handle to the store.
    store.close().await.context("closing the session store")?;
    println!("stopped");
    Ok(())
}
