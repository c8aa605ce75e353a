//! Keepsake on axum: `cargo run -p examples --bin axum`. The routes, and handlers that hand over to the shop.

use std::time::Duration;

use adapter_axum::{Engine, Session, SessionLayer};
use anyhow::Context;
use axum::Router;
use axum::extract::Form;
use axum::http::header::{self, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use clap::Parser;
use examples::facts::Facts;
use examples::forms::{Choice, Quantity, SignIn};
use examples::{Failure, Options, STYLE, label, pages, shop};
use maud::Markup;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    options.log();
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("listening on {}: choose another address with --listen", options.listen))?;
    let (engine, store) = options.open()?;
    println!("Keepsake is open at http://{}", listener.local_addr()?);

    let server = axum::serve(listener, app(engine)).with_graceful_shutdown(stopped());
    tokio::select! {
        served = server => served?,
        () = stopped_for(GRACE) => eprintln!("some requests were not done in {} s", GRACE.as_secs()),
    }
    store.close().await?;
    println!("Keepsake is closed. Open it again, and everybody is still signed in.");
    Ok(())
}

/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

fn app(engine: Engine) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/cart", get(cart))
        .route("/cart/add", post(add))
        .route("/cart/change", post(change))
        .route("/cart/remove", post(remove))
        .route("/cart/empty", post(empty))
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/session", get(this_session))
        .route("/style.css", get(style))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(SessionLayer::from_engine(engine))
        // Outside the session layer, so that it also sees what that answers when a commit fails.
        .layer(map_response(explain))
}

async fn home(session: Session) -> Answer<Markup> {
    let visits = shop::visit(&session)?;
    Ok(pages::home(&shop::visitor(&session)?, visits))
}

async fn cart(session: Session) -> Answer<Markup> {
    Ok(pages::cart(&shop::visitor(&session)?, &shop::cart(&session)?))
}

async fn add(session: Session, Form(form): Form<Choice>) -> Answer<Redirect> {
    shop::add(&session, &form.product)?;
    Ok(Redirect::to("/"))
}

async fn change(session: Session, Form(form): Form<Quantity>) -> Answer<Redirect> {
    shop::change(&session, &form.product, form.quantity)?;
    Ok(Redirect::to("/cart"))
}

async fn remove(session: Session, Form(form): Form<Choice>) -> Answer<Redirect> {
    shop::remove(&session, &form.product)?;
    Ok(Redirect::to("/cart"))
}

async fn empty(session: Session) -> Redirect {
    shop::empty(&session);
    Redirect::to("/cart")
}

async fn sign_in_form(session: Session) -> Answer<Response> {
    if session.owner().is_some() {
        return Ok(Redirect::to("/session").into_response());
    }
    Ok(pages::sign_in(&shop::visitor(&session)?, None).into_response())
}

async fn sign_in(session: Session, headers: HeaderMap, Form(form): Form<SignIn>) -> Answer<Response> {
    let owner = match form.owner() {
        Ok(owner) => owner,
        Err(reason) => {
            let page = pages::sign_in(&shop::visitor(&session)?, Some(reason));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    shop::sign_in(&session, &owner, form.stay(), &label::of_user_agent(user_agent))?;
    Ok(Redirect::to("/").into_response())
}

async fn sign_out(session: Session) -> Answer<Redirect> {
    shop::sign_out(&session)?;
    Ok(Redirect::to("/"))
}

async fn this_session(session: Session) -> Answer<Markup> {
    let facts = Facts::gather(&session)?;
    Ok(pages::session(&shop::visitor(&session)?, facts.as_ref()))
}

/// The same for everybody. It asks for no session, so it varies by no cookie and any cache may keep it.
async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=60"),
    ];
    (headers, STYLE)
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

/// Returns on Ctrl-C, or on what a service manager sends.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupt.await;
}

async fn stopped_for(grace: Duration) {
    stopped().await;
    tokio::time::sleep(grace).await;
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
        let (engine, store) = options.open().unwrap();
        let app = app(engine);
        let cookie = home(&app, None).await.headers()[header::SET_COOKIE].clone();

        store.close().await.unwrap();
        is_explained(home(&app, Some(&cookie)).await).await; // what the extractor answers: it cannot load
        is_explained(home(&app, None).await).await; // what the layer answers: it cannot commit
    }
}
