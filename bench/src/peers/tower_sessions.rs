//! tower-sessions on axum. Its stores for moka and Redis are made for release 0.14 so far, the others for 0.15; each runs on the
//! release that it is made for.

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;

use super::{AxumPeer, Place};

/// tower-sessions with one of its stores. Cookies carry the bare id, unless they are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TowerSessions {
    Memory,
    MemorySigned,
    Moka,
    Redis,
    Sqlite,
}

#[async_trait]
impl AxumPeer for TowerSessions {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory => "tower-sessions, MemoryStore",
            Self::MemorySigned => "tower-sessions, MemoryStore, signed",
            Self::Moka => "tower-sessions, MokaStore",
            Self::Redis => "tower-sessions, RedisStore",
            Self::Sqlite => "tower-sessions, RusqliteStore",
        }
    }

    async fn site(&self, place: &Place) -> Result<Router> {
        match self {
            Self::Memory => Ok(latest::site(tower_sessions::MemoryStore::default(), place)),
            Self::MemorySigned => {
                let store = tower_sessions::MemoryStore::default();
                let key = tower_sessions::cookie::Key::from(&[7; 64]);
                Ok(match &place.calls {
                    None => latest::routes().layer(latest::layer(store).with_signed(key)),
                    Some(calls) => {
                        latest::routes().layer(latest::layer(latest::Counted::new(store, calls)).with_signed(key))
                    }
                })
            }
            Self::Moka => Ok(before::site(tower_sessions_moka_store::MokaStore::new(None), place)),
            Self::Redis => {
                use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
                // Six connections, as the example of the store has them.
                let pool = Pool::new(Config::from_url(place.redis()?)?, None, None, None, 6)?;
                pool.init().await?;
                Ok(before::site(tower_sessions_redis_store::RedisStore::new(pool), place))
            }
            Self::Sqlite => {
                let connection = tokio_rusqlite::Connection::open(place.folder()?.with_extension("sqlite")).await?;
                // As applications set SQLite up: without these it syncs every write twice.
                connection
                    .call(|connection| {
                        connection.execute_batch("pragma journal_mode = wal; pragma synchronous = normal;")
                    })
                    .await?;
                let store = tower_sessions_rusqlite_store::RusqliteStore::new(connection);
                store.migrate().await?;
                Ok(latest::site(store, place))
            }
        }
    }
}

/// The site on one release of the library: the code is the same, the types are not.
macro_rules! site {
    ($name:ident, $library:ident) => {
        mod $name {
            use async_trait::async_trait;
            use axum::Router;
            use axum::routing::get;
            use $library::session::{Id, Record};
            use $library::session_store::Result;
            use $library::{Session, SessionManagerLayer, SessionStore};

            use crate::peers::{Answer, Calls, Place, failed, shown};
            use crate::site::{NAME, USER, VALUE, VISITS, next_user};

            /// The default settings, but for the cookie's `Secure`, as ours.
            pub(super) fn layer<S: SessionStore>(store: S) -> SessionManagerLayer<S> {
                SessionManagerLayer::new(store).with_secure(false)
            }

            /// To count costs a box for each call, so what is timed goes without.
            pub(super) fn site<S: SessionStore + Clone>(store: S, place: &Place) -> Router {
                match &place.calls {
                    None => routes().layer(layer(store)),
                    Some(calls) => routes().layer(layer(Counted::new(store, calls))),
                }
            }

            pub(super) fn routes() -> Router {
                Router::new()
                    .route("/untouched", get(|| async { "ok" }))
                    .route("/start", get(start))
                    .route("/read", get(read))
                    .route("/write", get(write))
                    .route("/login", get(login))
                    .route("/logout", get(logout))
            }

            async fn start(session: Session) -> Answer {
                session.insert(NAME, VALUE).await.map_err(failed)?;
                session.insert(VISITS, 1_u32).await.map_err(failed)?;
                Ok("ok")
            }

            async fn read(session: Session) -> Answer {
                let name = session.get(NAME).await.map_err(failed)?;
                let visits = session.get(VISITS).await.map_err(failed)?;
                Ok(shown(name, visits))
            }

            async fn write(session: Session) -> Answer {
                let name = session.get(NAME).await.map_err(failed)?;
                let visits: Option<u32> = session.get(VISITS).await.map_err(failed)?;
                session
                    .insert(VISITS, visits.unwrap_or(0) + 1)
                    .await
                    .map_err(failed)?;
                Ok(shown(name, visits))
            }

            async fn login(session: Session) -> Answer {
                session.cycle_id().await.map_err(failed)?;
                session.insert(USER, next_user()).await.map_err(failed)?;
                Ok("ok")
            }

            async fn logout(session: Session) -> Answer {
                session.flush().await.map_err(failed)?;
                Ok("ok")
            }

            #[derive(Clone, Debug)]
            pub(super) struct Counted<S> {
                inner: S,
                calls: Calls,
            }

            impl<S> Counted<S> {
                pub(super) fn new(inner: S, calls: &Calls) -> Self {
                    Self {
                        inner,
                        calls: calls.clone(),
                    }
                }

                fn asked(&self) -> &S {
                    self.calls.add();
                    &self.inner
                }
            }

            #[async_trait]
            impl<S: SessionStore> SessionStore for Counted<S> {
                async fn create(&self, record: &mut Record) -> Result<()> {
                    self.asked().create(record).await
                }

                async fn save(&self, record: &Record) -> Result<()> {
                    self.asked().save(record).await
                }

                async fn load(&self, id: &Id) -> Result<Option<Record>> {
                    self.asked().load(id).await
                }

                async fn delete(&self, id: &Id) -> Result<()> {
                    self.asked().delete(id).await
                }
            }
        }
    };
}

site!(latest, tower_sessions);
site!(before, tower_sessions_0_14);
