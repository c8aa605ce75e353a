//! The command line, and what it opens: the store, the signing keys and the engine that all requests share.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use session_core::{Engine, OwnerLimit, SessionConfig, SigningKeys};
use tracing_subscriber::EnvFilter;

use crate::accounts::Accounts;
use crate::kept::Kept;
use crate::members::Members;
use crate::metrics;

/// What the session cookie is called.
pub const COOKIE: &str = "keepsake-session";

/// How many devices one person may be signed in on. One more ends the oldest.
pub const MOST_DEVICES: usize = 10;

/// Runs Keepsake, a small shop that shows server-side sessions at work.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Where to keep the sessions, the key that signs their cookies, and the list of members; created if it is missing.
    #[arg(long, default_value = "session-data", value_name = "DIR")]
    pub data: PathBuf,

    /// Keep the sessions on a Redis or Valkey server instead, where several shops share them: give them the same --data or a copy of its
    /// session.key. redis://HOST, redis+sentinel://HOST?service=NAME or redis+cluster://HOST.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    /// Who is always a clerk, and makes others clerks. There are no passwords: whoever gives this name is it.
    #[arg(long, default_value = "admin", value_name = "NAME")]
    pub admin: String,

    /// How long ago somebody may have signed in who changes a role.
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = humantime::parse_duration, hide = true)]
    pub recent_login: Duration,

    /// Where to serve metrics for Prometheus: an address that only this machine reaches. Off unless given.
    #[arg(long, value_name = "ADDRESS", value_parser = metrics::address)]
    pub metrics: Option<SocketAddr>,
}

/// What all requests share.
#[derive(Clone, Debug)]
pub struct Opened {
    /// For the session layer.
    pub engine: Engine,
    /// To close when the last request is done.
    pub kept: Kept,
    /// For the handlers.
    pub accounts: Accounts,
}

impl Options {
    /// Writes warnings and errors to standard error, or what the variable `RUST_LOG` asks for.
    pub fn log(&self) {
        let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| "warn".to_owned());
        tracing_subscriber::fmt()
            // Rocket tells of every request, and at DEBUG of its headers, tokens included.
            .with_env_filter(EnvFilter::new(format!("{wanted},rocket=off")))
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .init();
    }

    /// Opens what all requests share. Restarting with the same folder keeps everybody signed in: both the sessions and the key that
    /// signs their cookies are in it.
    ///
    /// # Errors
    ///
    /// What `SigningKeys::load_or_create` and the store say, with the path or the address: another process holds the folder, say. A list
    /// of members that cannot be read.
    ///
    /// # Panics
    ///
    /// With `--metrics`, outside of a tokio runtime.
    pub async fn open(&self) -> anyhow::Result<Opened> {
        let keys = SigningKeys::load_or_create(self.data.join("session.key"))?;
        let kept = match &self.store {
            Some(url) => Kept::on_server(url).await?,
            None => Kept::in_folder(&self.data.join("store"))?,
        };
        let config = SessionConfig::builder()
            .cookie_name(COOKIE)
            .owner_limit(OwnerLimit::end_oldest(MOST_DEVICES)?)
            // For plain http on this machine. An application behind TLS leaves these and the name out, and has `__Host-session`.
            .danger()
            .insecure_cookies()
            .build()?;
        let mut builder = Engine::builder(kept.store(), keys).config(config);
        if let Some(address) = self.metrics {
            metrics::serve(address)?;
            builder = builder.metrics();
        }
        let engine = builder.build();
        if self.metrics.is_some() {
            tokio::spawn(metrics::count(engine.clone()));
        }
        let members = Members::open(&self.data, &self.admin)
            .with_context(|| format!("reading the list of members in {}", self.data.display()))?;
        let accounts = Accounts {
            members,
            recent_login: self.recent_login,
        };
        Ok(Opened { engine, kept, accounts })
    }
}
