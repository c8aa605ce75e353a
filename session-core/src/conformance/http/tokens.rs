//! Which tokens are accepted: P1, P3, P4.

use super::client::send;
use super::site::{World, key};
use crate::cookie::SigningKeys;

const STRANGE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Sends `token` and checks that nothing is loaded, accepted or set.
async fn is_rejected_without_store_access(world: World, make: impl FnOnce(&str) -> String) {
    let site = world.site().await;
    let mut known = site.browser();
    known.post("/set/k", "v").await;
    let mut forger = site.browser().with_token(make(known.token()));
    site.forget_calls();
    let response = forger.get("/get/k").await;
    assert_eq!(
        (response.status, response.value()),
        (200, serde_json::Value::Null),
        "a rejected token opens nothing"
    );
    assert_eq!(
        site.calls().total(),
        0,
        "a token that fails its MAC costs no store access (P3)"
    );
    assert!(
        response.all("set-cookie").is_empty(),
        "a rejected token is no reason to set a cookie"
    );
}

pub(super) async fn a_token_is_64_characters_of_base64url(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let token = browser.token();
    assert_eq!(
        token.len(),
        64,
        "24 bytes of id and 24 of MAC make 64 characters (P1): {token}"
    );
    assert!(
        token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'),
        "{token}"
    );
}

pub(super) async fn every_session_gets_a_token_of_its_own(world: World) {
    let site = world.site().await;
    let mut tokens = std::collections::HashSet::new();
    for _ in 0..20 {
        let mut browser = site.browser();
        browser.post("/set/k", "v").await;
        assert!(
            tokens.insert(browser.token().to_owned()),
            "two visitors were given one token"
        );
    }
}

pub(super) async fn a_forged_token_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |_| STRANGE.to_owned()).await;
}

pub(super) async fn a_tampered_token_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |token| {
        let (first, rest) = token.split_at(1);
        format!("{}{rest}", if first == "A" { "B" } else { "A" })
    })
    .await;
}

pub(super) async fn a_tampered_mac_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |token| {
        let (rest, last) = token.split_at(63);
        format!("{rest}{}", if last == "A" { "B" } else { "A" })
    })
    .await;
}

pub(super) async fn a_truncated_token_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |token| token[..63].to_owned()).await;
}

pub(super) async fn a_lengthened_token_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |token| format!("{token}A")).await;
}

pub(super) async fn a_very_long_cookie_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |token| token.repeat(100)).await;
}

pub(super) async fn a_token_of_foreign_bytes_costs_no_store_access(world: World) {
    is_rejected_without_store_access(world, |_| "%00\"'<é>/../".repeat(6)).await;
}

pub(super) async fn a_token_under_an_unknown_key_costs_no_store_access(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let other = site.redeployed(SigningKeys::new(key(9))).await;
    other.forget_calls();
    let mut stranger = other.browser().with_token(browser.token());
    assert_eq!(stranger.get("/get/k").await.value(), serde_json::Value::Null);
    assert_eq!(
        other.calls().total(),
        0,
        "a token that fails its MAC costs no store access (P3)"
    );
}

pub(super) async fn an_id_that_was_never_stored_is_not_adopted(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let planted = browser.token().to_owned();
    browser.post("/logout", "").await;
    let mut victim = site.browser().with_token(&planted);
    victim.post("/set/k", "mine").await;
    assert_ne!(
        victim.token(),
        planted,
        "a session was stored under an id that the client brought (P3)"
    );
    let mut attacker = site.browser().with_token(&planted);
    assert_eq!(attacker.get("/get/k").await.value(), serde_json::Value::Null);
}

pub(super) async fn the_first_valid_cookie_of_several_counts(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let name = site.cookie_name();
    let tossed = format!("{name}=junk; {name}={STRANGE}; other=1; {name}={}", browser.token());
    let response = send(site.addr(), "GET", "/get/k", &[("Cookie", &tossed)], "").await;
    assert_eq!(response.value(), "v", "a tossed cookie hides the real one");
}

pub(super) async fn cookies_in_several_headers_are_all_seen(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let (first, second) = (
        "other=1".to_owned(),
        format!("{}={}", site.cookie_name(), browser.token()),
    );
    let response = send(
        site.addr(),
        "GET",
        "/get/k",
        &[("Cookie", &first), ("Cookie", &second)],
        "",
    )
    .await;
    assert_eq!(response.value(), "v");
}

pub(super) async fn at_most_four_cookies_of_our_name_are_tried(world: World) {
    let site = world.site().await;
    let mut headers = Vec::new();
    for _ in 0..6 {
        let mut browser = site.browser();
        browser.post("/set/k", "v").await;
        headers.push(format!("{}={}", site.cookie_name(), browser.token()));
        browser.post("/logout", "").await;
    }
    site.forget_calls();
    let response = send(site.addr(), "GET", "/get/k", &[("Cookie", &headers.join("; "))], "").await;
    assert_eq!(response.value(), serde_json::Value::Null);
    let loads = site.calls().load;
    assert!(
        loads <= 4,
        "{loads} loads for one request: a flood of cookies must stay bounded (P3)"
    );
}

pub(super) async fn a_token_under_an_old_key_is_accepted_and_issued_again(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let old = browser.token().to_owned();
    let rotated = site.redeployed(SigningKeys::new(key(2)).and_verify(key(1))).await;
    let mut moved = rotated.browser().with_token(&old);
    let response = moved.get("/info").await;
    assert_eq!(
        response.json()["owner"],
        "alice",
        "a key rotation logged somebody out (P4)"
    );
    assert_ne!(
        moved.token(),
        old,
        "the token is issued again under the signing key (P4)"
    );
    let later = rotated.redeployed(SigningKeys::new(key(2))).await;
    let mut after = later.browser().with_token(moved.token());
    let response = after.get("/info").await;
    assert_eq!(
        response.json()["owner"],
        "alice",
        "the new token does not verify under the new key alone"
    );
    assert!(
        response.all("set-cookie").is_empty(),
        "a token under the signing key is not issued again"
    );
    drop(browser.get("/plain").await);
}
