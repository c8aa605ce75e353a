//! Keepsake on Rocket: `cargo run -p examples --bin rocket`. The routes, and handlers that hand over to the shop.

use std::net::SocketAddr;
use std::pin::pin;

use adapter_rocket::{Engine, Session, SessionFairing};
use anyhow::Context;
use clap::Parser;
use examples::assets::{Asset, SCRIPT, STYLE};
use examples::facts::Facts;
use examples::live::{self, Live};
use examples::note::Note;
use examples::server::{self, GRACE};
use examples::{Failure, Options, forms, label, pages, shop};
use futures_util::{SinkExt, StreamExt};
use maud::Markup;
use rocket::config::Shutdown;
use rocket::data::Limits;
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::form::{Form, FromForm};
use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::{self, Redirect, Responder};
use rocket::{Build, Config, Either, Request, Response, Rocket, catch, catchers, get, post, routes};
use rocket_ws::stream::DuplexStream;
use rocket_ws::{Channel, Message, WebSocket};

#[rocket::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.log();
    let (engine, store) = options.open()?;
    let announce = AdHoc::on_liftoff("announce", |rocket| {
        Box::pin(async {
            let config = rocket.config();
            server::announce(SocketAddr::new(config.address, config.port));
        })
    });
    match app(options.listen, engine).attach(announce).launch().await {
        Ok(_stopped) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Shutdown(..)) => server::out_of_time(),
        Err(error) => return Err(error).context(server::cannot_listen(options.listen)),
    }
    Ok(server::close(&store).await?)
}

fn app(listen: SocketAddr, engine: Engine) -> Rocket<Build> {
    let config = Config {
        address: listen.ip(),
        port: listen.port(),
        limits: Limits::default().limit("form", forms::LIMIT.into()),
        // Rocket itself stops on Ctrl-C and on what a service manager sends.
        shutdown: Shutdown {
            grace: GRACE.as_secs() as u32,
            mercy: 1,
            ..Shutdown::default()
        },
        ..Config::release_default()
    };
    let routes = routes![
        home,
        cart,
        add,
        change,
        remove,
        empty,
        write_note,
        open_live,
        sign_in_form,
        sign_in,
        sign_out,
        this_session,
        style,
        script,
    ];
    rocket::custom(config)
        .mount("/", routes)
        .register("/", catchers![explain])
        .attach(SessionFairing::from_engine(engine))
        // After the session's, whose answer to a failed commit no catcher sees.
        .attach(AdHoc::on_response("explain", |request, response| {
            Box::pin(explain_bare(request, response))
        }))
}

#[get("/")]
fn home(session: Session) -> Answer<Markup> {
    let visits = shop::visit(&session)?;
    Ok(pages::home(&shop::visitor(&session)?, visits))
}

#[get("/cart")]
fn cart(session: Session) -> Answer<Markup> {
    let note = shop::note(&session)?;
    Ok(pages::cart(
        &shop::visitor(&session)?,
        &shop::cart(&session)?,
        &note,
        None,
    ))
}

#[post("/cart/add", data = "<form>")]
fn add(session: Session, form: Form<Choice<'_>>) -> Answer<Redirect> {
    shop::add(&session, form.product)?;
    Ok(Redirect::to("/"))
}

#[post("/cart/change", data = "<form>")]
fn change(session: Session, form: Form<Quantity<'_>>) -> Answer<Redirect> {
    shop::change(&session, form.product, form.quantity)?;
    Ok(Redirect::to("/cart"))
}

#[post("/cart/remove", data = "<form>")]
fn remove(session: Session, form: Form<Choice<'_>>) -> Answer<Redirect> {
    shop::remove(&session, form.product)?;
    Ok(Redirect::to("/cart"))
}

#[post("/cart/empty")]
fn empty(session: Session) -> Redirect {
    shop::empty(&session);
    Redirect::to("/cart")
}

#[post("/cart/note", data = "<form>")]
fn write_note(session: Session, form: Form<Gift<'_>>) -> Answer<Either<(Status, Markup), Redirect>> {
    let note = match Note::new(form.note) {
        Ok(note) => note,
        Err(refused) => {
            let cart = shop::cart(&session)?;
            let page = pages::cart(&shop::visitor(&session)?, &cart, form.note, Some(refused));
            return Ok(Either::Left((Status::UnprocessableEntity, page)));
        }
    };
    shop::write_note(&session, note)?;
    Ok(Either::Right(Redirect::to("/cart")))
}

#[get("/cart/live")]
fn open_live(upgrade: WebSocket, _origin: OwnOrigin, session: Session) -> Channel<'static> {
    let live = Live::new(session.into_inner(), live::CHECK_EVERY);
    let config = rocket_ws::Config {
        max_message_size: Some(live::LARGEST_MESSAGE),
        max_frame_size: Some(live::LARGEST_MESSAGE),
        ..rocket_ws::Config::default()
    };
    upgrade
        .config(config)
        .channel(move |socket| Box::pin(converse(socket, live)))
}

async fn converse(mut socket: DuplexStream, live: Live) -> rocket_ws::result::Result<()> {
    let mut watch = pin!(live.watch());
    loop {
        let reply = tokio::select! {
            biased; // so that it watches from the start
            reply = &mut watch => reply,
            message = socket.next() => match message {
                Some(Ok(Message::Text(note))) => live.hear(&note).await,
                // Answered already: tungstenite does that.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                // Closed, broken, too large, or not text.
                _ => return Ok(()),
            },
        };
        socket.send(Message::text(reply.to_json())).await?;
        if reply.is_last() {
            return socket.close(None).await;
        }
    }
}

#[get("/sign-in")]
fn sign_in_form(session: Session) -> Answer<Either<Redirect, Markup>> {
    if session.owner().is_some() {
        return Ok(Either::Left(Redirect::to("/session")));
    }
    Ok(Either::Right(pages::sign_in(&shop::visitor(&session)?, None)))
}

#[post("/sign-in", data = "<form>")]
fn sign_in(
    session: Session,
    user_agent: UserAgent<'_>,
    form: Form<SignIn>,
) -> Answer<Either<(Status, Markup), Redirect>> {
    let form = forms::SignIn::from(form.into_inner());
    let owner = match form.owner() {
        Ok(owner) => owner,
        Err(reason) => {
            let page = pages::sign_in(&shop::visitor(&session)?, Some(reason));
            return Ok(Either::Left((Status::UnprocessableEntity, page)));
        }
    };
    let label = label::of_user_agent(user_agent.0);
    shop::sign_in(&session, &owner, form.stay(), &label)?;
    Ok(Either::Right(Redirect::to("/")))
}

#[post("/sign-out")]
fn sign_out(session: Session) -> Answer<Redirect> {
    shop::sign_out(&session)?;
    Ok(Redirect::to("/"))
}

#[get("/session")]
fn this_session(session: Session) -> Answer<Markup> {
    let facts = Facts::gather(&session)?;
    Ok(pages::session(&shop::visitor(&session)?, facts.as_ref()))
}

#[get("/style.css")]
fn style() -> File {
    File(STYLE)
}

#[get("/cart.js")]
fn script() -> File {
    File(SCRIPT)
}

/// The same for everybody. It asks for no session, so it varies by no cookie and any cache may keep it.
struct File(Asset);

impl<'r> Responder<'r, 'static> for File {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Response::build_from(self.0.body.respond_to(request)?)
            .header(Header::new("Content-Type", self.0.content_type))
            .header(Header::new("Cache-Control", Asset::CACHE_CONTROL))
            .ok()
    }
}

// What `examples::forms` says, once more: Rocket reads forms by a trait of its own.

#[derive(FromForm)]
struct Choice<'r> {
    product: &'r str,
}

#[derive(FromForm)]
struct Quantity<'r> {
    product: &'r str,
    quantity: u32,
}

#[derive(FromForm)]
struct Gift<'r> {
    note: &'r str,
}

#[derive(FromForm)]
struct SignIn {
    name: String,
    remember: Option<String>,
}

impl From<SignIn> for forms::SignIn {
    fn from(SignIn { name, remember }: SignIn) -> Self {
        Self { name, remember }
    }
}

struct UserAgent<'r>(Option<&'r str>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for UserAgent<'r> {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self(request.headers().get_one("User-Agent")))
    }
}

/// That a page of this shop asks.
struct OwnOrigin;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for OwnOrigin {
    type Error = Failure;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Failure> {
        let headers = request.headers();
        match live::check_origin(headers.get_one("Origin"), headers.get_one("Host")) {
            Ok(()) => Outcome::Success(Self),
            Err(failure) => Outcome::Error((Status::new(failure.report()), failure)),
        }
    }
}

type Answer<T> = Result<T, Problem>;

/// A failure as Rocket wants it; [`explain`] adds the page.
struct Problem(Failure);

impl<E: Into<Failure>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<'r> Responder<'r, 'static> for Problem {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Err(Status::new(self.0.report()))
    }
}

/// A page for people in place of every bare error: ours, a guard's, or the router's.
#[catch(default)]
fn explain(status: Status, _request: &Request<'_>) -> (Status, Markup) {
    (status, pages::problem(status.code))
}

/// The same for what the session's fairing answers.
async fn explain_bare<'r>(request: &'r Request<'_>, response: &mut Response<'r>) {
    let status = response.status();
    let explained = response.content_type() == Some(ContentType::HTML);
    if explained || status.code < 400 {
        return;
    }
    if let Ok(page) = pages::problem(status.code).respond_to(request) {
        response.merge(Response::build_from(page).status(status).finalize());
    }
}

#[cfg(test)]
mod tests {
    use rocket::local::asynchronous::Client;

    use super::*;

    #[rocket::async_test]
    async fn a_store_that_is_down_is_explained_and_signs_nobody_out() {
        let data = tempfile::tempdir().unwrap();
        let options = Options::parse_from(["rocket".as_ref(), "--data".as_ref(), data.path().as_os_str()]);
        let (engine, store) = options.open().unwrap();
        let client = Client::untracked(app(options.listen, engine)).await.unwrap();
        let first = client.get("/").dispatch().await;
        let cookie = first.headers().get_one("Set-Cookie").unwrap().to_owned();

        store.close().await.unwrap();
        let returning = client.get("/").header(Header::new("Cookie", cookie)); // the guard answers: it cannot load
        let new = client.get("/"); // the fairing answers: it cannot commit
        for request in [returning, new] {
            let answer = request.dispatch().await;
            assert_eq!(answer.status(), Status::ServiceUnavailable);
            assert_eq!(answer.headers().get_one("Set-Cookie"), None);
            assert!(answer.into_string().await.unwrap().contains("Back in a moment"));
        }
    }
}
