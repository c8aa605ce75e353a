//! [`Server`]: a peer as a server of its own process, on any framework. [`ALL`] lists those that `http` measures.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

use super::actix_session::ActixSession;
use super::axum_session::AxumSession;
use super::bare::{Bare, BareActix, BareRocket};
use super::floor::Floor;
use super::ours::Ours;
use super::ours_actix::OursActix;
use super::ours_rocket::OursRocket;
use super::rocket_flex_session::FlexSession;
use super::tower_sessions::TowerSessions;
use super::{AxumPeer, Place};

/// Tokio's workers, or those of actix: the same number for every peer.
pub const WORKERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framework {
    Axum,
    Actix,
    Rocket,
}

impl Framework {
    pub const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Rocket];

    pub fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix-web",
            Self::Rocket => "Rocket",
        }
    }
}

/// A library with one of its stores, as a server.
pub trait Server: Send + Sync {
    /// The library and its store, as in a table.
    fn name(&self) -> &'static str;

    fn framework(&self) -> Framework;

    /// Serves the [site](crate::site) on this port of the loopback interface, until the process ends.
    fn serve(&self, place: &Place, port: u16) -> Result<()>;
}

/// Every peer on axum is also a server.
struct OnAxum<P>(P);

impl<P: AxumPeer> Server for OnAxum<P> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn framework(&self) -> Framework {
        Framework::Axum
    }

    fn serve(&self, place: &Place, port: u16) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            listener.set_nonblocking(true)?;
            let site = self.0.site(place).await?;
            let listener = axum::serve::ListenerExt::tap_io(tokio::net::TcpListener::from_std(listener)?, |stream| {
                // As actix and Rocket do by themselves.
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, site).await?;
            Ok(())
        })
    }
}

/// What is started under which word.
pub fn all() -> Vec<(&'static str, Box<dyn Server>)> {
    vec![
        ("axum", Box::new(OnAxum(Bare))),
        ("axum-ours-memory", Box::new(OnAxum(Ours::Memory))),
        ("axum-ours-fjall", Box::new(OnAxum(Ours::Fjall))),
        ("axum-floor-fjall", Box::new(OnAxum(Floor::Worker))),
        ("axum-floor-thread", Box::new(OnAxum(Floor::OtherThread))),
        ("axum-ours-redis", Box::new(OnAxum(Ours::Redis))),
        #[cfg(feature = "peers")]
        ("axum-ours-redis-near", Box::new(OnAxum(Ours::RedisNear))),
        ("axum-tower-memory", Box::new(OnAxum(TowerSessions::Memory))),
        ("axum-tower-redis", Box::new(OnAxum(TowerSessions::Redis))),
        ("axum-tower-sqlite", Box::new(OnAxum(TowerSessions::Sqlite))),
        ("axum-axum-session", Box::new(OnAxum(AxumSession))),
        ("actix", Box::new(BareActix)),
        ("actix-ours-memory", Box::new(OursActix(Ours::Memory))),
        ("actix-ours-fjall", Box::new(OursActix(Ours::Fjall))),
        ("actix-ours-redis", Box::new(OursActix(Ours::Redis))),
        ("actix-session-cookie", Box::new(ActixSession::Cookie)),
        ("actix-session-redis", Box::new(ActixSession::Redis)),
        ("rocket", Box::new(BareRocket)),
        ("rocket-ours-memory", Box::new(OursRocket(Ours::Memory))),
        ("rocket-ours-fjall", Box::new(OursRocket(Ours::Fjall))),
        ("rocket-ours-redis", Box::new(OursRocket(Ours::Redis))),
        ("rocket-flex-memory", Box::new(FlexSession::Memory)),
        ("rocket-flex-redis", Box::new(FlexSession::Redis)),
    ]
}

/// The server of a word.
pub fn named(word: &str) -> Result<Box<dyn Server>> {
    let found = all().into_iter().find(|(known, _)| *known == word);
    Ok(found.with_context(|| format!("no server is named {word}"))?.1)
}

/// Runs a site on actix.
pub(super) async fn serve_actix<T, B>(
    port: u16,
    app: impl Fn() -> actix_web::App<T> + Send + Clone + 'static,
) -> Result<()>
where
    T: actix_web::dev::ServiceFactory<
            actix_web::dev::ServiceRequest,
            Config = (),
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: actix_web::body::MessageBody + 'static,
{
    actix_web::HttpServer::new(app)
        .workers(WORKERS)
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await?;
    Ok(())
}

/// A rocket that listens there.
pub(super) fn rocket_on(port: u16) -> rocket::Rocket<rocket::Build> {
    let config = rocket::Config {
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        workers: WORKERS,
        log_level: rocket::config::LogLevel::Off,
        secret_key: rocket::config::SecretKey::from(&[7; 64]),
        ..rocket::Config::default()
    };
    rocket::custom(config)
}

/// Runs a rocket, on workers as it would have them from `#[launch]`.
pub(super) fn launch(rocket: impl Future<Output = Result<rocket::Rocket<rocket::Build>>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        rocket.await?.launch().await?;
        Ok(())
    })
}
