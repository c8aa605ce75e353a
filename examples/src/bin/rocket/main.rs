//! Keepsake on Rocket: `cargo run -p examples --bin rocket`. The routes, and handlers that hand over to the shop.

mod forms;

use std::net::SocketAddr;
use std::pin::pin;

use adapter_rocket::{CsrfForm, CsrfToken, Engine, Session, SessionFairing, Sessions, Value};
use anyhow::Context;
use clap::Parser;
use examples::accounts::{self, Accounts};
use examples::assets::{Asset, SCRIPT, STYLE};
use examples::devices::{self, Devices};
use examples::facts::Facts;
use examples::live::{self, Live};
use examples::note::Note;
use examples::options::Opened;
use examples::server::{self, GRACE};
use examples::shop::Cart;
use examples::{Failure, Options, pages, shop};
use futures_util::{SinkExt, StreamExt};
use maud::Markup;
use rocket::config::Shutdown;
use rocket::data::Limits;
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;
use rocket::http::{ContentType, Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::{self, Redirect, Responder};
use rocket::{Build, Config, Either, Request, Response, Rocket, State, catch, catchers, get, post, routes};
use rocket_ws::stream::DuplexStream;
use rocket_ws::{Channel, Message, WebSocket};

use forms::{Button, Choice, Device, Gift, Quantity, RoleChange, SignIn};

#[rocket::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.log();
    let Opened { engine, kept, accounts } = options.open().await?;
    let announce = AdHoc::on_liftoff("announce", |rocket| {
        Box::pin(async {
            // Rocket itself listens for signals a moment later only.
            let (stopped, shutdown) = (server::stopped(), rocket.shutdown());
            tokio::spawn(async {
                stopped.await;
                shutdown.notify();
            });
            let config = rocket.config();
            server::announce(SocketAddr::new(config.address, config.port));
        })
    });
    match app(options.listen, engine, accounts).attach(announce).launch().await {
        Ok(_stopped) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Shutdown(..)) => server::out_of_time(),
        Err(error) => return Err(error).context(server::cannot_listen(options.listen)),
    }
    Ok(server::close(&kept).await?)
}

fn app(listen: SocketAddr, engine: Engine, accounts: Accounts) -> Rocket<Build> {
    let config = Config {
        address: listen.ip(),
        port: listen.port(),
        limits: Limits::default().limit("form", examples::forms::LIMIT.into()),
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
        list_devices,
        end_device,
        end_other_devices,
        end_all_devices,
        staff,
        change_role,
        this_session,
        style,
        script,
    ];
    rocket::custom(config)
        .mount("/", routes)
        .manage(accounts)
        .register("/", catchers![explain])
        .attach(SessionFairing::from_engine(engine))
        // After the session's, whose answer to a failed commit no catcher sees.
        .attach(AdHoc::on_response("explain", |request, response| {
            Box::pin(explain_bare(request, response))
        }))
}

#[get("/")]
fn home(session: Session, token: CsrfToken) -> Answer<Markup> {
    let visits = shop::visit(&session)?;
    Ok(pages::home(&shop::visitor(&session)?, visits, &token))
}

#[get("/cart")]
fn cart(session: Session) -> Answer<Markup> {
    let basket = shop::basket(&session)?;
    Ok(pages::cart(&shop::visitor(&session)?, basket.as_ref(), None))
}

#[post("/cart/add", data = "<form>")]
fn add(session: Session, mut cart: Value<Cart>, form: CsrfForm<Choice<'_>>) -> Answer<Redirect> {
    shop::add(&session, &mut cart, form.0.product)?;
    Ok(Redirect::to("/"))
}

#[post("/cart/change", data = "<form>")]
fn change(mut cart: Value<Cart>, form: CsrfForm<Quantity<'_>>) -> Answer<Redirect> {
    shop::change(&mut cart, form.0.product, form.0.quantity)?;
    Ok(Redirect::to("/cart"))
}

#[post("/cart/remove", data = "<form>")]
fn remove(session: Session, mut cart: Value<Cart>, form: CsrfForm<Choice<'_>>) -> Answer<Redirect> {
    shop::remove(&session, &mut cart, form.0.product)?;
    Ok(Redirect::to("/cart"))
}

#[post("/cart/empty", data = "<_genuine>")]
fn empty(session: Session, _genuine: CsrfForm<Button>) -> Redirect {
    shop::empty(&session);
    Redirect::to("/cart")
}

#[post("/cart/note", data = "<form>")]
fn write_note(session: Session, form: CsrfForm<Gift<'_>>) -> Answer<Either<(Status, Markup), Redirect>> {
    let note = match Note::new(form.0.note) {
        Ok(note) => note,
        Err(refused) => {
            let basket = shop::basket(&session)?.map(|basket| basket.with_note(form.0.note.to_owned()));
            let page = pages::cart(&shop::visitor(&session)?, basket.as_ref(), Some(refused));
            return Ok(Either::Left((Status::UnprocessableEntity, page)));
        }
    };
    shop::write_note(&session, note)?;
    Ok(Either::Right(Redirect::to("/cart")))
}

#[get("/cart/live")]
fn open_live(upgrade: WebSocket, _origin: OwnOrigin, session: Session) -> Channel<'static> {
    let live = Live::new(session.into_inner());
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
fn sign_in_form(session: Session, token: CsrfToken) -> Answer<Markup> {
    Ok(pages::sign_in(&shop::visitor(&session)?, &token, None))
}

#[post("/sign-in", data = "<form>")]
async fn sign_in(
    session: Session,
    token: CsrfToken,
    accounts: &State<Accounts>,
    user_agent: UserAgent<'_>,
    form: CsrfForm<SignIn>,
) -> Answer<Either<(Status, Markup), Redirect>> {
    let form = examples::forms::SignIn::from(form.0);
    let owner = match form.owner() {
        Ok(owner) => owner,
        Err(reason) => {
            let page = pages::sign_in(&shop::visitor(&session)?, &token, Some(reason));
            return Ok(Either::Left((Status::UnprocessableEntity, page)));
        }
    };
    let path = accounts.sign_in(&session, &owner, form.stay(), user_agent.0).await?;
    Ok(Either::Right(Redirect::to(path)))
}

#[post("/sign-out", data = "<_genuine>")]
fn sign_out(session: Session, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    accounts::sign_out(&session)?;
    Ok(Redirect::to("/"))
}

#[get("/devices")]
async fn list_devices(session: Session, sessions: Sessions, token: CsrfToken) -> Answer<Markup> {
    let devices = Devices::list(&session, &sessions).await?;
    Ok(pages::devices(&shop::visitor(&session)?, &devices, &token))
}

#[post("/devices/end", data = "<form>")]
async fn end_device(session: Session, sessions: Sessions, form: CsrfForm<Device<'_>>) -> Answer<Redirect> {
    devices::end(&session, &sessions, form.0.handle).await?;
    Ok(Redirect::to("/devices"))
}

#[post("/devices/end-others", data = "<_genuine>")]
async fn end_other_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_others(&session, &sessions).await?;
    Ok(Redirect::to("/devices"))
}

#[post("/devices/end-all", data = "<_genuine>")]
async fn end_all_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_all(&session, &sessions).await?;
    Ok(Redirect::to("/"))
}

#[get("/staff")]
fn staff(session: Session, token: CsrfToken, accounts: &State<Accounts>) -> Answer<Markup> {
    let members = accounts.list(&session)?;
    Ok(pages::staff(&shop::visitor(&session)?, &members, &token))
}

#[post("/staff/role", data = "<form>")]
async fn change_role(
    session: Session,
    sessions: Sessions,
    accounts: &State<Accounts>,
    form: CsrfForm<RoleChange<'_>>,
) -> Answer<Redirect> {
    accounts
        .change_role(&session, &sessions, form.0.member, form.0.role.into())
        .await?;
    Ok(Redirect::to("/staff"))
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
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self.0.leads_to() {
            Some(path) => Redirect::to(path).respond_to(request),
            None => Err(Status::new(self.0.report())),
        }
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
        let Opened { engine, kept, accounts } = options.open().await.unwrap();
        let client = Client::untracked(app(options.listen, engine, accounts)).await.unwrap();
        let first = client.get("/").dispatch().await;
        let cookie = first.headers().get_one("Set-Cookie").unwrap().to_owned();

        kept.close().await.unwrap();
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
