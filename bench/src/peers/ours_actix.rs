//! Ours on actix-web.

use actix_web::error::ErrorInternalServerError;
use actix_web::{App, web};
use adapter_actix::{Session, SessionMiddleware};
use anyhow::Result;

use super::ours::{NAME, Ours, VISITS};
use super::servers::{Framework, Server, serve_actix};
use super::{AxumPeer, Place, shown};
use crate::site::VALUE;

pub struct OursActix(pub Ours);

impl Server for OursActix {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn framework(&self) -> Framework {
        Framework::Actix
    }

    fn serve(&self, place: &Place, port: u16) -> Result<()> {
        actix_web::rt::System::new().block_on(async {
            let sessions = SessionMiddleware::from_engine(self.0.engine(place).await?);
            let app = move || {
                App::new()
                    .wrap(sessions.clone())
                    .route("/start", web::get().to(start))
                    .route("/read", web::get().to(read))
                    .route("/write", web::get().to(write))
            };
            serve_actix(port, app).await
        })
    }
}

type Answer = actix_web::Result<&'static str>;

async fn start(session: Session) -> Answer {
    session
        .insert(NAME, VALUE.to_owned())
        .map_err(ErrorInternalServerError)?;
    session.insert(VISITS, 1).map_err(ErrorInternalServerError)?;
    Ok("ok")
}

async fn read(session: Session) -> Answer {
    let name = session.get(NAME).map_err(ErrorInternalServerError)?;
    let visits = session.get(VISITS).map_err(ErrorInternalServerError)?;
    Ok(shown(name, visits))
}

async fn write(session: Session) -> Answer {
    let name = session.get(NAME).map_err(ErrorInternalServerError)?;
    let visits = session.get(VISITS).map_err(ErrorInternalServerError)?;
    session
        .insert(VISITS, visits.unwrap_or(0) + 1)
        .map_err(ErrorInternalServerError)?;
    Ok(shown(name, visits))
}
