//! What each guard answers, what keeps a rocket from launching, what becomes of a failed commit; all with Rocket's local client.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

use std::sync::Arc;

use adapter_rocket::{
    CSRF_FIELD, CSRF_HEADER, CsrfForm, CsrfHeader, CsrfToken, Engine, Extract, FlashLevel, Flashes, FormErrors,
    FromSession, Key, MemoryStore, OptionalSession, Session, SessionAdmin, SessionError, SessionFairing, SessionValue,
    Sessions, SignedIn, SigningKeys, Value,
};
use rocket::config::LogLevel;
use rocket::error::ErrorKind;
use rocket::figment::Figment;
use rocket::figment::providers::{Format, Toml};
use rocket::http::{ContentType, Cookie, CookieJar, Header, Status};
use rocket::local::asynchronous::{Client, LocalResponse};
use rocket::serde::{Deserialize, Serialize};
use rocket::{Build, Config, Rocket, get, post, routes};
use session_core::AdminAccess;
use session_core::conformance::store::FaultyStore;

#[get("/login")]
fn login(session: Session) -> Result<(), SessionError> {
    Ok(session.login("alice")?)
}

#[get("/logout")]
fn logout(session: Session) {
    session.logout();
}

#[get("/account")]
fn account(signed_in: SignedIn) -> String {
    signed_in.owner.to_string()
}

#[get("/greet")]
fn greet(signed_in: SignedIn) -> String {
    signed_in.owner.to_string()
}

#[get("/greet", rank = 2)]
fn greet_stranger() -> &'static str {
    "stranger"
}

#[get("/maybe")]
fn maybe(session: OptionalSession) -> String {
    session.0.is_some().to_string()
}

#[get("/count")]
async fn count(signed_in: SignedIn, sessions: Sessions) -> Result<String, SessionError> {
    Ok(sessions.count(&signed_in.owner).await?.to_string())
}

#[get("/theme")]
fn theme(session: Session, jar: &CookieJar<'_>) -> Result<&'static str, SessionError> {
    jar.add(("theme", "dark"));
    session.insert("k", "v")?;
    Ok("set")
}

#[get("/panic")]
fn panic(session: Session) -> &'static str {
    session.insert("k", "v").unwrap();
    panic!("as a handler with a bug does")
}

#[derive(Default, Serialize, Deserialize)]
#[serde(crate = "rocket::serde")]
struct Cart {
    items: Vec<u32>,
}

impl SessionValue for Cart {
    const KEY: Key<Self> = Key::new("cart");
}

#[derive(rocket::FromForm)]
struct Order<'r> {
    #[field(validate = range(1..))]
    article: u32,
    #[field(default = "none")]
    remark: &'r str,
}

/// A type of the application's own.
struct Greeting(&'static str);

impl FromSession for Greeting {
    fn from_session(session: session_core::Session) -> Result<Self, session_core::Error> {
        let known = session.owner().is_some();
        Ok(Self(if known { "welcome back" } else { "hello" }))
    }
}

#[get("/greeting")]
fn greeting(greeting: Extract<Greeting>) -> &'static str {
    greeting.0.0
}

#[get("/form")]
fn form(token: CsrfToken) -> String {
    token.to_string()
}

#[post("/order", data = "<order>")]
fn order(mut cart: Value<Cart>, flashes: Flashes, order: CsrfForm<Order<'_>>) -> Result<String, SessionError> {
    let Order { article, remark } = order.0;
    flashes.add(FlashLevel::Success, format!("ordered {article}, {remark}"))?;
    let cart = cart.update(move |cart| {
        let mut items = cart.unwrap_or_default().items;
        items.push(article);
        Cart { items }
    })?;
    Ok(cart.items.len().to_string())
}

/// Answers what Rocket would write to its log, and what was sent.
#[post("/explain", data = "<order>")]
fn explain(order: Result<CsrfForm<Order<'_>>, FormErrors<'_>>) -> String {
    order.map_or_else(
        |errors| {
            let logged = format!("{errors:?}");
            format!("{logged} | {:?}", errors.into_inner())
        },
        |_| String::new(),
    )
}

#[post("/empty")]
fn empty(mut cart: Value<Cart>, _genuine: CsrfHeader) -> String {
    cart.remove().map_or(0, |cart| cart.items.len()).to_string()
}

#[get("/news")]
fn news(flashes: Flashes) -> Result<String, SessionError> {
    let shown = flashes.take()?;
    let lines: Vec<_> = shown.iter().map(|flash| format!("{} {flash}", flash.level)).collect();
    Ok(lines.join("\n"))
}

#[get("/damage")]
fn damage(session: Session) -> Result<(), SessionError> {
    Ok(session.insert("cart", 9_u8)?)
}

#[get("/cart")]
fn cart(_cart: Value<Cart>) -> &'static str {
    "never reached"
}

async fn send_form<'c>(client: &'c Client, body: &str) -> LocalResponse<'c> {
    let form = client.post("/order").header(ContentType::Form).body(body);
    form.dispatch().await
}

fn quiet() -> Figment {
    Figment::from(Config {
        log_level: LogLevel::Off,
        ..Config::release_default()
    })
}

fn keys() -> SigningKeys {
    SigningKeys::generate().unwrap()
}

fn rocket() -> Rocket<Build> {
    rocket::custom(quiet()).mount(
        "/",
        routes![
            login,
            logout,
            account,
            greet,
            greet_stranger,
            maybe,
            count,
            theme,
            panic,
            greeting,
            form,
            order,
            explain,
            empty,
            news,
            damage,
            cart
        ],
    )
}

async fn client() -> Client {
    let sessions = SessionFairing::new(MemoryStore::new(), keys());
    Client::tracked(rocket().attach(sessions)).await.unwrap()
}

/// A client of a rocket whose store can be made to fail.
async fn faulty() -> (Arc<FaultyStore>, Client) {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = SessionFairing::from_engine(Engine::builder(store.clone(), keys()).build());
    (store, Client::tracked(rocket().attach(sessions)).await.unwrap())
}

async fn get<'c>(client: &'c Client, path: &'c str) -> LocalResponse<'c> {
    client.get(path).dispatch().await
}

async fn body(client: &Client, path: &str) -> String {
    get(client, path).await.into_string().await.unwrap()
}

#[tokio::test]
async fn signed_in_turns_strangers_away_with_401() {
    let client = client().await;
    let response = get(&client, "/account").await;
    assert_eq!(response.status(), Status::Unauthorized);
    assert_eq!(response.headers().get_one("set-cookie"), None);
    assert_eq!(
        response.headers().get_one("vary"),
        Some("Cookie"),
        "another visitor gets another answer"
    );
}

#[tokio::test]
async fn signed_in_names_the_owner() {
    let client = client().await;
    get(&client, "/login").await;
    assert_eq!(body(&client, "/account").await, "alice");
}

#[tokio::test]
async fn signed_in_forwards_strangers_to_the_next_route() {
    let client = client().await;
    assert_eq!(body(&client, "/greet").await, "stranger");
    get(&client, "/login").await;
    assert_eq!(body(&client, "/greet").await, "alice");
}

#[tokio::test]
async fn an_optional_session_is_none_for_a_new_visitor() {
    let client = client().await;
    assert_eq!(body(&client, "/maybe").await, "false");
    get(&client, "/login").await;
    assert_eq!(body(&client, "/maybe").await, "true");
    get(&client, "/logout").await;
    assert_eq!(body(&client, "/maybe").await, "false");
}

#[tokio::test]
async fn no_guard_reads_a_store_that_is_down_as_no_session() {
    let (store, client) = faulty().await;
    get(&client, "/login").await;
    store.go_down();
    for path in [
        "/maybe", "/account", "/greet", "/count", "/theme", "/form", "/news", "/cart",
    ] {
        let response = get(&client, path).await;
        assert_eq!(response.status(), Status::ServiceUnavailable, "{path}");
    }
}

#[tokio::test]
async fn the_registry_is_a_guard() {
    let client = client().await;
    // Another browser: what it sends in place of the first one's cookie is no token.
    for cookie in ["", "none"] {
        let login = client.get("/login").cookie(("__Host-session", cookie));
        assert_eq!(login.dispatch().await.status(), Status::Ok);
    }
    assert_eq!(body(&client, "/count").await, "2");
}

#[tokio::test]
async fn a_failed_commit_never_answers_success_and_sets_no_cookie() {
    let (store, client) = faulty().await;
    store.refuse_writes();
    let response = get(&client, "/theme").await;
    assert_eq!(response.status(), Status::ServiceUnavailable);
    assert_eq!(
        response.headers().get_one("set-cookie"),
        None,
        "neither ours nor the application's"
    );
    assert_eq!(response.headers().get_one("vary"), Some("Cookie"));
    assert_eq!(response.into_string().await.as_deref(), Some("Service Unavailable"));
}

#[tokio::test]
async fn the_application_s_own_cookies_stay() {
    let client = client().await;
    let response = get(&client, "/theme").await;
    let mut names: Vec<_> = response.cookies().iter().map(Cookie::name).collect();
    names.sort_unstable();
    assert_eq!(names, ["__Host-session", "theme"]);
}

#[tokio::test]
async fn a_handler_that_panics_stores_nothing() {
    let client = client().await;
    let response = get(&client, "/panic").await;
    assert_eq!(response.status(), Status::InternalServerError);
    assert_eq!(response.headers().get_one("set-cookie"), None);
}

#[tokio::test]
async fn a_cookie_header_counts_and_the_jar_of_an_untracked_client_too() {
    let sessions = SessionFairing::new(MemoryStore::new(), keys());
    let client = Client::untracked(rocket().attach(sessions)).await.unwrap();
    let cookie = get(&client, "/login")
        .await
        .cookies()
        .get("__Host-session")
        .unwrap()
        .clone();
    assert_eq!(get(&client, "/account").await.status(), Status::Unauthorized);
    let header = Header::new("Cookie", format!("a=b; {}={}", cookie.name(), cookie.value()));
    let by_header = client.get("/account").header(header).dispatch().await;
    assert_eq!(by_header.into_string().await.as_deref(), Some("alice"));
    let by_jar = client.get("/account").cookie(cookie).dispatch().await;
    assert_eq!(by_jar.into_string().await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_form_with_a_token_reaches_its_handler_and_leaves_a_value_and_a_message() {
    let client = client().await;
    let token = body(&client, "/form").await;
    for expected in ["1", "2"] {
        let order = format!("article=7&remark=n%26o+w&{CSRF_FIELD}={token}");
        let response = send_form(&client, &order).await;
        assert_eq!(response.into_string().await.as_deref(), Some(expected));
    }
    assert_eq!(
        body(&client, "/news").await,
        "success ordered 7, n&o w\nsuccess ordered 7, n&o w"
    );
    assert!(
        get(&client, "/news")
            .await
            .into_string()
            .await
            .unwrap_or_default()
            .is_empty()
    );
}

#[tokio::test]
async fn a_form_is_refused_by_what_is_wrong_with_it() {
    let client = client().await;
    let token = body(&client, "/form").await;
    for (body, status) in [
        ("article=7".to_owned(), Status::Forbidden),
        ("nonsense".to_owned(), Status::Forbidden),
        (format!("{CSRF_FIELD}={token}"), Status::UnprocessableEntity),
        (format!("{CSRF_FIELD}={token}&article=x"), Status::UnprocessableEntity),
        (format!("{CSRF_FIELD}={token}&article=0"), Status::UnprocessableEntity),
        (
            format!("{CSRF_FIELD}={token}&{}", "x".repeat(33_000)),
            Status::PayloadTooLarge,
        ),
    ] {
        assert_eq!(send_form(&client, &body).await.status(), status, "{body}");
    }
    let text = client
        .post("/order")
        .header(ContentType::Text)
        .body(format!("{CSRF_FIELD}={token}"));
    assert_eq!(text.dispatch().await.status(), Status::UnsupportedMediaType);
    let news = get(&client, "/news").await.into_string().await;
    assert!(news.unwrap_or_default().is_empty(), "no handler ran");
}

#[tokio::test]
async fn what_rocket_logs_of_a_refused_form_names_fields_and_no_values() {
    let client = client().await;
    let token = body(&client, "/form").await;
    let form = format!("{CSRF_FIELD}={token}&article=s3cret");
    let explained = client
        .post("/explain")
        .header(ContentType::Form)
        .body(form)
        .dispatch()
        .await;
    let explained = explained.into_string().await.unwrap();
    let (logged, sent) = explained.split_once(" | ").unwrap();
    assert!(
        logged.contains("article") && logged.contains("invalid digit"),
        "{logged}"
    );
    assert!(!logged.contains("s3cret"), "{logged}");
    assert!(sent.contains("s3cret"), "{sent}");
}

#[tokio::test]
async fn a_header_with_a_token_reaches_its_handler() {
    let client = client().await;
    let token = body(&client, "/form").await;
    send_form(&client, &format!("article=7&{CSRF_FIELD}={token}")).await;
    let empty = |token: &str| client.post("/empty").header(Header::new(CSRF_HEADER, token.to_owned()));
    assert_eq!(empty("forged").dispatch().await.status(), Status::Forbidden);
    assert_eq!(client.post("/empty").dispatch().await.status(), Status::Forbidden);
    for expected in ["1", "0"] {
        let response = empty(&token).dispatch().await;
        assert_eq!(response.into_string().await.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_damaged_value_is_an_error_and_no_default() {
    let client = client().await;
    get(&client, "/damage").await;
    assert_eq!(get(&client, "/cart").await.status(), Status::InternalServerError);
}

#[tokio::test]
async fn a_type_of_the_application_s_own_is_made_of_the_session() {
    let client = client().await;
    assert_eq!(body(&client, "/greeting").await, "hello");
    get(&client, "/login").await;
    assert_eq!(body(&client, "/greeting").await, "welcome back");
}

#[tokio::test]
async fn a_request_that_was_cloned_has_a_session_of_its_own() {
    let client = client().await;
    let request = client.get("/theme");
    for _ in 0..2 {
        let response = request.clone().dispatch().await;
        assert!(response.headers().get_one("set-cookie").is_some());
    }
}

#[tokio::test]
async fn the_store_is_let_go_with_the_rocket() {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::builder(store.clone(), keys()).build();
    let client = Client::tracked(rocket().attach(SessionFairing::from_engine(engine)))
        .await
        .unwrap();
    get(&client, "/login").await;
    drop(client.terminate().await);
    assert_eq!(Arc::strong_count(&store), 1);
}

#[post("/only-a-form", data = "<_order>")]
fn only_a_form(_order: CsrfForm<Order<'_>>) {}

#[post("/only-a-header")]
fn only_a_header(_genuine: CsrfHeader) {}

#[tokio::test]
async fn a_guard_without_the_fairing_keeps_the_rocket_from_launching() {
    for routes in [
        routes![login],
        routes![account],
        routes![maybe],
        routes![count],
        routes![greeting],
        routes![form],
        routes![order],
        routes![empty],
        routes![news],
        routes![cart],
        routes![only_a_form],
        routes![only_a_header],
    ] {
        let error = rocket::custom(quiet()).mount("/", routes).ignite().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{error}");
    }
}

#[tokio::test]
async fn the_administration_without_the_fairing_answers_500() {
    let admin = SessionAdmin::new(|_: &session_core::Session| AdminAccess::Granted);
    let client = Client::untracked(rocket::custom(quiet()).mount("/admin", admin))
        .await
        .unwrap();
    for path in ["/admin", "/admin/", "/admin/stats.json"] {
        assert_eq!(get(&client, path).await.status(), Status::InternalServerError, "{path}");
    }
}

#[tokio::test]
async fn the_configuration_is_read_from_the_table_session() {
    let file = r#"
        [default.session]
        cookie_name = "__Host-shop"
        idle = 3600
        absolute = 86400

        [debug.session]
        cookie_name = "shop"
        danger = { insecure_cookies = true }
    "#;
    let figment = quiet().merge(Toml::string(file).nested()).select("debug");
    let sessions = SessionFairing::from_figment(MemoryStore::new(), keys());
    let client = Client::tracked(rocket().configure(figment).attach(sessions))
        .await
        .unwrap();
    let response = get(&client, "/login").await;
    let set = response.headers().get_one("set-cookie").unwrap();
    assert!(set.starts_with("shop=") && !set.contains("Secure"), "{set}");
    drop(response);
    assert_eq!(body(&client, "/account").await, "alice");
}

#[tokio::test]
async fn without_a_table_the_configuration_is_the_default() {
    let sessions = SessionFairing::from_figment(MemoryStore::new(), keys());
    let client = Client::tracked(rocket().attach(sessions)).await.unwrap();
    assert!(get(&client, "/login").await.cookies().get("__Host-session").is_some());
}

#[tokio::test]
async fn a_wrong_setting_keeps_the_rocket_from_launching() {
    for wrong in [
        quiet().merge(("session.idle", 0)),
        quiet().merge(("session.idle", "soon")),
        quiet().merge(("session.cookie_name", "a b")),
        quiet().merge(("session.idel", 60)),
        quiet().merge(("session", 60)),
    ] {
        let sessions = SessionFairing::from_figment(MemoryStore::new(), keys());
        let error = rocket().configure(wrong).attach(sessions).ignite().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::FailedFairings(_)), "{error}");
    }
}
