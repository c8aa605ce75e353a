//! Messages for the next page: shown once, and lost by nobody. P5, P7, P13.

use super::client::Browser;
use super::site::World;

async fn shown(browser: &mut Browser) -> Vec<String> {
    let answer = browser.get("/flash").await.json();
    let flashes = answer["flashes"].as_array().expect("GET /flash answers with a list");
    let text = |flash: &serde_json::Value| flash["text"].as_str().unwrap_or_default().to_owned();
    flashes.iter().map(text).collect()
}

pub(super) async fn a_message_is_shown_once(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/flash/first", "").await;
    browser.post("/flash/second", "").await;
    let answer = browser.get("/flash").await.json();
    assert_eq!(answer["flashes"][0]["level"], "success");
    assert_eq!(answer["flashes"][0]["text"], "first");
    assert_eq!(answer["flashes"][1]["text"], "second", "oldest first");
    assert!(shown(&mut browser).await.is_empty(), "a message was shown twice");
}

pub(super) async fn a_message_waits_through_a_redirect_and_through_pages_that_show_none(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    assert_eq!(browser.post("/flash/saved", "").await.status, 303);
    browser.get("/get/k").await;
    browser.post("/set/k", "v").await;
    browser.get("/plain").await;
    assert_eq!(shown(&mut browser).await, ["saved"]);
}

pub(super) async fn messages_of_parallel_requests_all_appear(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 10..26 {
        let mut browser = browser.clone();
        requests.spawn(async move { browser.post(&format!("/flash/m{number}"), "").await.status });
    }
    while let Some(status) = requests.join_next().await {
        assert_eq!(status.expect("a request does not panic"), 303);
    }
    let mut texts = shown(&mut browser).await;
    texts.sort_unstable();
    let expected: Vec<_> = (10..26).map(|number| format!("m{number}")).collect();
    assert_eq!(texts, expected, "a message was lost (P5)");
}

pub(super) async fn a_message_survives_a_login_and_a_renewal(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/flash/welcome", "").await;
    browser.post("/login/alice", "").await;
    browser.post("/renew", "").await;
    assert_eq!(shown(&mut browser).await, ["welcome"]);
}

pub(super) async fn a_message_is_not_lost_to_a_commit_that_fails(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/flash/saved", "").await;
    site.faults().refuse_writes();
    assert_eq!(browser.get("/flash").await.status, 503);
    site.faults().recover();
    assert_eq!(shown(&mut browser).await, ["saved"]);
}
