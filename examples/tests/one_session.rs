//! One session across frameworks: the probes on axum, actix-web and Rocket run in one process, on one store and one key ring.

#[path = "../../adapter-actix/tests/spawn/mod.rs"]
mod on_actix;
#[path = "../../adapter-axum/tests/spawn/mod.rs"]
mod on_axum;
#[path = "../../adapter-rocket/tests/spawn/mod.rs"]
mod on_rocket;

use std::sync::Arc;

use session_core::conformance::http::Server;
use session_core::conformance::http::client::Browser;
use session_core::conformance::probe::{Gate, Probe};
use session_core::{CleanerPolicy, Engine, SessionConfig, SigningKeys};
use session_fjall::FjallStore;

struct Site {
    axum: Server,
    actix: Server,
    rocket: Server,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Arc::new(FjallStore::open(folder.path()).expect("an empty folder becomes a store"));
        let keys = SigningKeys::generate().expect("randomness");
        // An engine each: what they share is the store and the keys, as several processes would.
        let probe = || {
            let config = SessionConfig::builder()
                .danger()
                .insecure_cookies()
                .cleaner(CleanerPolicy::never());
            let config = config.build().expect("a valid configuration");
            let engine = Engine::builder(store.clone(), keys.clone()).config(config).build();
            Probe {
                engine,
                gate: Gate::new(),
            }
        };
        Self {
            axum: on_axum::spawn(probe()).await,
            actix: on_actix::spawn(probe()).await,
            rocket: on_rocket::spawn(probe()).await,
            _folder: folder,
        }
    }
}

/// The same browser, at another server: cookies do not care for ports (RFC 6265 §8.5).
fn at(server: &Server, browser: &Browser) -> Browser {
    Browser::new(server.addr, "session").with_token(browser.token())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_one_across_frameworks_and_a_revocation_holds_in_all() {
    let site = Site::start().await;
    let mut axum = Browser::new(site.axum.addr, "session");
    assert_eq!(axum.post("/login/alice", "").await.status, 200);

    let mut actix = at(&site.actix, &axum);
    assert_eq!(
        actix.get("/info").await.json()["owner"],
        "alice",
        "signed in on axum, read on actix-web"
    );
    let mut rocket = at(&site.rocket, &axum);
    assert_eq!(rocket.post("/set/k", "from Rocket").await.status, 200);
    assert_eq!(axum.get("/get/k").await.value(), "from Rocket");
    assert_eq!(actix.get("/get/k").await.value(), "from Rocket");

    let handle = axum.get("/info").await.json()["handle"]
        .as_str()
        .map(str::to_owned)
        .expect("a stored session has a handle");
    let mut elsewhere = Browser::new(site.axum.addr, "session");
    elsewhere.post("/login/alice", "").await;
    assert_eq!(elsewhere.post(&format!("/revoke/{handle}"), "").await.status, 200);
    for browser in [&mut actix, &mut rocket, &mut axum] {
        assert!(
            browser.get("/info").await.json()["owner"].is_null(),
            "turned away at once"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_through_three_frameworks_are_all_counted() {
    let site = Site::start().await;
    let mut first = Browser::new(site.axum.addr, "session");
    first.post("/set/other", "x").await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..60 {
        let server = [&site.axum, &site.actix, &site.rocket][number % 3];
        let mut browser = at(server, &first);
        requests.spawn(async move { browser.post("/add/n", "").await.status });
    }
    assert!(requests.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(first.get("/get/n").await.value(), 60, "an increment was lost (P5)");
}
