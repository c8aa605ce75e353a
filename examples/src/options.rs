//! The command line, and what it opens: the store, the signing keys and the engine that all requests share.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use session_core::{Engine, Result, SessionConfig, SigningKeys};
use session_fjall::FjallStore;
use tracing_subscriber::EnvFilter;

/// What the session cookie is called.
pub const COOKIE: &str = "keepsake-session";

/// Runs Keepsake, a small shop that shows server-side sessions at work.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Where to keep the sessions and the key that signs their cookies; created if it is missing.
    #[arg(long, default_value = "session-data", value_name = "DIR")]
    pub data: PathBuf,
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

    /// Opens what all requests share, and the store, to close when the last request is done. Restarting with the same folder
    /// keeps everybody signed in: both the sessions and the key that signs their cookies are in it.
    ///
    /// # Errors
    ///
    /// What `SigningKeys::load_or_create` and `FjallStore::open` say, with the path: another process holds the folder, say.
    pub fn open(&self) -> Result<(Engine, FjallStore)> {
        let keys = SigningKeys::load_or_create(self.data.join("session.key"))?;
        let store = FjallStore::open(self.data.join("store"))?;
        let config = SessionConfig::builder()
            .cookie_name(COOKIE)
            // For plain http on this machine. An application behind TLS leaves these and the name out, and has `__Host-session`.
            .danger()
            .insecure_cookies()
            .build()?;
        let engine = Engine::builder(Arc::new(store.clone()), keys).config(config).build();
        Ok((engine, store))
    }
}
