//! When the store fails, and when the handler does: P13.

use serde_json::Value::Null;

use super::site::World;

pub(super) async fn a_store_that_is_down_before_the_load_is_an_error(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.faults().go_down();
    let response = browser.get("/info").await;
    assert_eq!(
        response.status, 503,
        "a store that is down is never \"no session\" (P13)"
    );
    assert!(response.varies_by_cookie(), "the error depends on the cookie (P14)");
    assert!(response.all("set-cookie").is_empty());
    site.faults().recover();
    assert_eq!(
        browser.get("/info").await.json()["owner"],
        "alice",
        "the session is there when the store is back"
    );
}

pub(super) async fn a_commit_that_fails_never_answers_success_and_sets_no_cookie(world: World) {
    let site = world.site().await;
    let visitor = site.browser();
    let owner = site.signed_in("alice").await;
    for (path, browser) in [
        ("/set/k", &visitor),
        ("/login/bob", &visitor),
        ("/set/k", &owner),
        ("/renew", &owner),
        ("/logout", &owner),
        ("/add/n", &owner),
        ("/revoke-all", &owner),
    ] {
        let mut browser = browser.clone();
        site.faults().refuse_writes();
        let response = browser.post(path, "v").await;
        site.faults().recover();
        assert_eq!(
            response.status, 503,
            "{path} answered {} although its commit failed (P13)",
            response.status
        );
        assert!(
            response.all("set-cookie").is_empty(),
            "{path} set a cookie although its commit failed (P13)"
        );
    }
    assert_eq!(owner.clone().get("/info").await.json()["owner"], "alice");
}

pub(super) async fn a_read_goes_on_when_its_sighting_cannot_be_recorded(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.clock().advance(super::site::IDLE / 2);
    site.faults().refuse_writes();
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn an_untouched_request_does_not_notice_that_the_store_is_down(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.faults().go_down();
    assert_eq!(browser.get("/plain").await.status, 200);
}

pub(super) async fn a_server_error_drops_what_the_handler_changed(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let response = browser.get("/fail/500?key=k").await;
    assert_eq!(response.status, 500);
    assert_eq!(
        browser.get("/get/k").await.value(),
        Null,
        "a failed handler's change was stored"
    );
}

pub(super) async fn a_server_error_stores_nothing_for_a_visitor(world: World) {
    let site = world.site().await;
    let response = site.browser().get("/fail/503?key=k").await;
    assert!(response.all("set-cookie").is_empty());
    assert_eq!(site.calls().total(), 0);
}

pub(super) async fn a_client_error_keeps_what_the_handler_changed(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    assert_eq!(browser.get("/fail/404?key=k").await.status, 404);
    assert_eq!(browser.get("/get/k").await.value(), "failed");
}

pub(super) async fn an_unknown_route_answers_404(world: World) {
    let site = world.site().await;
    let response = site.browser().get("/nowhere").await;
    assert_eq!(response.status, 404);
    assert!(response.all("set-cookie").is_empty());
}

pub(super) async fn an_error_tells_the_visitor_nothing_of_the_inside(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.faults().go_down();
    let body = browser.get("/info").await.body;
    assert!(
        !body.contains("store") && !body.contains("alice") && body.len() < 100,
        "{body:?}"
    );
}
