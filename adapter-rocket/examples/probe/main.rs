//! The probe on Rocket: `cargo run -p adapter-rocket --example probe -- --listen 127.0.0.1:3000 --data DIR`.

mod app;
mod options;

use anyhow::Context;
use clap::Parser;
use rocket::fairing::AdHoc;

#[rocket::main]
async fn main() -> anyhow::Result<()> {
    let log = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    // Not `init`, which collects Rocket's own log too: that one prints the headers of requests, and with them tokens.
    tracing::subscriber::set_global_default(log.finish())?;
    let options = options::Options::parse();
    let probe = options.probe()?;
    // Rocket itself stops on SIGTERM and on SIGINT.
    let stopped = app::app(app::config(options.listen), probe)
        .attach(AdHoc::on_liftoff("address", |rocket| {
            Box::pin(async {
                let config = rocket.config();
                println!(
                    "listening on http://{}",
                    std::net::SocketAddr::new(config.address, config.port)
                );
            })
        }))
        .launch()
        .await
        .with_context(|| format!("serving on {}", options.listen))?;
    // The store closes with the rocket that holds it.
    drop(stopped);
    println!("stopped");
    Ok(())
}
