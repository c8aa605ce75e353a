//! Keepsake on axum: `cargo run -p examples --bin axum`. The routes, and handlers that hand over to the shop.

use std::pin::pin;

use adapter_axum::{CsrfForm, CsrfToken, Engine, Session, SessionLayer, Sessions, Value};
use anyhow::Context;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.log();
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| server::cannot_listen(options.listen))?;
    let Opened { engine, kept, accounts } = options.open().await?;
    let stopped = server::stopped();
    server::announce(listener.local_addr()?);

    let serving = axum::serve(listener, app(engine, accounts)).with_graceful_shutdown(stopped);
    tokio::select! {
        served = serving => served?,
        () = grace_is_over() => server::out_of_time(),
    }
    Ok(server::close(&kept).await?)
}

/// axum waits for requests that are under way, but knows no limit.
async fn grace_is_over() {
    server::stopped().await;
    tokio::time::sleep(GRACE).await;
}

fn app(engine: Engine, accounts: Accounts) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/cart", get(cart))
        .route("/cart/add", post(add))
        .route("/cart/change", post(change))
        .route("/cart/remove", post(remove))
        .route("/cart/empty", post(empty))
        .route("/cart/note", post(write_note))
        .route("/cart/live", get(open_live))
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/devices", get(list_devices))
        .route("/devices/end", post(end_device))
        .route("/devices/end-others", post(end_other_devices))
        .route("/devices/end-all", post(end_all_devices))
        .route("/staff", get(staff))
        .route("/staff/role", post(change_role))
        .route("/session", get(this_session))
        .route("/style.css", get(|| async { file(STYLE) }))
        .route("/cart.js", get(|| async { file(SCRIPT) }))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(accounts)
        .layer(DefaultBodyLimit::max(forms::LIMIT))
        .layer(SessionLayer::from_engine(engine))
        // Outside the session layer, so that it also sees what that answers when a commit fails.
        .layer(map_response(explain))
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
    Ok(Redirect::to("/"))
}

async fn change(mut cart: Value<Cart>, CsrfForm(form): CsrfForm<Quantity>) -> Answer<Redirect> {
    shop::change(&mut cart, &form.product, form.quantity)?;
    Ok(Redirect::to("/cart"))
}

async fn remove(session: Session, mut cart: Value<Cart>, CsrfForm(form): CsrfForm<Choice>) -> Answer<Redirect> {
    shop::remove(&session, &mut cart, &form.product)?;
    Ok(Redirect::to("/cart"))
}

async fn empty(session: Session, _genuine: CsrfForm<Button>) -> Redirect {
    shop::empty(&session);
    Redirect::to("/cart")
}

async fn write_note(session: Session, CsrfForm(form): CsrfForm<Gift>) -> Answer<Response> {
    let note = match Note::new(&form.note) {
        Ok(note) => note,
        Err(refused) => {
            let basket = shop::basket(&session)?.map(|basket| basket.with_note(form.note));
            let page = pages::cart(&shop::visitor(&session)?, basket.as_ref(), Some(refused));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    shop::write_note(&session, note)?;
    Ok(Redirect::to("/cart").into_response())
}

async fn open_live(upgrade: WebSocketUpgrade, session: Session, headers: HeaderMap) -> Answer<Response> {
    live::check_origin(text(&headers, header::ORIGIN), text(&headers, header::HOST))?;
    let live = Live::new(session.into_inner());
    Ok(upgrade
        .max_message_size(live::LARGEST_MESSAGE)
        .max_frame_size(live::LARGEST_MESSAGE)
        .on_upgrade(|socket| converse(socket, live)))
}

async fn converse(mut socket: WebSocket, live: Live) {
    let mut watch = pin!(live.watch());
    loop {
        let reply = tokio::select! {
            biased; // so that it watches from the start
            reply = &mut watch => reply,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(note))) => live.hear(&note).await,
                // axum answers pings by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                // Closed, broken, too large, or not text.
                _ => return,
            },
        };
        if socket.send(Message::text(reply.to_json())).await.is_err() {
            return;
        }
        if reply.is_last() {
            let _ = socket.send(Message::Close(None)).await;
            return;
        }
    }
}

async fn sign_in_form(session: Session, token: CsrfToken) -> Answer<Markup> {
    Ok(pages::sign_in(&shop::visitor(&session)?, &token, None))
}

async fn sign_in(
    session: Session,
    token: CsrfToken,
    State(accounts): State<Accounts>,
    headers: HeaderMap,
    CsrfForm(form): CsrfForm<SignIn>,
) -> Answer<Response> {
    let owner = match form.owner() {
        Ok(owner) => owner,
        Err(reason) => {
            let page = pages::sign_in(&shop::visitor(&session)?, &token, Some(reason));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let user_agent = text(&headers, header::USER_AGENT);
    let path = accounts.sign_in(&session, &owner, form.stay(), user_agent).await?;
    Ok(Redirect::to(&path).into_response())
}

async fn sign_out(session: Session, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    accounts::sign_out(&session)?;
    Ok(Redirect::to("/"))
}

async fn list_devices(session: Session, sessions: Sessions, token: CsrfToken) -> Answer<Markup> {
    let devices = Devices::list(&session, &sessions).await?;
    Ok(pages::devices(&shop::visitor(&session)?, &devices, &token))
}

async fn end_device(session: Session, sessions: Sessions, CsrfForm(form): CsrfForm<Device>) -> Answer<Redirect> {
    devices::end(&session, &sessions, &form.handle).await?;
    Ok(Redirect::to("/devices"))
}

async fn end_other_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_others(&session, &sessions).await?;
    Ok(Redirect::to("/devices"))
}

async fn end_all_devices(session: Session, sessions: Sessions, _genuine: CsrfForm<Button>) -> Answer<Redirect> {
    devices::end_all(&session, &sessions).await?;
    Ok(Redirect::to("/"))
}

async fn staff(session: Session, token: CsrfToken, State(accounts): State<Accounts>) -> Answer<Markup> {
    let members = accounts.list(&session)?;
    Ok(pages::staff(&shop::visitor(&session)?, &members, &token))
}

async fn change_role(
    session: Session,
    sessions: Sessions,
    State(accounts): State<Accounts>,
    CsrfForm(form): CsrfForm<RoleChange>,
) -> Answer<Redirect> {
    accounts
        .change_role(&session, &sessions, &form.member, form.role)
        .await?;
    Ok(Redirect::to("/staff"))
}

async fn this_session(session: Session) -> Answer<Markup> {
    let facts = Facts::gather(&session)?;
    Ok(pages::session(&shop::visitor(&session)?, facts.as_ref()))
}

/// The same for everybody. It asks for no session, so it varies by no cookie and any cache may keep it.
fn file(asset: Asset) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, Asset::CACHE_CONTROL),
    ];
    (headers, asset.body)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

type Answer<T> = Result<T, Problem>;

/// A failure as axum wants it; [`explain`] adds the page.
struct Problem(Failure);

impl<E: Into<Failure>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(path) = self.0.leads_to() {
            return Redirect::to(path).into_response();
        }
        StatusCode::from_u16(self.0.report())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response()
    }
}

/// Puts a page for people in place of every bare error: ours, an extractor's, the router's, or the session layer's.
async fn explain(response: Response) -> Response {
    let status = response.status();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let explained = response.headers().get(header::CONTENT_TYPE) == Some(&html);
    if explained || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, html);
    let page = pages::problem(status.as_u16()).into_string();
    Response::from_parts(head, page.into())
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn home(app: &Router, cookie: Option<&HeaderValue>) -> Response {
        let mut request = Request::get("/");
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    }

    async fn is_explained(answer: Response) {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("Back in a moment"));
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_explained_and_signs_nobody_out() {
        let data = tempfile::tempdir().unwrap();
        let options = Options::parse_from(["axum".as_ref(), "--data".as_ref(), data.path().as_os_str()]);
        let Opened { engine, kept, accounts } = options.open().await.unwrap();
        let app = app(engine, accounts);
        let cookie = home(&app, None).await.headers()[header::SET_COOKIE].clone();

        kept.close().await.unwrap();
        is_explained(home(&app, Some(&cookie)).await).await; // what the extractor answers: it cannot load
        is_explained(home(&app, None).await).await; // what the layer answers: it cannot commit
    }
}
