//! The bare frameworks: the same routes without sessions. What a peer costs is what it takes over this.

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
            .route("/untouched", get(nothing))
            .route("/start", get(nothing))
            .route("/read", get(|| async { shown(None, None) }))
            .route("/write", get(write))
            .route("/login", get(login))
            .route("/logout", get(nothing)))
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
