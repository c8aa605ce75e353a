//! The bare frameworks: the same routes without sessions. What a peer costs is what it takes over this.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::routing::get;
use axum::{Extension, Router};
use tower::layer::util::Identity;

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
            .route("/untouched", get(nothing))
            .route("/start", get(nothing))
            .route("/read", get(|| async { shown(None, None) }))
            .route("/write", get(write))
            .route("/login", get(login))
            .route("/logout", get(nothing)))
    }
}

/// What any layer of a router costs: the least that sessions on axum can take. Each adds to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// A layer that does nothing.
    Layer,
    /// A layer that hands something shared to the handlers, as `axum::Extension` does.
    Extension,
}

#[async_trait]
impl AxumPeer for Floor {
    fn name(&self) -> &'static str {
        match self {
            Self::Layer => "floor: a layer that does nothing",
            Self::Extension => "floor: a layer with an extension",
        }
    }

    async fn site(&self, place: &Place) -> Result<Router> {
        let bare = Bare.site(place).await?;
        Ok(match self {
            Self::Layer => bare.layer(Identity::new()),
            Self::Extension => bare.layer(Extension(Arc::new(()))),
        })
    }
}

async fn nothing() -> &'static str {
    "ok"
}

async fn write() -> &'static str {
    shown(Some(VALUE.to_owned()), Some(1))
}

async fn login() -> &'static str {
    std::hint::black_box(next_user());
    "ok"
}

#[cfg(feature = "peers")]
pub use servers::{BareActix, BareRocket};

#[cfg(feature = "peers")]
mod servers {
    use actix_web::{App, web};
    use anyhow::Result;
    use rocket::routes;

    use super::super::servers::{Framework, Server, launch, rocket_on, serve_actix};
    use crate::peers::Place;

    pub struct BareActix;

    impl Server for BareActix {
        fn name(&self) -> &'static str {
            "bare actix-web"
        }

        fn framework(&self) -> Framework {
            Framework::Actix
        }

        fn serve(&self, _: &Place, port: u16) -> Result<()> {
            let app = || {
                App::new()
                    .route("/start", web::get().to(super::nothing))
                    .route("/read", web::get().to(super::nothing))
                    .route("/write", web::get().to(super::write))
            };
            actix_web::rt::System::new().block_on(serve_actix(port, app))
        }
    }

    pub struct BareRocket;

    #[rocket::get("/start")]
    async fn start() -> &'static str {
        super::nothing().await
    }

    #[rocket::get("/read")]
    async fn read() -> &'static str {
        super::nothing().await
    }

    #[rocket::get("/write")]
    async fn write() -> &'static str {
        super::write().await
    }

    impl Server for BareRocket {
        fn name(&self) -> &'static str {
            "bare Rocket"
        }

        fn framework(&self) -> Framework {
            Framework::Rocket
        }

        fn serve(&self, _: &Place, port: u16) -> Result<()> {
            launch(async { Ok(rocket_on(port).mount("/", routes![start, read, write])) })
        }
    }
}
