//! The routes of the probe in Rocket. What they do is in `session_core::conformance::probe`, the same for every framework.

use std::io::Cursor;
use std::net::SocketAddr;

use adapter_rocket::{
    CsrfForm, CsrfHeader, CsrfToken, Flashes, Session, SessionAdmin, SessionError, SessionFairing, Sessions, Value,
};
use rocket::config::{LogLevel, Shutdown};
use rocket::data::{Limits, ToByteUnit};
use rocket::form::Strict;
use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::stream::TextStream;
use rocket::response::{self, Responder, Response};
use rocket::{Build, Config, Request, Rocket, State, catch, catchers, get, http::uri::Origin, post, routes};
use session_core::conformance::probe::{self, Gate, Probe, Remember, Tally};

/// Says nothing by itself, and takes large bodies.
pub(crate) fn config(listen: SocketAddr) -> Config {
    Config {
        address: listen.ip(),
        port: listen.port(),
        limits: Limits::default().limit("string", 1.mebibytes()),
        log_level: LogLevel::Off,
        shutdown: Shutdown {
            grace: 1,
            mercy: 1,
            ..Shutdown::default()
        },
        ..Config::release_default()
    }
}

/// The probe as a rocket.
pub(crate) fn app(config: Config, probe: Probe) -> Rocket<Build> {
    let routes = routes![
        plain,
        get_value,
        set,
        add,
        remove,
        clear,
        login,
        logout,
        renew,
        info,
        list,
        revoke,
        revoke_others,
        revoke_all,
        slow,
        fail,
        cached,
        csrf,
        csrf_form,
        csrf_header,
        leave_flash,
        show_flashes,
        tally,
        add_to_tally,
        stream,
    ];
    rocket::custom(config)
        .attach(SessionFairing::from_engine(probe.engine))
        .manage(probe.gate)
        .mount("/", routes)
        .mount("/admin", SessionAdmin::new(probe::root_only))
        .register("/", catchers![phrase])
}

type Answer = Result<Reply, SessionError>;

#[get("/plain")]
fn plain() -> &'static str {
    "plain"
}

#[get("/get/<key>")]
fn get_value(session: Session, key: &str) -> Answer {
    Ok(Reply(probe::get(&session, key)?))
}

#[post("/set/<key>", data = "<body>")]
fn set(session: Session, key: &str, body: String) -> Answer {
    Ok(Reply(probe::set(&session, key, body)?))
}

#[post("/add/<key>")]
async fn add(session: Session, key: &str) -> Answer {
    Ok(Reply(probe::add(&session, key).await?))
}

#[post("/remove/<key>")]
fn remove(session: Session, key: &str) -> Reply {
    Reply(probe::remove(&session, key))
}

#[post("/clear")]
fn clear(session: Session) -> Reply {
    Reply(probe::clear(&session))
}

#[post("/login/<owner>")]
fn login(session: Session, owner: &str, uri: &Origin<'_>, agent: UserAgent<'_>) -> Answer {
    let remember = Remember::in_query(query(uri));
    Ok(Reply(probe::login(&session, owner, remember, agent.0)?))
}

#[post("/logout")]
fn logout(session: Session) -> Reply {
    Reply(probe::logout(&session))
}

#[post("/renew")]
fn renew(session: Session) -> Reply {
    Reply(probe::renew(&session))
}

#[get("/info")]
fn info(session: Session) -> Reply {
    Reply(probe::info(&session))
}

#[get("/sessions")]
async fn list(session: Session, sessions: Sessions) -> Answer {
    Ok(Reply(probe::list(&session, &sessions).await?))
}

#[post("/revoke/<handle>")]
async fn revoke(session: Session, sessions: Sessions, handle: &str) -> Answer {
    Ok(Reply(probe::revoke(&session, &sessions, handle).await?))
}

#[post("/revoke-others")]
async fn revoke_others(session: Session, sessions: Sessions) -> Answer {
    Ok(Reply(probe::revoke_others(&session, &sessions).await?))
}

#[post("/revoke-all")]
async fn revoke_all(session: Session, sessions: Sessions) -> Answer {
    Ok(Reply(probe::revoke_all(&session, &sessions).await?))
}

#[post("/slow/<key>", data = "<body>")]
async fn slow(session: Session, gate: &State<Gate>, key: &str, uri: &Origin<'_>, body: String) -> Answer {
    Ok(Reply(probe::slow(&session, gate, key, query(uri), body).await?))
}

#[get("/fail/<status>")]
fn fail(session: Session, status: u16, uri: &Origin<'_>) -> Answer {
    Ok(Reply(probe::fail(&session, status, query(uri))?))
}

#[get("/cached/<key>")]
fn cached(session: Session, key: &str) -> Result<Public, SessionError> {
    Ok(Public {
        reply: Reply(probe::set(&session, key, "cached".to_owned())?),
        cache: Header::new("Cache-Control", "public, max-age=60"),
        vary: Header::new("Vary", "Accept-Language"),
    })
}

#[get("/csrf")]
fn csrf(token: CsrfToken) -> Reply {
    Reply(probe::csrf(&token))
}

/// As [`probe::Note`], in Rocket's way, which is strict only if told so.
#[derive(rocket::FromForm)]
struct Note<'r> {
    text: &'r str,
}

#[post("/csrf/form", data = "<form>")]
fn csrf_form(session: Session, form: CsrfForm<Strict<Note<'_>>>) -> Answer {
    Ok(Reply(probe::note(&session, form.0.text.to_owned())?))
}

#[post("/csrf/header", data = "<body>")]
fn csrf_header(session: Session, _genuine: CsrfHeader, body: String) -> Answer {
    Ok(Reply(probe::note(&session, body)?))
}

#[post("/flash/<text>")]
fn leave_flash(flashes: Flashes, text: &str) -> Answer {
    Ok(Reply(probe::leave_flash(&flashes, text)?))
}

#[get("/flash")]
fn show_flashes(flashes: Flashes) -> Answer {
    Ok(Reply(probe::show_flashes(&flashes)?))
}

#[get("/typed")]
fn tally(tally: Value<Tally>) -> Reply {
    Reply(probe::tally(&tally))
}

#[post("/typed/<n>")]
fn add_to_tally(mut tally: Value<Tally>, n: u64) -> Answer {
    Ok(Reply(probe::add_to_tally(&mut tally, n)?))
}

#[get("/stream")]
fn stream(session: Session) -> TextStream![String] {
    TextStream! {
        let mut part = 0;
        while let Some(text) = probe::stream_part(&session, part).await {
            yield text;
            part += 1;
        }
    }
}

/// In place of Rocket's pages: a status and its phrase.
#[catch(default)]
fn phrase(status: Status, _request: &Request<'_>) -> &'static str {
    status.reason_lossy()
}

fn query<'a>(uri: &'a Origin<'_>) -> Option<&'a str> {
    uri.query().map(|query| query.as_str())
}

struct Reply(probe::Reply);

impl<'r> Responder<'r, 'static> for Reply {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Response::build()
            .status(Status::new(self.0.status))
            .header(ContentType::JSON)
            .sized_body(self.0.body.len(), Cursor::new(self.0.body))
            .ok()
    }
}

#[derive(rocket::Responder)]
struct Public {
    reply: Reply,
    cache: Header<'static>,
    vary: Header<'static>,
}

struct UserAgent<'r>(Option<&'r str>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for UserAgent<'r> {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self(request.headers().get_one("user-agent")))
    }
}
