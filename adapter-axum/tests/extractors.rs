//! What each extractor answers, and the layer around a service that is not axum's.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

use std::convert::Infallible;

use adapter_axum::{
    MemoryStore, OptionalSession, Session, SessionConfig, SessionError, SessionLayer, Sessions, SignedIn, SigningKeys,
};
use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, SET_COOKIE, VARY};
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
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
        .layer(layer.clone())
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
    let app: Router = Router::new().route("/", get(async |_: Session| "unreachable"));
    assert_eq!(ask(&app, "/", None).await.0.status(), StatusCode::INTERNAL_SERVER_ERROR);
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
