//! Ours on Rocket.

use adapter_rocket::{Session, SessionFairing};
use anyhow::Result;
use rocket::http::Status;
use rocket::routes;

use super::ours::{NAME, Ours, VISITS};
use super::servers::{Framework, Server, launch, rocket_on};
use super::{AxumPeer, Place, shown};
use crate::site::VALUE;

pub struct OursRocket(pub Ours);

impl Server for OursRocket {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn framework(&self) -> Framework {
        Framework::Rocket
    }

    fn serve(&self, place: &Place, port: u16) -> Result<()> {
        launch(async {
            let sessions = SessionFairing::from_engine(self.0.engine(place).await?);
            Ok(rocket_on(port).attach(sessions).mount("/", routes![start, read, write]))
        })
    }
}

type Answer = Result<&'static str, Status>;

fn failed<E>(_: E) -> Status {
    Status::InternalServerError
}

#[rocket::get("/start")]
async fn start(session: Session) -> Answer {
    session.insert(NAME, VALUE.to_owned()).map_err(failed)?;
    session.insert(VISITS, 1).map_err(failed)?;
    Ok("ok")
}

#[rocket::get("/read")]
async fn read(session: Session) -> Answer {
    let name = session.get(NAME).map_err(failed)?;
    let visits = session.get(VISITS).map_err(failed)?;
    Ok(shown(name, visits))
}

#[rocket::get("/write")]
async fn write(session: Session) -> Answer {
    let name = session.get(NAME).map_err(failed)?;
    let visits = session.get(VISITS).map_err(failed)?;
    session.insert(VISITS, visits.unwrap_or(0) + 1).map_err(failed)?;
    Ok(shown(name, visits))
}
