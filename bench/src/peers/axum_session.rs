//! axum_session on axum, in memory.

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use axum_session::{SessionConfig, SessionLayer, SessionNullPool, SessionStore};

use super::{AxumPeer, Place, shown};
use crate::site::{NAME, USER, VALUE, VISITS, next_user};

type Session = axum_session::Session<SessionNullPool>;

/// axum_session without a database: it keeps sessions in a concurrent map.
pub struct AxumSession;

#[async_trait]
impl AxumPeer for AxumSession {
    fn name(&self) -> &'static str {
        "axum_session, memory"
    }

    async fn site(&self, _: &Place) -> Result<Router> {
        let store = SessionStore::<SessionNullPool>::new(None, SessionConfig::default()).await?;
        Ok(Router::new()
            .route("/untouched", get(|| async { "ok" }))
            .route("/start", get(start))
            .route("/read", get(read))
            .route("/write", get(write))
            .route("/login", get(login))
            .route("/logout", get(logout))
            .layer(SessionLayer::new(store)))
    }
}

async fn start(session: Session) -> &'static str {
    session.set(NAME, VALUE);
    session.set(VISITS, 1_u32);
    "ok"
}

async fn read(session: Session) -> &'static str {
    shown(session.get(NAME), session.get(VISITS))
}

async fn write(session: Session) -> &'static str {
    let name = session.get(NAME);
    let visits: Option<u32> = session.get(VISITS);
    session.set(VISITS, visits.unwrap_or(0) + 1);
    shown(name, visits)
}

async fn login(session: Session) -> &'static str {
    session.renew();
    session.set(USER, next_user());
    "ok"
}

async fn logout(session: Session) -> &'static str {
    session.destroy();
    "ok"
}
