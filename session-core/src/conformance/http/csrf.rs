//! Which requests show that a page of their session sent them: P3, P7, P10, P13, P17, P18.

use serde_json::Value::Null;

use super::client::{Browser, Response};
use super::site::World;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

async fn token(browser: &mut Browser) -> String {
    let answer = browser.get("/csrf").await.json();
    answer["token"]
        .as_str()
        .expect("GET /csrf answers with a token")
        .to_owned()
}

async fn by_form(browser: &mut Browser, token: &str, text: &str) -> Response {
    let body = format!("csrf_token={token}&text={text}");
    browser.request("POST", "/csrf/form", &[FORM], &body).await
}

async fn by_header(browser: &mut Browser, token: &str, text: &str) -> Response {
    let headers = [("X-CSRF-Token", token)];
    browser.request("POST", "/csrf/header", &headers, text).await
}

/// Refused both ways, and nothing that the handler would have done is done.
async fn is_refused(browser: &mut Browser, token: &str, why: &str) {
    let before = browser.get("/get/note").await.value();
    for response in [
        by_form(browser, token, "forged").await,
        by_header(browser, token, "forged").await,
    ] {
        assert_eq!(response.status, 403, "{why}");
        assert!(
            response.all("set-cookie").is_empty() && response.varies_by_cookie(),
            "{why}"
        );
    }
    assert_eq!(
        browser.get("/get/note").await.value(),
        before,
        "{why}: it was done all the same"
    );
}

pub(super) async fn a_token_is_accepted_in_a_form_and_in_a_header(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let token = token(&mut browser).await;
    let response = by_form(&mut browser, &token, "gr%C3%BC%C3%9Fe+%26+mehr").await;
    assert_eq!((response.status, response.value()), (200, "grüße & mehr".into()));
    let response = by_header(&mut browser, &token, "header").await;
    assert_eq!((response.status, response.value()), (200, "header".into()));
    assert_eq!(browser.get("/get/note").await.value(), "header");
}

pub(super) async fn tokens_of_one_session_differ_and_all_are_good(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let tokens = [token(&mut browser).await, token(&mut browser).await];
    assert_ne!(tokens[0], tokens[1], "a token is masked anew for every page");
    for token in tokens {
        assert_eq!(by_form(&mut browser, &token, "x").await.status, 200);
        assert_eq!(by_header(&mut browser, &token, "x").await.status, 200);
    }
}

pub(super) async fn a_missing_token_is_refused_and_changes_nothing(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    token(&mut browser).await;
    is_refused(&mut browser, "", "an empty token").await;
    let form = browser.request("POST", "/csrf/form", &[FORM], "text=forged").await;
    let header = browser.post("/csrf/header", "forged").await;
    assert_eq!((form.status, header.status), (403, 403), "no token at all");
    assert_eq!(browser.get("/get/note").await.value(), Null);
}

pub(super) async fn a_forged_token_is_refused_and_changes_nothing(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let good = token(&mut browser).await;
    let other = |character| if character == 'A' { 'Q' } else { 'A' };
    let first = good.chars().next().map_or('A', other);
    for forged in [
        "x".to_owned(),
        "A".repeat(good.len()),
        format!("{first}{}", &good[1..]),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        good.repeat(20),
        "%FF%00".to_owned(),
    ] {
        is_refused(&mut browser, &forged, "a forged token").await;
    }
    assert_eq!(
        by_form(&mut browser, &good, "x").await.status,
        200,
        "the good one still is"
    );
}

pub(super) async fn a_token_of_another_session_is_refused_and_changes_nothing(world: World) {
    let site = world.site().await;
    let (mut victim, mut attacker) = (site.signed_in("alice").await, site.signed_in("mallory").await);
    token(&mut victim).await;
    let planted = token(&mut attacker).await;
    is_refused(&mut victim, &planted, "a token of another session").await;
}

pub(super) async fn a_token_in_the_wrong_place_is_refused_and_changes_nothing(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let token = token(&mut browser).await;
    let path = format!("/csrf/form?csrf_token={token}");
    let in_url = browser.request("POST", &path, &[FORM], "text=forged").await;
    let path = format!("/csrf/header?csrf_token={token}");
    let cookie = format!("csrf_token={token}");
    let in_cookie = browser.request("POST", &path, &[("Cookie", &cookie)], "forged").await;
    assert_eq!((in_url.status, in_cookie.status), (403, 403));
    assert_eq!(browser.get("/get/note").await.value(), Null);
}

pub(super) async fn a_token_from_before_a_renewal_is_refused(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let before = token(&mut browser).await;
    browser.post("/renew", "").await;
    is_refused(&mut browser, &before, "a token from before a renewal (P7)").await;
    let after = token(&mut browser).await;
    assert_eq!(by_form(&mut browser, &after, "x").await.status, 200);
    is_refused(&mut browser, &before, "a token from before a renewal (P7)").await;
}

pub(super) async fn a_token_from_before_a_login_is_refused(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let before = token(&mut browser).await;
    browser.post("/login/alice", "").await;
    is_refused(&mut browser, &before, "a token from before a login (P7)").await;
    let after = token(&mut browser).await;
    assert_eq!(by_header(&mut browser, &after, "x").await.status, 200);
    is_refused(&mut browser, &before, "a token from before a login (P7)").await;
}

pub(super) async fn a_refused_visitor_costs_no_store_access_and_gets_no_cookie(world: World) {
    let site = world.site().await;
    let foreign = token(&mut site.browser()).await;
    site.forget_calls();
    for token in ["", &foreign] {
        is_refused(&mut site.browser(), token, "a visitor without a session").await;
    }
    assert_eq!(site.calls().total(), 0, "a refused visitor costs nothing (P10)");
}

pub(super) async fn a_store_that_is_down_is_no_forgery(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let token = token(&mut browser).await;
    site.faults().go_down();
    assert_eq!(by_form(&mut browser, &token, "x").await.status, 503);
    assert_eq!(by_header(&mut browser, &token, "x").await.status, 503);
    site.faults().recover();
    assert_eq!(by_form(&mut browser, &token, "x").await.status, 200);
}

pub(super) async fn a_form_that_cannot_be_read_is_a_client_error_and_changes_nothing(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let token = token(&mut browser).await;
    let body = format!("csrf_token={token}&text=forged");
    for content_type in ["text/plain", "multipart/form-data; boundary=x", "application/json"] {
        let headers = [("Content-Type", content_type)];
        let response = browser.request("POST", "/csrf/form", &headers, &body).await;
        assert_eq!(response.status, 415, "{content_type}");
    }
    let body = format!("csrf_token={token}&other=x");
    let response = browser.request("POST", "/csrf/form", &[FORM], &body).await;
    assert_eq!(response.status, 422, "a form without its fields");
    assert_eq!(browser.get("/get/note").await.value(), Null);
}
