//! The command line of the probe, and the engine that it asks for. The same in every framework.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use session_core::conformance::probe::{Gate, Probe};
use session_core::{CleanerPolicy, Engine, Lifetime, SessionConfig, SigningKeys};
use session_fjall::FjallStore;

/// The probe application of the conformance suite, on the embedded store, over plain http.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,
    /// Folder for the store and the signing key; created if it is missing.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Idle timeout, for example 2s. With neither timeout: 24 h idle, 30 days absolute.
    #[arg(long, value_parser = humantime::parse_duration)]
    idle: Option<Duration>,
    /// Absolute timeout, for example 4s.
    #[arg(long, value_parser = humantime::parse_duration)]
    absolute: Option<Duration>,
    /// How often expired sessions are removed, for example 1s; or `never`.
    #[arg(long, value_name = "PERIOD", default_value = "60s", value_parser = policy)]
    sweep_every: CleanerPolicy,
}

fn policy(text: &str) -> Result<CleanerPolicy, humantime::DurationError> {
    match text {
        "never" => Ok(CleanerPolicy::never()),
        _ => humantime::parse_duration(text).map(CleanerPolicy::every),
    }
}

impl Options {
    /// Opens the store and builds the engine.
    pub(crate) fn probe(&self) -> anyhow::Result<Probe> {
        let lifetime = match (self.idle, self.absolute) {
            (Some(idle), Some(absolute)) => Lifetime::sliding(idle)?.with_absolute(absolute)?,
            (Some(idle), None) => Lifetime::sliding(idle)?,
            (None, Some(absolute)) => Lifetime::fixed(absolute)?,
            (None, None) => Lifetime::default(),
        };
        let config = SessionConfig::builder()
            .danger()
            .insecure_cookies()
            .lifetime(lifetime)
            .cleaner(self.sweep_every)
            .build()?;
        let store = FjallStore::open(self.data.join("store")).context("opening the session store")?;
        let keys = SigningKeys::load_or_create(self.data.join("session.key")).context("loading the signing keys")?;
        let engine = Engine::builder(Arc::new(store), keys).config(config).build();
        Ok(Probe {
            engine,
            gate: Gate::new(),
        })
    }
}
