//! What each extractor answers, and the layer around a service that is not axum's.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

use std::convert::Infallible;

use adapter_axum::SessionAdmin;
use adapter_axum::{
    CSRF_FIELD, CSRF_HEADER, CsrfForm, CsrfHeader, CsrfToken, Extract, FlashLevel, Flashes, FromSession, Key,
    MemoryStore, OptionalSession, Session, SessionConfig, SessionError, SessionLayer, SessionValue, Sessions, SignedIn,
    SigningKeys, Value,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE, VARY};
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use session_core::AdminAccess;
use tower::{Layer, Service, ServiceExt, service_fn};

fn layer() -> SessionLayer {
    SessionLayer::with_config(
        MemoryStore::new(),
        SigningKeys::generate().unwrap(),
        SessionConfig::default(),
    )
}

fn app(layer: &SessionLayer) -> Router {
    Router::new()
        .route(
            "/login",
            get(async |session: Session| session.login("alice").map_err(SessionError::from)),
        )
        .route(
            "/account",
            get(async |SignedIn { owner, .. }: SignedIn| owner.to_string()),
        )
        .route(
            "/maybe",
            get(async |session: Option<Session>| session.is_some().to_string()),
        )
        .route(
            "/optional",
            get(async |OptionalSession(session): OptionalSession| session.is_some().to_string()),
        )
        .route(
            "/count",
            get(async |signed_in: SignedIn, sessions: Sessions| {
                let count = sessions.count(&signed_in.owner).await?;
                Ok::<_, SessionError>(count.to_string())
            }),
        )
        .merge(made_of_a_session())
        .layer(DefaultBodyLimit::max(1000))
        .layer(layer.clone())
}

#[derive(Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<u32>,
}

impl SessionValue for Cart {
    const KEY: Key<Self> = Key::new("cart");
}

#[derive(Deserialize)]
struct Order {
    article: u32,
}

/// A type of the application's own.
struct Greeting(&'static str);

impl FromSession for Greeting {
    fn from_session(session: session_core::Session) -> Result<Self, session_core::Error> {
        let known = session.owner().is_some();
        Ok(Self(if known { "welcome back" } else { "hello" }))
    }
}

fn made_of_a_session() -> Router {
    Router::new()
        .route("/greeting", get(async |greeting: Extract<Greeting>| greeting.0.0))
        .route("/form", get(async |token: CsrfToken| token.to_string()))
        .route(
            "/order",
            post(
                async |mut cart: Value<Cart>, flashes: Flashes, CsrfForm(Order { article }): CsrfForm<Order>| {
                    flashes.add(FlashLevel::Success, format!("ordered {article}"))?;
                    let cart = cart.update(move |cart| {
                        let mut items = cart.unwrap_or_default().items;
                        items.push(article);
                        Cart { items }
                    })?;
                    Ok::<_, SessionError>(cart.items.len().to_string())
                },
            ),
        )
        .route(
            "/empty",
            post(async |mut cart: Value<Cart>, _genuine: CsrfHeader| {
                cart.remove().map_or(0, |cart| cart.items.len()).to_string()
            }),
        )
        .route(
            "/news",
            get(async |flashes: Flashes| {
                let shown = flashes.take()?;
                let lines: Vec<_> = shown.iter().map(|flash| format!("{} {flash}", flash.level)).collect();
                Ok::<_, SessionError>(lines.join("\n"))
            }),
        )
        .route(
            "/damage",
            get(async |session: Session| session.insert("cart", 9_u8).map_err(SessionError::from)),
        )
        .route("/cart", get(async |_cart: Value<Cart>| "never reached"))
}

fn form(path: &str, cookie: Option<&str>, body: String) -> Request<Body> {
    Request::post(path)
        .header(COOKIE, cookie.unwrap_or_default())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap()
}

/// A browser's cookie, and a token that its session has given out.
async fn with_token(app: &Router) -> (Option<String>, String) {
    let (response, cookie) = ask(app, "/form", None).await;
    (cookie, body(response).await)
}

async fn ask(app: &Router, path: &str, cookie: Option<&str>) -> (Response<Body>, Option<String>) {
    let mut request = Request::builder().uri(path);
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let set = response.headers().get(SET_COOKIE).map(|value| value.to_str().unwrap());
    let pair = set.and_then(|set| set.split(';').next()).map(str::to_owned);
    (response, pair)
}

async fn body(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn signed_in_turns_strangers_away_with_401() {
    let app = app(&layer());
    let (response, set) = ask(&app, "/account", None).await;
    assert_eq!((response.status(), set), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(
        response.headers()[VARY],
        "Cookie",
        "another visitor gets another answer"
    );
}

#[tokio::test]
async fn signed_in_names_the_owner() {
    let app = app(&layer());
    let (_, cookie) = ask(&app, "/login", None).await;
    assert_eq!(body(ask(&app, "/account", cookie.as_deref()).await.0).await, "alice");
}

#[tokio::test]
async fn an_optional_session_is_none_for_a_new_visitor() {
    let app = app(&layer());
    let (_, cookie) = ask(&app, "/login", None).await;
    for path in ["/maybe", "/optional"] {
        assert_eq!(body(ask(&app, path, None).await.0).await, "false");
        assert_eq!(body(ask(&app, path, cookie.as_deref()).await.0).await, "true");
    }
}

#[tokio::test]
async fn the_registry_is_an_extractor() {
    let app = app(&layer());
    ask(&app, "/login", None).await;
    let (_, cookie) = ask(&app, "/login", None).await;
    assert_eq!(body(ask(&app, "/count", cookie.as_deref()).await.0).await, "2");
}

#[tokio::test]
async fn a_route_without_the_layer_answers_500() {
    let admin = SessionAdmin::new(|_: &session_core::Session| AdminAccess::Granted);
    let app = made_of_a_session()
        .route("/", get(async |_: Session| "unreachable"))
        .nest_service("/admin", admin);
    for path in [
        "/",
        "/form",
        "/news",
        "/cart",
        "/greeting",
        "/admin",
        "/admin/stats.json",
    ] {
        let status = ask(&app, path, None).await.0.status();
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    let response = app.oneshot(form("/order", None, "article=1".to_owned())).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_form_with_a_token_reaches_its_handler_and_leaves_a_value_and_a_message() {
    let app = app(&layer());
    let (cookie, token) = with_token(&app).await;
    for expected in ["1", "2"] {
        let order = form("/order", cookie.as_deref(), format!("article=7&{CSRF_FIELD}={token}"));
        assert_eq!(body(app.clone().oneshot(order).await.unwrap()).await, expected);
    }
    let news = body(ask(&app, "/news", cookie.as_deref()).await.0).await;
    assert_eq!(news, "success ordered 7\nsuccess ordered 7");
    assert_eq!(body(ask(&app, "/news", cookie.as_deref()).await.0).await, "");
}

#[tokio::test]
async fn a_form_is_refused_by_what_is_wrong_with_it() {
    let app = app(&layer());
    let (cookie, token) = with_token(&app).await;
    for (body, status) in [
        ("article=7".to_owned(), StatusCode::FORBIDDEN),
        ("nonsense".to_owned(), StatusCode::FORBIDDEN),
        (format!("{CSRF_FIELD}={token}"), StatusCode::UNPROCESSABLE_ENTITY),
        (
            format!("{CSRF_FIELD}={token}&article=x"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            format!("{CSRF_FIELD}={token}&{}", "x".repeat(1000)),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let order = form("/order", cookie.as_deref(), body.clone());
        assert_eq!(app.clone().oneshot(order).await.unwrap().status(), status, "{body}");
    }
    assert_eq!(
        body(ask(&app, "/news", cookie.as_deref()).await.0).await,
        "",
        "no handler ran"
    );
}

#[tokio::test]
async fn a_header_with_a_token_reaches_its_handler() {
    let app = app(&layer());
    let (cookie, token) = with_token(&app).await;
    let empty = |token: &str| {
        Request::post("/empty")
            .header(COOKIE, cookie.as_deref().unwrap())
            .header(CSRF_HEADER, token)
            .body(Body::empty())
            .unwrap()
    };
    let order = form("/order", cookie.as_deref(), format!("article=7&{CSRF_FIELD}={token}"));
    app.clone().oneshot(order).await.unwrap();
    let refused = app.clone().oneshot(empty("forged")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(body(app.clone().oneshot(empty(&token)).await.unwrap()).await, "1");
    assert_eq!(body(app.clone().oneshot(empty(&token)).await.unwrap()).await, "0");
}

#[tokio::test]
async fn a_damaged_value_is_an_error_and_no_default() {
    let app = app(&layer());
    let (_, cookie) = ask(&app, "/damage", None).await;
    let (response, _) = ask(&app, "/cart", cookie.as_deref()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_type_of_the_application_s_own_is_made_of_the_session() {
    let app = app(&layer());
    assert_eq!(body(ask(&app, "/greeting", None).await.0).await, "hello");
    let (_, cookie) = ask(&app, "/login", None).await;
    let (response, _) = ask(&app, "/greeting", cookie.as_deref()).await;
    assert_eq!(body(response).await, "welcome back");
}

#[tokio::test]
async fn any_tower_service_gets_sessions() {
    let inner = service_fn(async |request: Request<()>| {
        let (mut parts, ()) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, &())
            .await
            .expect("the layer is there");
        let visits = session
            .update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)
            .expect("a number");
        Ok::<_, Infallible>(Response::new(visits.to_string()))
    });
    let mut service = layer().layer(inner);
    let first = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    let cookie = first.headers()[SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let again = Request::builder().header(COOKIE, cookie).body(()).unwrap();
    let second = service.ready().await.unwrap().call(again).await.unwrap();
    assert_eq!((first.body().as_str(), second.body().as_str()), ("1", "2"));
}

#[tokio::test]
async fn a_logout_holds_even_if_the_service_fails_without_a_response() {
    let layer = layer();
    let (_, cookie) = ask(&app(&layer), "/login", None).await;
    let cookie = cookie.unwrap();
    let inner = service_fn(async |request: Request<()>| {
        let (mut parts, ()) = request.into_parts();
        Session::from_request_parts(&mut parts, &())
            .await
            .expect("the layer is there")
            .logout();
        Err::<Response<String>, _>("timed out")
    });
    let request = Request::builder().header(COOKIE, &cookie).body(()).unwrap();
    assert_eq!(layer.layer(inner).oneshot(request).await.unwrap_err(), "timed out");
    let (response, _) = ask(&app(&layer), "/account", Some(&cookie)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn debug_of_a_response_shows_no_token() {
    let (response, cookie) = ask(&app(&layer()), "/login", None).await;
    let token = cookie.unwrap().split('=').nth(1).unwrap().to_owned();
    assert!(!format!("{response:?}").contains(&token));
}
