//! actix-session on actix-web.

use actix_session::config::CookieContentSecurity;
use actix_session::storage::{CookieSessionStore, RedisSessionStore};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::error::ErrorInternalServerError;
use actix_web::{App, web};
use anyhow::Result;

use super::servers::{Framework, Server, serve_actix};
use super::{Place, shown};
use crate::site::{NAME, VALUE, VISITS};

/// actix-session with one of its stores.
pub enum ActixSession {
    /// All data in the cookie, encrypted: nothing can be revoked, and of two writes at once one is lost.
    Cookie,
    Redis,
}

impl Server for ActixSession {
    fn name(&self) -> &'static str {
        match self {
            Self::Cookie => "actix-session, cookie",
            Self::Redis => "actix-session, Redis",
        }
    }

    fn framework(&self) -> Framework {
        Framework::Actix
    }

    fn serve(&self, place: &Place, port: u16) -> Result<()> {
        let key = Key::from(&[7; 64]);
        actix_web::rt::System::new().block_on(async {
            match self {
                Self::Cookie => {
                    let app = move || {
                        let store = CookieSessionStore::default();
                        let sessions = SessionMiddleware::builder(store, key.clone()).cookie_secure(false);
                        let sessions = sessions.cookie_content_security(CookieContentSecurity::Private).build();
                        App::new().wrap(sessions).configure(routes)
                    };
                    serve_actix(port, app).await
                }
                Self::Redis => {
                    let store = RedisSessionStore::new(place.redis()?).await?;
                    let app = move || {
                        let sessions = SessionMiddleware::builder(store.clone(), key.clone()).cookie_secure(false);
                        App::new().wrap(sessions.build()).configure(routes)
                    };
                    serve_actix(port, app).await
                }
            }
        })
    }
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/start", web::get().to(start))
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write));
}

type Answer = actix_web::Result<&'static str>;

async fn start(session: Session) -> Answer {
    session.insert(NAME, VALUE).map_err(ErrorInternalServerError)?;
    session.insert(VISITS, 1_u32).map_err(ErrorInternalServerError)?;
    Ok("ok")
}

async fn read(session: Session) -> Answer {
    let name = session.get(NAME).map_err(ErrorInternalServerError)?;
    let visits = session.get(VISITS).map_err(ErrorInternalServerError)?;
    Ok(shown(name, visits))
}

async fn write(session: Session) -> Answer {
    let name = session.get(NAME).map_err(ErrorInternalServerError)?;
    let visits: Option<u32> = session.get(VISITS).map_err(ErrorInternalServerError)?;
    session
        .insert(VISITS, visits.unwrap_or(0) + 1)
        .map_err(ErrorInternalServerError)?;
    Ok(shown(name, visits))
}
