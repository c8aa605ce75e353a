//! Ours on axum, on each of our stores.

use std::sync::Arc;

use adapter_axum::{
    Engine, FjallStore, Key, MemoryStore, Session, SessionConfig, SessionLayer, SigningKey, SigningKeys, Store,
};
use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use axum::routing::get;

use super::{Answer, AxumPeer, Place, failed, shown};
use crate::site::{self, VALUE, next_user};

pub(super) const NAME: Key<String> = Key::new(site::NAME);
pub(super) const VISITS: Key<u32> = Key::new(site::VISITS);

/// Ours on one of our stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    Memory,
    Fjall,
    #[cfg(feature = "peers")]
    Redis,
    #[cfg(feature = "peers")]
    RedisNear,
}

impl Ours {
    /// The store, as its documentation opens it.
    pub async fn store(self, place: &Place) -> Result<Arc<dyn Store>> {
        let store: Arc<dyn Store> = match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Fjall => Arc::new(FjallStore::open(place.folder()?)?),
            #[cfg(feature = "peers")]
            Self::Redis => Arc::new(adapter_axum::RedisStore::builder(place.redis()?).open().await?),
            #[cfg(feature = "peers")]
            Self::RedisNear => Arc::new(near_cache(place.redis()?).await?),
        };
        Ok(match &place.calls {
            Some(calls) => Arc::new(super::counted::Counted::new(store, calls.clone())),
            None => store,
        })
    }

    /// The default configuration, but for the cookie's `Secure`, which a load generator without TLS would not send back; it changes a
    /// name, and no work.
    pub async fn engine(self, place: &Place) -> Result<Engine> {
        engine(self.store(place).await?)
    }
}

pub(super) fn engine(store: Arc<dyn Store>) -> Result<Engine> {
    let keys = SigningKeys::new(SigningKey::from_bytes(&[7; 32])?);
    let config = SessionConfig::builder().danger().insecure_cookies().build()?;
    Ok(Engine::builder(store, keys).config(config).build())
}

pub(super) fn site(engine: Engine) -> Result<Router> {
    Ok(Router::new()
        .route("/untouched", get(|| async { "ok" }))
        .route("/start", get(start))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(SessionLayer::from_engine(engine)))
}

#[async_trait]
impl AxumPeer for Ours {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory => "ours, MemoryStore",
            Self::Fjall => "ours, FjallStore",
            #[cfg(feature = "peers")]
            Self::Redis => "ours, RedisStore",
            #[cfg(feature = "peers")]
            Self::RedisNear => "ours, RedisStore, near cache",
        }
    }

    async fn site(&self, place: &Place) -> Result<Router> {
        site(self.engine(place).await?)
    }
}

async fn start(session: Session) -> Answer {
    session.insert(NAME, VALUE.to_owned()).map_err(failed)?;
    session.insert(VISITS, 1).map_err(failed)?;
    Ok("ok")
}

async fn read(session: Session) -> Answer {
    Ok(shown(
        session.get(NAME).map_err(failed)?,
        session.get(VISITS).map_err(failed)?,
    ))
}

async fn write(session: Session) -> Answer {
    let name = session.get(NAME).map_err(failed)?;
    let visits = session.get(VISITS).map_err(failed)?;
    session.insert(VISITS, visits.unwrap_or(0) + 1).map_err(failed)?;
    Ok(shown(name, visits))
}

async fn login(session: Session) -> Answer {
    session.login(next_user()).map_err(failed)?;
    Ok("ok")
}

async fn logout(session: Session) -> Answer {
    session.logout();
    Ok("ok")
}

/// Records that are hot stay in this process until the server says that they changed: 64 MiB, and at most one second.
#[cfg(feature = "peers")]
async fn near_cache(url: &str) -> Result<adapter_axum::RedisStore> {
    let second = std::time::Duration::from_secs(1);
    Ok(adapter_axum::RedisStore::builder(url)
        .near_cache(64 << 20, second)
        .open()
        .await?)
}
