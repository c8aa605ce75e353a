//! rocket_flex_session on Rocket. It keeps one value of the application's own type, not a map of values.

use anyhow::Result;
use rocket::routes;
use rocket_flex_session::storage::redis::{RedisFormat, RedisFredStorage, RedisValue, SessionRedis};
use rocket_flex_session::{RocketFlexSession, Session, SessionIdentifier};
use std::convert::Infallible;

use super::servers::{Framework, Server, launch, rocket_on};
use super::{Place, shown};
use crate::site::{self, VALUE};

/// rocket_flex_session with one of its stores. Its cookies are encrypted.
pub enum FlexSession {
    Memory,
    Redis,
}

#[derive(Clone, Debug)]
struct Visitor {
    name: String,
    visits: u32,
}

impl SessionIdentifier for Visitor {
    type Id = String;

    /// Nobody is signed in, so nothing is indexed.
    fn identifier(&self) -> Option<String> {
        None
    }
}

impl SessionRedis for Visitor {
    const REDIS_FORMAT: RedisFormat = RedisFormat::Map;
    type Error = Infallible;

    fn into_redis(self) -> Result<RedisValue, Infallible> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        Ok(RedisValue::Map(vec![
            pair(site::NAME, self.name),
            pair(site::VISITS, self.visits.to_string()),
        ]))
    }

    fn from_redis(value: RedisValue) -> Result<Self, Infallible> {
        let pairs = value.into_map().unwrap_or_default();
        let of = |wanted: &str| {
            pairs
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        Ok(Self {
            name: of(site::NAME).unwrap_or_default(),
            visits: of(site::VISITS).and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

impl Server for FlexSession {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory => "rocket_flex_session, memory",
            Self::Redis => "rocket_flex_session, Redis",
        }
    }

    fn framework(&self) -> Framework {
        Framework::Rocket
    }

    fn serve(&self, place: &Place, port: u16) -> Result<()> {
        launch(async {
            let sessions = RocketFlexSession::<Visitor>::builder().with_options(|options| options.secure = false);
            let sessions = match self {
                Self::Memory => sessions.build(),
                Self::Redis => {
                    use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
                    // Four connections, as its example has them.
                    let pool = Pool::new(Config::from_url(place.redis()?)?, None, None, None, 4)?;
                    pool.init().await?;
                    sessions.storage(RedisFredStorage::builder().pool(pool).build()).build()
                }
            };
            Ok(rocket_on(port).attach(sessions).mount("/", routes![start, read, write]))
        })
    }
}

#[rocket::get("/start")]
async fn start(mut session: Session<'_, Visitor>) -> &'static str {
    session.set(Visitor {
        name: VALUE.to_owned(),
        visits: 1,
    });
    "ok"
}

#[rocket::get("/read")]
async fn read(session: Session<'_, Visitor>) -> &'static str {
    let (name, visits) = session.tap(|visitor| {
        let visitor = visitor.cloned();
        (
            visitor.as_ref().map(|visitor| visitor.name.clone()),
            visitor.map(|visitor| visitor.visits),
        )
    });
    shown(name, visits)
}

#[rocket::get("/write")]
async fn write(mut session: Session<'_, Visitor>) -> &'static str {
    let found = session.get();
    let shown = shown(
        found.as_ref().map(|visitor| visitor.name.clone()),
        found.as_ref().map(|visitor| visitor.visits),
    );
    session.tap_mut(|visitor| {
        if let Some(visitor) = visitor {
            visitor.visits += 1;
        }
    });
    shown
}
