//! Requests that are overtaken: their session ends while they run, and nothing they do revives it (P6).

use serde_json::Value::Null;

use super::client::{Browser, Response};
use super::site::{IDLE, Site, World};
use crate::conformance::store::Operation;

/// Runs a slow write, ends its session meanwhile, and returns the late response.
async fn overtaken(site: &Site, browser: &Browser, end: impl AsyncFnOnce()) -> Response {
    let mut slow = browser.clone();
    let late = tokio::spawn(async move { slow.post("/slow/k", "late").await });
    site.gate.arrived(1).await;
    end().await;
    site.gate.release(1);
    late.await.expect("a request does not panic")
}

/// Checks that the late response set nothing and that the old token is dead.
async fn is_dead(site: &Site, old: &Browser, late: &Response) {
    assert!(
        late.session_cookies(site.cookie_name()).is_empty(),
        "the late response sets a cookie (P6): {late:?}"
    );
    assert_eq!(
        late.status, 409,
        "a commit that finds its session gone is no success (P13)"
    );
    let mut old = old.clone();
    assert_eq!(
        old.get("/info").await.json()["owner"],
        Null,
        "a late save revived the session (P6)"
    );
    assert_eq!(
        old.get("/get/k").await.value(),
        Null,
        "a late save revived the session (P6)"
    );
}

pub(super) async fn a_logout_during_a_slow_request_stays_logged_out(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let mut other_tab = browser.clone();
    let late = overtaken(&site, &browser, async || {
        other_tab.post("/logout", "").await;
    })
    .await;
    is_dead(&site, &browser, &late).await;
}

pub(super) async fn a_revocation_during_a_slow_request_holds(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let mut elsewhere = site.signed_in("alice").await;
    let late = overtaken(&site, &browser, async || {
        elsewhere.post("/revoke-others", "").await;
    })
    .await;
    is_dead(&site, &browser, &late).await;
}

pub(super) async fn an_expiry_during_a_slow_request_holds(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let late = overtaken(&site, &browser, async || site.clock().advance(IDLE)).await;
    is_dead(&site, &browser, &late).await;
}

pub(super) async fn a_renewal_during_a_slow_request_leaves_the_old_id_dead(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let mut renewed = browser.clone();
    let late = overtaken(&site, &browser, async || {
        renewed.post("/renew", "").await;
    })
    .await;
    is_dead(&site, &browser, &late).await;
    assert_eq!(
        renewed.get("/info").await.json()["owner"],
        "alice",
        "the renewed session lives"
    );
}

pub(super) async fn a_logout_that_a_renewal_overtakes_still_ends_the_session(world: World) {
    let site = world.site().await;
    let mut leaving = site.signed_in("alice").await;
    let mut renewing = leaving.clone();
    let held = site.faults().hold_next(Operation::Delete);
    let logout = tokio::spawn(async move { leaving.post("/logout", "").await.status });
    held.arrived().await;
    assert_eq!(renewing.post("/renew", "").await.status, 200);
    held.open();
    assert_eq!(logout.await.expect("a request does not panic"), 200);
    assert_eq!(
        renewing.get("/info").await.json()["owner"],
        Null,
        "the logout was lost to a renewal (P6)"
    );
}

pub(super) async fn a_sweep_during_a_slow_request_does_not_bring_the_session_back(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let late = overtaken(&site, &browser, async || {
        site.clock().advance(IDLE);
        let swept = site
            .engine
            .store()
            .sweep(crate::clock::Clock::now(site.clock()), 100)
            .await;
        assert_eq!(swept.map(|swept| swept.removed).ok(), Some(1));
    })
    .await;
    is_dead(&site, &browser, &late).await;
}

pub(super) async fn a_login_that_was_overtaken_by_another_stands_on_its_own(world: World) {
    let site = world.site().await;
    let mut visitor = site.browser();
    visitor.post("/set/cart", "apples").await;
    let mut twice = visitor.clone();
    visitor.post("/login/alice", "").await;
    // The second click carries the token from before the login.
    assert_eq!(twice.post("/login/alice", "").await.status, 200);
    assert_eq!(twice.get("/info").await.json()["owner"], "alice");
    assert_eq!(visitor.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn a_stream_saves_through_a_handle_kept_past_the_head(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let response = browser.get("/stream").await;
    assert_eq!(
        (response.status, response.body.as_str()),
        (200, "part 0\npart 1\nsaved\n")
    );
    assert_eq!(browser.get("/get/streamed").await.value(), "yes");
}

pub(super) async fn a_stream_cannot_start_a_session_after_the_head(world: World) {
    let site = world.site().await;
    let response = site.browser().get("/stream").await;
    assert_eq!(response.body, "part 0\npart 1\ntoo late\n");
    assert!(response.all("set-cookie").is_empty());
    assert_eq!(site.calls().create, 0, "a session was stored whose token nobody knows");
}
