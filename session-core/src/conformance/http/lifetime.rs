//! Timeouts and sightings: P8, P9. The cleaner never runs here.

use std::time::Duration;

use serde_json::Value::Null;

use super::site::{ABSOLUTE, IDLE, World};
use crate::lifetime::Lifetime;

const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) async fn a_session_lives_until_its_idle_timeout_and_no_longer(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.clock().advance(IDLE - MILLISECOND);
    assert_eq!(browser.clone().get("/info").await.json()["owner"], "alice");
    let mut idle = site.signed_in("bob").await;
    site.clock().advance(IDLE);
    assert_eq!(
        idle.get("/info").await.json()["owner"],
        Null,
        "an idle session opens after its timeout (P8)"
    );
    assert_eq!(browser.get("/info").await.json()["owner"], Null);
}

pub(super) async fn a_busy_session_outlives_its_idle_timeout(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    for _ in 0..4 {
        site.clock().advance(IDLE / 2);
        assert_eq!(
            browser.get("/info").await.json()["owner"],
            "alice",
            "a session in use ended"
        );
    }
}

pub(super) async fn a_busy_session_ends_at_its_absolute_timeout(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let steps = (ABSOLUTE.as_secs() * 2 / IDLE.as_secs()) as u32;
    for step in 1..steps {
        site.clock().advance(IDLE / 2);
        let written = browser.post(&format!("/set/k{step}"), "v").await;
        assert_eq!(written.status, 200, "step {step}");
    }
    site.clock().advance(IDLE / 2);
    assert_eq!(
        browser.get("/info").await.json()["owner"],
        Null,
        "writing extended the absolute timeout (P8)"
    );
}

pub(super) async fn a_clock_that_is_set_back_extends_nothing(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let before = browser.get("/info").await.json()["expires_at"].clone();
    let now = crate::clock::Clock::now(site.clock());
    site.clock()
        .set(crate::clock::Timestamp::from_unix_millis(now.unix_millis() - 3_600_000));
    browser.post("/set/k", "v").await;
    let after = browser.get("/info").await.json()["expires_at"].clone();
    assert_eq!(after, before, "a clock that went backwards moved the deadline");
}

pub(super) async fn reads_of_a_busy_session_write_at_most_once_per_touch_window(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/k", "v").await;
    site.forget_calls();
    for _ in 0..10 {
        browser.get("/get/k").await;
    }
    assert_eq!(
        site.calls().touch,
        0,
        "a read within the touch window writes nothing (P9)"
    );
    site.clock().advance(IDLE / 100);
    for _ in 0..10 {
        browser.get("/get/k").await;
    }
    let counts = site.calls();
    assert_eq!(
        (counts.touch, counts.replace),
        (1, 0),
        "one sighting in a window, and data is never rewritten (P9): {counts:?}"
    );
}

pub(super) async fn a_sighting_moves_the_deadline(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let before = browser.get("/info").await.json();
    site.clock().advance(IDLE / 2);
    browser.get("/info").await;
    let after = browser.get("/info").await.json();
    assert_ne!(before["last_seen_at"], after["last_seen_at"]);
    assert_ne!(before["expires_at"], after["expires_at"]);
    assert_eq!(before["created_at"], after["created_at"]);
}

pub(super) async fn a_cookie_ends_with_the_browser_unless_it_is_remembered(world: World) {
    let site = world.site().await;
    let response = site.browser().post("/login/alice", "").await;
    let set = response.session_cookies(site.cookie_name()).join("\n");
    assert!(!set.contains("Max-Age") && !set.contains("Expires"), "{set}");
}

pub(super) async fn a_remembered_cookie_lives_as_long_as_its_record(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let response = browser.post("/login/alice?remember", "").await;
    let set = response.session_cookies(site.cookie_name()).join("\n");
    assert!(set.contains("; Max-Age=2592000"), "30 days, the default: {set}");
    site.clock().advance(10 * IDLE);
    assert_eq!(
        browser.get("/info").await.json()["owner"],
        "alice",
        "a remembered session outlives the usual timeout"
    );
}

pub(super) async fn the_cookie_of_a_remembered_sliding_session_follows_its_deadline(world: World) {
    let sliding = Lifetime::sliding(Duration::from_secs(1_000_000)).expect("a valid lifetime");
    let keys = crate::cookie::SigningKeys::new(super::site::key(1));
    let site = world.site_with(keys, |config| config.remember_lifetime(sliding)).await;
    let mut browser = site.browser();
    browser.post("/login/alice?remember", "").await;
    site.clock().advance(Duration::from_secs(500_000));
    let response = browser.get("/info").await;
    let set = response.session_cookies(site.cookie_name()).join("\n");
    assert!(
        set.contains("; Max-Age=1000000"),
        "the cookie would end before its record: {set:?}"
    );
}
