//! What each extractor answers, over TCP, and the middleware in places where only actix has them: workers, scopes, other middlewares'
//! errors, handlers that are not `Send`.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

mod server;

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorForbidden, ErrorInternalServerError};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use adapter_actix::{
    CSRF_FIELD, CSRF_HEADER, CsrfForm, CsrfHeader, CsrfToken, Engine, Extract, FlashLevel, Flashes, FromSession, Key,
    MemoryStore, OptionalSession, Session, SessionAdmin, SessionConfig, SessionError, SessionMiddleware, SessionValue,
    Sessions, SignedIn, SigningKeys, Store, Value,
};
use serde::{Deserialize, Serialize};
use session_core::AdminAccess;
use session_core::conformance::http::client::{Browser, Response, send};
use session_core::conformance::store::FaultyStore;

struct Site {
    running: server::Running,
    faults: Arc<FaultyStore>,
    engine: Engine,
}

impl Site {
    /// On two workers, the usual routes and those of the test.
    async fn new(routes: fn(&mut ServiceConfig)) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let faults = Arc::new(FaultyStore::new(store));
        let config = SessionConfig::builder().danger().insecure_cookies().build().unwrap();
        let keys = SigningKeys::generate().unwrap();
        let engine = Engine::builder(faults.clone(), keys).config(config).build();
        let sessions = SessionMiddleware::from_engine(engine.clone());
        let running = server::serve(move |listener| {
            let app = move || App::new().configure(usual).configure(routes).wrap(sessions.clone());
            Ok(HttpServer::new(app)
                .workers(2)
                .disable_signals()
                .listen(listener)?
                .run())
        });
        Self {
            running: running.await,
            faults,
            engine,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.running.addr, self.engine.config().cookie_name())
    }

    async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        assert_eq!(browser.get("/login").await.status, 200);
        browser
    }
}

fn usual(config: &mut ServiceConfig) {
    config
        .route("/login", web::get().to(login))
        .route("/account", web::get().to(account))
        .route("/maybe", web::get().to(maybe))
        .route("/count", web::get().to(count));
}

fn no_more(_: &mut ServiceConfig) {}

async fn login(session: Session) -> Result<&'static str, SessionError> {
    session.login("alice")?;
    Ok("hello")
}

async fn account(SignedIn { owner, .. }: SignedIn) -> String {
    owner.to_string()
}

async fn maybe(OptionalSession(session): OptionalSession) -> String {
    session.is_some().to_string()
}

async fn count(SignedIn { owner, .. }: SignedIn, sessions: Sessions) -> Result<String, SessionError> {
    Ok(sessions.count(&owner).await?.to_string())
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

async fn order(
    mut cart: Value<Cart>,
    flashes: Flashes,
    CsrfForm(Order { article }): CsrfForm<Order>,
) -> Result<String, SessionError> {
    flashes.add(FlashLevel::Success, format!("ordered {article}"))?;
    let cart = cart.update(move |cart| {
        let mut items = cart.unwrap_or_default().items;
        items.push(article);
        Cart { items }
    })?;
    Ok(cart.items.len().to_string())
}

async fn empty(mut cart: Value<Cart>, _genuine: CsrfHeader) -> String {
    cart.remove().map_or(0, |cart| cart.items.len()).to_string()
}

async fn news(flashes: Flashes) -> Result<String, SessionError> {
    let shown = flashes.take()?;
    let lines: Vec<_> = shown.iter().map(|flash| format!("{} {flash}", flash.level)).collect();
    Ok(lines.join("\n"))
}

async fn damage(session: Session) -> Result<&'static str, SessionError> {
    session.insert("cart", 9_u8)?;
    Ok("damaged")
}

fn made_of_a_session(config: &mut ServiceConfig) {
    config
        .app_data(PayloadConfig::new(1000))
        .route(
            "/greeting",
            web::get().to(async |greeting: Extract<Greeting>| greeting.0.0),
        )
        .route("/form", web::get().to(async |token: CsrfToken| token.to_string()))
        .route("/order", web::post().to(order))
        .route("/empty", web::post().to(empty))
        .route("/news", web::get().to(news))
        .route("/damage", web::get().to(damage))
        .route("/cart", web::get().to(async |_cart: Value<Cart>| "never reached"));
}

/// A browser, and a token that its session has given out.
async fn with_token(site: &Site) -> (Browser, String) {
    let mut browser = site.browser();
    let token = browser.get("/form").await.body;
    (browser, token)
}

async fn send_form(browser: &mut Browser, path: &str, body: &str) -> Response {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    browser.request("POST", path, &[form], body).await
}

fn visit(session: &Session) -> Result<u32, SessionError> {
    Ok(session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?)
}

#[tokio::test]
async fn signed_in_turns_strangers_away_with_401() {
    let site = Site::new(no_more).await;
    let response = site.browser().get("/account").await;
    assert_eq!((response.status, response.body.as_str()), (401, "sign in first"));
    assert!(response.all("set-cookie").is_empty());
    assert!(response.varies_by_cookie(), "another visitor gets another answer");
}

#[tokio::test]
async fn signed_in_names_the_owner() {
    let site = Site::new(no_more).await;
    assert_eq!(site.signed_in().await.get("/account").await.body, "alice");
}

#[tokio::test]
async fn an_optional_session_is_none_for_a_new_visitor() {
    let site = Site::new(no_more).await;
    assert_eq!(site.browser().get("/maybe").await.body, "false");
    assert_eq!(site.signed_in().await.get("/maybe").await.body, "true");
}

#[tokio::test]
async fn a_store_that_is_down_is_none_of_an_optional_session_s_answers() {
    let site = Site::new(no_more).await;
    let mut browser = site.signed_in().await;
    site.faults.go_down();
    for path in ["/maybe", "/account", "/count"] {
        let response = browser.get(path).await;
        assert_eq!((response.status, response.body.as_str()), (503, "Service Unavailable"));
    }
}

#[tokio::test]
async fn the_registry_is_an_extractor() {
    let site = Site::new(no_more).await;
    site.signed_in().await;
    assert_eq!(site.signed_in().await.get("/count").await.body, "2");
}

#[tokio::test]
async fn a_route_without_the_middleware_answers_500() {
    let running = server::serve(|listener| {
        let admin = || SessionAdmin::new(|_: &session_core::Session| AdminAccess::Granted);
        let app = move || {
            App::new()
                .configure(usual)
                .configure(made_of_a_session)
                .service(web::scope("/admin").service(admin()))
        };
        let server = HttpServer::new(app).workers(1);
        Ok(server.disable_signals().listen(listener)?.run())
    });
    let running = running.await;
    for path in [
        "/login",
        "/account",
        "/maybe",
        "/count",
        "/form",
        "/news",
        "/cart",
        "/greeting",
        "/order",
        "/empty",
        "/admin",
        "/admin/stats.json",
    ] {
        let method = if matches!(path, "/order" | "/empty") {
            "POST"
        } else {
            "GET"
        };
        let response = send(running.addr, method, path, &[], "").await;
        let expected = (500, "Internal Server Error");
        assert_eq!((response.status, response.body.as_str()), expected, "{path}");
    }
}

#[tokio::test]
async fn a_form_with_a_token_reaches_its_handler_and_leaves_a_value_and_a_message() {
    let site = Site::new(made_of_a_session).await;
    let (mut browser, token) = with_token(&site).await;
    for expected in ["1", "2"] {
        let body = format!("article=7&{CSRF_FIELD}={token}");
        assert_eq!(send_form(&mut browser, "/order", &body).await.body, expected);
    }
    let news = browser.get("/news").await.body;
    assert_eq!(news, "success ordered 7\nsuccess ordered 7");
    assert_eq!(browser.get("/news").await.body, "");
}

#[tokio::test]
async fn a_form_is_refused_by_what_is_wrong_with_it() {
    let site = Site::new(made_of_a_session).await;
    let (mut browser, token) = with_token(&site).await;
    for (body, status) in [
        ("article=7".to_owned(), 403),
        ("nonsense".to_owned(), 403),
        (format!("{CSRF_FIELD}={token}"), 422),
        (format!("{CSRF_FIELD}={token}&article=x"), 422),
        (format!("{CSRF_FIELD}={token}&{}", "x".repeat(1000)), 413),
    ] {
        assert_eq!(send_form(&mut browser, "/order", &body).await.status, status, "{body}");
    }
    assert_eq!(browser.get("/news").await.body, "", "no handler ran");
}

#[tokio::test]
async fn a_header_with_a_token_reaches_its_handler() {
    let site = Site::new(made_of_a_session).await;
    let (mut browser, token) = with_token(&site).await;
    send_form(&mut browser, "/order", &format!("article=7&{CSRF_FIELD}={token}")).await;
    let refused = browser.request("POST", "/empty", &[(CSRF_HEADER, "forged")], "").await;
    assert_eq!((refused.status, refused.body.as_str()), (403, "Forbidden"));
    for expected in ["1", "0"] {
        let response = browser.request("POST", "/empty", &[(CSRF_HEADER, &token)], "").await;
        assert_eq!(response.body, expected);
    }
}

#[tokio::test]
async fn a_damaged_value_is_an_error_and_no_default() {
    let site = Site::new(made_of_a_session).await;
    let mut browser = site.browser();
    browser.get("/damage").await;
    assert_eq!(browser.get("/cart").await.status, 500);
}

#[tokio::test]
async fn a_type_of_the_application_s_own_is_made_of_the_session() {
    let site = Site::new(made_of_a_session).await;
    assert_eq!(site.browser().get("/greeting").await.body, "hello");
    assert_eq!(site.signed_in().await.get("/greeting").await.body, "welcome back");
}

#[tokio::test]
async fn workers_share_one_store() {
    let site = Site::new(|config| {
        config.route(
            "/visit",
            web::get().to(async |session: Session| {
                let worker = std::thread::current().id();
                Ok::<_, SessionError>(format!("{} {worker:?}", visit(&session)?))
            }),
        );
    });
    let site = site.await;
    let mut browser = site.browser();
    let mut workers = HashSet::new();
    for expected in 1..=8 {
        let response = browser.get("/visit").await;
        let (visits, worker) = response.body.split_once(' ').unwrap();
        assert_eq!(visits, expected.to_string());
        workers.insert(worker.to_owned());
    }
    assert_eq!(workers.len(), 2, "connections go to the workers in turn");
}

#[tokio::test]
async fn a_handler_need_not_be_send() {
    let site = Site::new(|config| {
        config.route(
            "/local",
            web::get().to(async |session: Session| {
                let local = Rc::new(Cell::new(visit(&session)?));
                session.save().await?;
                local.set(local.get() + visit(&session)?);
                Ok::<_, SessionError>(local.get().to_string())
            }),
        );
    });
    assert_eq!(site.await.browser().get("/local").await.body, "3");
}

#[tokio::test]
async fn a_commit_that_fails_replaces_the_response() {
    let site = Site::new(no_more).await;
    site.faults.refuse_writes();
    let response = site.browser().get("/login").await;
    assert_eq!((response.status, response.body.as_str()), (503, "Service Unavailable"));
    assert!(response.all("set-cookie").is_empty() && response.varies_by_cookie());
}

/// A middleware that uses the session and then refuses: its error meets ours before it is a response.
async fn refuse(
    session: Session,
    request: ServiceRequest,
    _next: Next<impl MessageBody>,
) -> Result<ServiceResponse<&'static str>, actix_web::Error> {
    visit(&session)?;
    match request.path() {
        "/refused/403" => Err(ErrorForbidden("not you")),
        _ => Err(ErrorInternalServerError("it broke")),
    }
}

fn refused(config: &mut ServiceConfig) {
    let visits = async |session: Session| {
        let visits = session.get::<u32>("visits")?.unwrap_or(0);
        Ok::<_, SessionError>(visits.to_string())
    };
    config.route("/visits", web::get().to(visits)).service(
        web::scope("/refused")
            .default_service(web::to(HttpResponse::Ok))
            .wrap(from_fn(refuse)),
    );
}

#[tokio::test]
async fn a_middleware_s_client_error_keeps_what_it_changed() {
    let site = Site::new(refused).await;
    let mut browser = site.browser();
    let response = browser.get("/refused/403").await;
    assert_eq!((response.status, response.body.as_str()), (403, "not you"));
    assert!(response.varies_by_cookie());
    assert_eq!(response.all("content-type"), ["text/plain; charset=utf-8"]);
    assert_eq!(response.all("cache-control"), ["private"]);
    assert_eq!(response.all("set-cookie").len(), 1);
    assert_eq!(browser.get("/visits").await.body, "1");
}

#[tokio::test]
async fn a_middleware_s_server_error_drops_what_it_changed() {
    let site = Site::new(refused).await;
    let mut browser = site.browser();
    let response = browser.get("/refused/500").await;
    assert_eq!((response.status, response.body.as_str()), (500, "it broke"));
    assert!(response.all("set-cookie").is_empty() && response.varies_by_cookie());
    assert_eq!(browser.get("/visits").await.body, "0");
}

#[tokio::test]
async fn a_commit_that_fails_replaces_a_middleware_s_error() {
    let site = Site::new(refused).await;
    site.faults.refuse_writes();
    let response = site.browser().get("/refused/403").await;
    assert_eq!((response.status, response.body.as_str()), (503, "Service Unavailable"));
    assert!(response.all("set-cookie").is_empty() && response.varies_by_cookie());
}

#[tokio::test]
async fn a_middleware_that_shows_the_session_to_a_handler_shares_it() {
    async fn first(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
        let mut request = request;
        visit(&request.extract::<Session>().await?)?;
        next.call(request).await
    }
    let site = Site::new(|config| {
        // The handler keeps its request, as handlers do: routing must have ended by then.
        let both = async |_request: HttpRequest, session: Session| Ok::<_, SessionError>(visit(&session)?.to_string());
        config.service(
            web::scope("/twice")
                .route("/{any}", web::get().to(both))
                .wrap(from_fn(first)),
        );
    });
    let site = site.await;
    let response = site.browser().get("/twice/here").await;
    assert_eq!(response.body, "2");
    assert_eq!(response.all("set-cookie").len(), 1);
}
