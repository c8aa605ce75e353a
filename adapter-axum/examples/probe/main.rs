//! The probe on axum: `cargo run -p adapter-axum --example probe -- --listen 127.0.0.1:3000 --data DIR`.

mod app;
mod options;
mod run;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run::run(options::Options::parse()).await
}
