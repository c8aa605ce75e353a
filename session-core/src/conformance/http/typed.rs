//! Values that a handler finds by their type: P5, P16.

use serde_json::Value::Null;

use super::site::World;

pub(super) async fn a_value_found_by_its_type_is_read_changed_and_removed(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    assert_eq!(browser.get("/typed").await.value(), Null);
    assert_eq!(browser.post("/typed/3", "").await.value(), 3);
    assert_eq!(browser.post("/typed/4", "").await.value(), 7);
    assert_eq!(browser.get("/typed").await.value(), 7);
    assert_eq!(browser.post("/typed/0", "").await.value(), Null);
    assert_eq!(browser.get("/typed").await.value(), Null);
}

pub(super) async fn parallel_updates_of_a_value_found_by_its_type_all_survive(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut browser = browser.clone();
        requests.spawn(async move { browser.post("/typed/2", "").await.status });
    }
    while let Some(status) = requests.join_next().await {
        assert_eq!(status.expect("a request does not panic"), 200);
    }
    assert_eq!(browser.get("/typed").await.value(), 32, "an update was lost (P5)");
}

pub(super) async fn a_damaged_value_is_an_error_and_no_default(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/tally", "no tally").await;
    for (method, path) in [("GET", "/typed"), ("POST", "/typed/1"), ("POST", "/typed/0")] {
        let response = browser.request(method, path, &[], "").await;
        assert_eq!(
            response.status, 500,
            "{method} {path} took damaged bytes for a value (P16)"
        );
    }
    assert_eq!(
        browser.get("/get/tally").await.value(),
        "no tally",
        "and nothing was overwritten"
    );
}
