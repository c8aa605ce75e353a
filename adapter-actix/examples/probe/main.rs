//! The probe on actix: `cargo run -p adapter-actix --example probe -- --listen 127.0.0.1:3000 --data DIR`.

mod app;
mod options;
mod run;

use clap::Parser;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    run::run(options::Options::parse()).await
}
