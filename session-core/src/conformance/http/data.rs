//! What is stored and when: P5, P9, P10, and the store calls that a request costs.

use serde_json::Value::Null;

use super::site::World;

pub(super) async fn a_value_set_in_one_request_is_read_in_the_next(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    assert_eq!(browser.post("/set/k", "grüße").await.value(), "grüße");
    assert_eq!(browser.get("/get/k").await.value(), "grüße");
    assert_eq!(browser.get("/get/other").await.value(), Null);
}

pub(super) async fn a_removed_value_is_gone_and_the_others_stay(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/a", "1").await;
    browser.post("/set/b", "2").await;
    browser.post("/remove/a", "").await;
    assert_eq!(browser.get("/get/a").await.value(), Null);
    assert_eq!(browser.get("/get/b").await.value(), "2");
}

pub(super) async fn clear_removes_every_value_and_keeps_who_is_signed_in(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    browser.post("/set/a", "1").await;
    browser.post("/clear", "").await;
    assert_eq!(browser.get("/get/a").await.value(), Null);
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn visitors_do_not_see_each_other_s_values(world: World) {
    let site = world.site().await;
    let (mut one, mut two) = (site.browser(), site.browser());
    one.post("/set/k", "one").await;
    two.post("/set/k", "two").await;
    assert_eq!(one.get("/get/k").await.value(), "one");
    assert_eq!(two.get("/get/k").await.value(), "two");
    assert_eq!(site.browser().get("/get/k").await.value(), Null);
}

pub(super) async fn sixty_four_parallel_increments_make_sixty_four(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/other", "x").await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let mut browser = browser.clone();
        requests.spawn(async move { browser.post("/add/n", "").await });
    }
    let mut answers: Vec<u64> = Vec::new();
    while let Some(response) = requests.join_next().await {
        let response = response.expect("a request does not panic");
        assert_eq!(response.status, 200, "an increment failed: {}", response.body);
        answers.extend(response.value().as_u64());
    }
    answers.sort_unstable();
    assert_eq!(browser.get("/get/n").await.value(), 64, "an increment was lost (P5)");
    assert_eq!(
        answers,
        (1..=64).collect::<Vec<_>>(),
        "each increment answers the number that it stored (P5)"
    );
}

pub(super) async fn parallel_writes_of_different_keys_all_survive(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/first", "x").await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..16 {
        let mut browser = browser.clone();
        requests.spawn(async move { browser.post(&format!("/slow/k{number}"), "v").await.status });
    }
    site.gate.arrived(16).await;
    site.gate.release(16);
    while let Some(status) = requests.join_next().await {
        assert_eq!(status.expect("a request does not panic"), 200);
    }
    for number in 0..16 {
        assert_eq!(
            browser.get(&format!("/get/k{number}")).await.value(),
            "v",
            "the write of k{number} was lost (P5)"
        );
    }
}

pub(super) async fn of_two_plain_writes_of_one_key_the_later_commit_wins(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "before").await;
    let mut slow = browser.clone();
    let late = tokio::spawn(async move { slow.post("/slow/k", "late").await.status });
    site.gate.arrived(1).await;
    browser.post("/set/k", "early").await;
    site.gate.release(1);
    assert_eq!(late.await.expect("a request does not panic"), 200);
    assert_eq!(browser.get("/get/k").await.value(), "late");
}

pub(super) async fn an_untouched_request_costs_no_store_access(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.forget_calls();
    let response = browser.get("/plain").await;
    assert_eq!(response.status, 200);
    assert_eq!(
        site.calls().total(),
        0,
        "a request that never asks for its session costs nothing"
    );
    assert!(response.all("set-cookie").is_empty() && !response.varies_by_cookie());
}

pub(super) async fn an_anonymous_read_costs_no_store_access_and_sets_no_cookie(world: World) {
    let site = world.site().await;
    let response = site.browser().get("/get/k").await;
    assert_eq!(response.value(), Null);
    assert_eq!(site.calls().total(), 0);
    assert!(
        response.all("set-cookie").is_empty(),
        "no cookie for a visitor whose session holds nothing (P10)"
    );
}

pub(super) async fn nothing_is_stored_for_a_visitor_whose_session_holds_nothing(world: World) {
    let site = world.site().await;
    for (method, path) in [
        ("POST", "/remove/k"),
        ("POST", "/clear"),
        ("POST", "/renew"),
        ("POST", "/logout"),
        ("GET", "/info"),
        ("GET", "/flash"),
        ("GET", "/typed"),
        ("POST", "/typed/0"),
    ] {
        let response = site.browser().request(method, path, &[], "").await;
        assert_eq!(response.status, 200, "{path}");
        assert!(
            response.all("set-cookie").is_empty(),
            "{path} set a cookie for nothing (P10)"
        );
    }
    assert_eq!(site.calls().total(), 0, "something was stored for nothing (P10)");
}

pub(super) async fn a_read_of_a_live_session_is_one_load(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    site.forget_calls();
    let response = browser.get("/get/k").await;
    let counts = site.calls();
    assert_eq!((counts.load, counts.total()), (1, 1), "a read is one load: {counts:?}");
    assert!(
        response.all("set-cookie").is_empty(),
        "no Set-Cookie without a reason (P10)"
    );
}

pub(super) async fn a_read_and_write_is_one_load_and_one_replace(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    site.forget_calls();
    let response = browser.post("/set/k", "w").await;
    let counts = site.calls();
    assert_eq!((counts.load, counts.replace, counts.total()), (1, 1, 2), "{counts:?}");
    assert!(
        response.all("set-cookie").is_empty(),
        "no Set-Cookie without a reason (P10)"
    );
}

pub(super) async fn a_first_write_is_one_create(world: World) {
    let site = world.site().await;
    site.browser().post("/set/k", "v").await;
    let counts = site.calls();
    assert_eq!((counts.create, counts.total()), (1, 1), "{counts:?}");
}

pub(super) async fn a_value_that_is_too_large_is_refused_and_nothing_is_stored(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let response = browser.post("/set/big", &"x".repeat(70_000)).await;
    assert_eq!(response.status, 500, "a value over its limit is a typed error (P18)");
    assert_eq!(browser.get("/get/big").await.value(), Null);
    assert_eq!(browser.get("/get/k").await.value(), "v");
}
