//! The bare framework: the same routes without sessions. What a peer costs is what it takes over this.

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use axum::routing::get;

use super::{AxumPeer, Place, shown};
use crate::site::{VALUE, next_user};

pub struct Bare;

#[async_trait]
impl AxumPeer for Bare {
    fn name(&self) -> &'static str {
        "bare axum"
    }

    async fn site(&self, _: &Place) -> Result<Router> {
        Ok(Router::new()
            .route("/untouched", get(|| async { "ok" }))
            .route("/start", get(|| async { "ok" }))
            .route("/read", get(|| async { shown(None, None) }))
            .route("/write", get(|| async { shown(Some(VALUE.to_owned()), Some(1)) }))
            .route(
                "/login",
                get(|| async {
                    std::hint::black_box(next_user());
                    "ok"
                }),
            )
            .route("/logout", get(|| async { "ok" })))
    }
}
