//! Keepsake on actix-web: `cargo run -p examples --bin actix`. The routes, and handlers that hand over to the shop.

use std::fmt;
use std::pin::pin;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::{ErrorHandlerResponse, ErrorHandlers};
use actix_web::web::{self, Data, PayloadConfig, Redirect};
use actix_web::{App, Either, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError, rt};
use actix_ws::AggregatedMessage;
use adapter_actix::{CsrfForm, CsrfToken, Engine, Session, SessionMiddleware, Sessions, Value};
use anyhow::Context;
use clap::Parser;
use examples::accounts::{self, Accounts};
use examples::assets::{Asset, SCRIPT, STYLE};
use examples::devices::{self, Devices};
use examples::facts::Facts;
use examples::forms::{self, Button, Choice, Device, Gift, Quantity, RoleChange, SignIn};
use examples::live::{self, Live};
use examples::note::Note;
use examples::options::Opened;
use examples::server::{self, GRACE};
use examples::shop::Cart;
use examples::{Failure, Options, pages, shop};
use maud::Markup;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.log();
    let Opened { engine, kept, accounts } = options.open().await?;
    // One engine for all workers; each has an app of its own.
    let serving = HttpServer::new(move || app(engine.clone(), accounts.clone()))
        // By itself, actix stops at once on Ctrl-C.
        .shutdown_signal(server::stopped())
        .shutdown_timeout(GRACE.as_secs())
        .bind(options.listen)
        .with_context(|| server::cannot_listen(options.listen))?;
    for address in serving.addrs() {
        server::announce(address);
    }
    serving.run().await?;
    Ok(server::close(&kept).await?)
}

fn app(
    engine: Engine,
    accounts: Accounts,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(PayloadConfig::new(forms::LIMIT))
        .app_data(Data::new(accounts))
        .service(web::resource("/").get(home))
        .service(web::resource("/cart").get(cart))
        .service(web::resource("/cart/add").post(add))
        .service(web::resource("/cart/change").post(change))
        .service(web::resource("/cart/remove").post(remove))
        .service(web::resource("/cart/empty").post(empty))
        .service(web::resource("/cart/note").post(write_note))
        .service(web::resource("/cart/live").get(open_live))
        .service(web::resource("/sign-in").get(sign_in_form).post(sign_in))
        .service(web::resource("/sign-out").post(sign_out))
        .service(web::resource("/devices").get(list_devices))
        .service(web::resource("/devices/end").post(end_device))
        .service(web::resource("/devices/end-others").post(end_other_devices))
        .service(web::resource("/devices/end-all").post(end_all_devices))
        .service(web::resource("/staff").get(staff))
        .service(web::resource("/staff/role").post(change_role))
        .service(web::resource("/session").get(this_session))
        .service(web::resource("/style.css").get(async || file(STYLE)))
        .service(web::resource("/cart.js").get(async || file(SCRIPT)))
        .wrap(SessionMiddleware::from_engine(engine))
        // The last is the outermost, so that it also sees what the session's answers when a commit fails.
        .wrap(ErrorHandlers::new().default_handler(explain))
}

async fn home(session: Session, token: CsrfToken) -> Answer<Markup> {
    let visits = shop::visit(&session)?;
    Ok(pages::home(&shop::visitor(&session)?, visits, &token))
}

async fn cart(session: Session) -> Answer<Markup> {
    let basket = shop::basket(&session)?;
    Ok(pages::cart(&shop::visitor(&session)?, basket.as_ref(), None))
}

async fn add(session: Session, mut cart: Value<Cart>, CsrfForm(form): CsrfForm<Choice>) -> Answer<Redirect> {
    shop::add(&session, &mut cart, &form.product)?;
    Ok(see_other("/"))
}

async fn change(mut cart: Value<Cart>, CsrfForm(form): CsrfForm<Quantity>) -> Answer<Redirect> {
    shop::change(&mut cart, &form.product, form.quantity)?;
    Ok(see_other("/cart"))
}

async fn remove(session: Session, mut cart: Value<Cart>, CsrfForm(form): CsrfForm<Choice>) -> Answer<Redirect> {
    shop::remove(&session, &mut cart, &form.product)?;
    Ok(see_other("/cart"))
}

async fn empty(session: Session, _genuine: CsrfForm<Button>) -> Redirect {
    shop::empty(&session);
    see_other("/cart")
}

async fn write_note(session: Session, CsrfForm(form): CsrfForm<Gift>) -> Answer<impl Responder> {
    let note = match Note::new(&form.note) {
        Ok(note) => note,
        Err(refused) => {
            let basket = shop::basket(&session)?.map(|basket| basket.with_note(form.note));
            let page = pages::cart(&shop::visitor(&session)?, basket.as_ref(), Some(refused));
            return Ok(Either::Left((page, StatusCode::UNPROCESSABLE_ENTITY)));
        }
    };
    shop::write_note(&session, note)?;
    Ok(Either::Right(see_other("/cart")))
}

async fn open_live(session: Session, request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    live::check_origin(text(&request, header::ORIGIN), text(&request, header::HOST)).map_err(Problem)?;
    let (response, answers, messages) = actix_ws::handle(&request, body)?;
    let live = Live::new(session.into_inner());
    let messages = messages
        .max_frame_size(live::LARGEST_MESSAGE)
        .aggregate_continuations()
        .max_continuation_size(live::LARGEST_MESSAGE);
    rt::spawn(converse(answers, messages, live));
    Ok(response)
}

async fn converse(mut answers: actix_ws::Session, mut messages: actix_ws::AggregatedMessageStream, live: Live) {
    let mut watch = pin!(live.watch());
    loop {
        let reply = tokio::select! {
            biased; // so that it watches from the start
            reply = &mut watch => reply,
            message = messages.recv() => match message {
                Some(Ok(AggregatedMessage::Text(note))) => live.hear(&note).await,
                Some(Ok(AggregatedMessage::Ping(bytes))) if answers.pong(&bytes).await.is_ok() => continue,
                Some(Ok(AggregatedMessage::Pong(_))) => continue,
                // Closed, broken, too large, or not text.
                _ => break,
            },
        };
        if answers.text(reply.to_json()).await.is_err() || reply.is_last() {
            break;
        }
    }
    let _ = answers.close(None).await;
}

async fn sign_in_form(session: Session, token: CsrfToken) -> Answer<Markup> {
    Ok(pages::sign_in(&shop::visitor(&session)?, &token, None))
}

async fn sign_in(
    session: Session,
    token: CsrfToken,
    accounts: Data<Accounts>,
    request: HttpRequest,
    CsrfForm(form): CsrfForm<SignIn>,
) -> Answer<impl Responder> {
    let owner = match form.owner() {
        Ok(owner) => owner,
        Err(reason) => {
            let page = pages::sign_in(&shop::visitor(&session)?, &token, Some(reason));
            return Ok(Either::Left((page, StatusCode::UNPROCESSABLE_ENTITY)));
        }
    };
    let user_agent = text(&request, header::USER_AGENT);
    let path = accounts.sign_in(&session, &owner, form.stay(), user_agent).await?;
    Ok(Either::Right(Redirect::to(path).see_other()))
}

async fn sign_out(session: Session, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    accounts::sign_out(&session)?;
    Ok(see_other("/"))
}

async fn list_devices(session: Session, sessions: Sessions, token: CsrfToken) -> Answer<Markup> {
    let devices = Devices::list(&session, &sessions).await?;
    Ok(pages::devices(&shop::visitor(&session)?, &devices, &token))
}

async fn end_device(session: Session, sessions: Sessions, CsrfForm(form): CsrfForm<Device>) -> Answer<Redirect> {
    devices::end(&session, &sessions, &form.handle).await?;
    Ok(see_other("/devices"))
}

async fn end_other_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_others(&session, &sessions).await?;
    Ok(see_other("/devices"))
}

async fn end_all_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_all(&session, &sessions).await?;
    Ok(see_other("/"))
}

async fn staff(session: Session, token: CsrfToken, accounts: Data<Accounts>) -> Answer<Markup> {
    let members = accounts.list(&session)?;
    Ok(pages::staff(&shop::visitor(&session)?, &members, &token))
}

async fn change_role(
    session: Session,
    sessions: Sessions,
    accounts: Data<Accounts>,
    CsrfForm(form): CsrfForm<RoleChange>,
) -> Answer<Redirect> {
    accounts
        .change_role(&session, &sessions, &form.member, form.role)
        .await?;
    Ok(see_other("/staff"))
}

async fn this_session(session: Session) -> Answer<Markup> {
    let facts = Facts::gather(&session)?;
    Ok(pages::session(&shop::visitor(&session)?, facts.as_ref()))
}

/// The same for everybody. It asks for no session, so it varies by no cookie and any cache may keep it.
fn file(asset: Asset) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.content_type))
        .insert_header((header::CACHE_CONTROL, Asset::CACHE_CONTROL))
        .body(asset.body)
}

fn see_other(path: &'static str) -> Redirect {
    Redirect::to(path).see_other()
}

fn text(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

type Answer<T> = Result<T, Problem>;

/// A failure as actix wants it; [`explain`] adds the page.
#[derive(Debug)]
struct Problem(Failure);

impl<E: Into<Failure>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.report()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(path) = self.0.leads_to() {
            response.insert_header((header::LOCATION, path));
        }
        response.finish()
    }
}

/// Puts a page for people in place of every bare error: ours, an extractor's, the router's, or the session middleware's.
fn explain<B>(response: ServiceResponse<B>) -> actix_web::Result<ErrorHandlerResponse<B>> {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    if response.headers().get(header::CONTENT_TYPE) == Some(&html) {
        return Ok(ErrorHandlerResponse::Response(response.map_into_left_body()));
    }
    let (request, bare) = response.into_parts();
    let page = pages::problem(bare.status().as_u16()).into_string();
    let mut explained = bare.set_body(page).map_into_boxed_body();
    explained.headers_mut().insert(header::CONTENT_TYPE, html);
    let response = ServiceResponse::new(request, explained).map_into_right_body();
    Ok(ErrorHandlerResponse::Response(response))
}

#[cfg(test)]
mod tests {
    use actix_web::test::{self, TestRequest};

    use super::*;

    #[actix_web::test]
    async fn a_store_that_is_down_is_explained_and_signs_nobody_out() {
        let data = tempfile::tempdir().unwrap();
        let options = Options::parse_from(["actix".as_ref(), "--data".as_ref(), data.path().as_os_str()]);
        let Opened { engine, kept, accounts } = options.open().await.unwrap();
        let app = test::init_service(app(engine, accounts)).await;
        let first = test::call_service(&app, TestRequest::get().to_request()).await;
        let cookie = first.headers().get(header::SET_COOKIE).unwrap().clone();

        kept.close().await.unwrap();
        let returning = TestRequest::get().insert_header((header::COOKIE, cookie)); // the extractor answers: it cannot load
        let new = TestRequest::get(); // the middleware answers: it cannot commit
        for request in [returning, new] {
            let answer = test::call_service(&app, request.to_request()).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(!answer.headers().contains_key(header::SET_COOKIE));
            let body = test::read_body(answer).await;
            assert!(String::from_utf8_lossy(&body).contains("Back in a moment"));
        }
    }
}
