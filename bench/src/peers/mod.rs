//! What is measured, one library a file: each builds the [site](crate::site) on its framework.

pub mod bare;
pub mod counted;
pub mod ours;

#[cfg(feature = "peers")]
pub mod actix_session;
#[cfg(feature = "peers")]
pub mod axum_session;
#[cfg(feature = "peers")]
pub mod floor;
#[cfg(feature = "peers")]
pub mod ours_actix;
#[cfg(feature = "peers")]
pub mod ours_rocket;
#[cfg(feature = "peers")]
pub mod rocket_flex_session;
#[cfg(feature = "peers")]
pub mod servers;
#[cfg(feature = "peers")]
pub mod tower_sessions;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;

/// A library with one of its stores, as a site on axum.
#[async_trait]
pub trait AxumPeer: Send + Sync {
    /// The library and its store, as in a table.
    fn name(&self) -> &'static str;

    /// The site. Called within the runtime that serves it.
    async fn site(&self, place: &Place) -> Result<Router>;
}

/// Where a peer keeps what it keeps, and who counts.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// An empty folder, for embedded stores.
    pub folder: Option<PathBuf>,
    /// A server, for stores on Redis.
    pub redis: Option<String>,
    /// If present, the peer counts how often it asks its store.
    pub calls: Option<Calls>,
}

impl Place {
    pub fn folder(&self) -> Result<&PathBuf> {
        self.folder.as_ref().context("this peer needs a folder")
    }

    pub fn redis(&self) -> Result<&str> {
        self.redis.as_deref().context("this peer needs a Redis server")
    }
}

/// How often a store was asked.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<AtomicU64>);

impl Calls {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What handlers answer.
pub type Answer = Result<&'static str, StatusCode>;

/// A handler that met an error of its library; no figure may come from such a request.
pub fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

/// What a handler makes of the two values that it read.
pub fn shown(name: Option<String>, visits: Option<u32>) -> &'static str {
    std::hint::black_box((name, visits));
    "ok"
}
