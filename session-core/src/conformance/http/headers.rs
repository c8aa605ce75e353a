//! What the response head says: P10, P14, and the cookie's attributes.

use super::site::World;

pub(super) async fn the_cookie_is_http_only_and_same_site(world: World) {
    let site = world.site().await;
    let response = site.browser().post("/set/k", "v").await;
    let set = response.session_cookies(site.cookie_name());
    assert_eq!(set.len(), 1, "{:?}", response.headers);
    let attributes: Vec<_> = set[0].split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax"]);
}

pub(super) async fn the_default_cookie_is_bound_to_its_host_over_https(world: World) {
    let keys = crate::cookie::SigningKeys::new(super::site::key(1));
    let site = world.site_with(keys, |_| crate::config::SessionConfig::builder()).await;
    let response = site.browser().post("/set/k", "v").await;
    let set = response.session_cookies("__Host-session").join("\n");
    assert!(set.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax"), "{set:?}");
}

pub(super) async fn a_response_that_used_its_session_varies_by_cookie(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    for path in ["/get/k", "/info", "/fail/404", "/fail/500", "/stream"] {
        assert!(browser.get(path).await.varies_by_cookie(), "{path} (P14)");
    }
    assert!(
        site.browser().get("/get/k").await.varies_by_cookie(),
        "an anonymous read depends on the cookie too (P14)"
    );
    assert!(
        !browser.get("/plain").await.varies_by_cookie(),
        "an untouched request does not vary"
    );
}

pub(super) async fn a_response_that_sets_the_cookie_stays_out_of_shared_caches(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    for path in ["/set/k", "/login/alice", "/renew", "/logout"] {
        let response = browser.post(path, "v").await;
        assert!(
            !response.session_cookies(site.cookie_name()).is_empty(),
            "{path} sets the cookie"
        );
        let cache = response.all("cache-control").join(", ");
        assert!(
            cache.contains("private") || cache.contains("no-store"),
            "{path} may be stored by a shared cache (P14): {cache:?}"
        );
    }
}

pub(super) async fn a_public_response_becomes_private_when_it_sets_the_cookie(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let response = browser.get("/cached/k").await;
    assert!(!response.session_cookies(site.cookie_name()).is_empty());
    let cache = response.all("cache-control").join(", ");
    assert!(
        !cache.contains("public") && cache.contains("private"),
        "{cache:?} (P14)"
    );
    let response = browser.get("/cached/k").await;
    assert!(response.all("set-cookie").is_empty());
    assert_eq!(
        response.all("cache-control"),
        ["public, max-age=60"],
        "what sets no cookie is the application's business"
    );
    assert!(response.varies_by_cookie());
}

pub(super) async fn what_the_application_varies_by_stays(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let response = browser.get("/cached/k").await;
    let fields: Vec<_> = response
        .all("vary")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|field| field.trim().to_ascii_lowercase())
        .collect();
    assert_eq!(fields, ["accept-language", "cookie"], "(P14)");
}

pub(super) async fn a_head_request_commits_like_a_get(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let response = browser.request("HEAD", "/cached/k", &[], "").await;
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    assert_eq!(response.session_cookies(site.cookie_name()).len(), 1);
    assert_eq!(browser.get("/get/k").await.value(), "cached");
}

pub(super) async fn an_answer_sets_the_cookie_once(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    let response = browser.post("/add/n", "").await;
    assert_eq!(
        response.session_cookies(site.cookie_name()).len(),
        1,
        "{:?}",
        response.headers
    );
}

pub(super) async fn every_answer_that_depends_on_the_cookie_varies_by_it(world: World) {
    let site = world.site().await;
    let owner = site.signed_in("alice").await;
    let mut ended = site.signed_in("alice").await;
    let dead = ended.clone();
    ended.post("/logout", "").await;
    let stranger = site.browser();
    let forger = site.browser().with_token("A".repeat(64));
    let too_large = "x".repeat(300_000);
    for (method, path, body) in [
        ("HEAD", "/get/k", ""),
        ("GET", "/info", ""),
        ("GET", "/sessions", ""),
        ("GET", "/typed", ""),
        ("GET", "/flash", ""),
        ("POST", "/flash/hello", ""),
        ("GET", "/csrf", ""),
        ("POST", "/csrf/header", "x"),
        ("POST", "/revoke/nonsense", ""),
        ("POST", "/set/k", too_large.as_str()),
        ("GET", "/cached/k", ""),
        ("GET", "/fail/400", ""),
        ("GET", "/fail/503", ""),
        ("GET", "/admin", ""),
        ("POST", "/renew", ""),
        ("POST", "/logout", ""),
    ] {
        for (who, browser) in [
            ("owner", &owner),
            ("stranger", &stranger),
            ("forger", &forger),
            ("dead", &dead),
        ] {
            let response = browser.clone().request(method, path, &[], body).await;
            assert!(
                response.varies_by_cookie(),
                "{method} {path} as {who}: {} may be served to others from a cache (P14)",
                response.status
            );
        }
    }
    let mut down = site.signed_in("alice").await;
    site.faults().go_down();
    let response = down.get("/get/k").await;
    assert!(response.status == 503 && response.varies_by_cookie(), "{response:?}");
    site.faults().recover();
    site.faults().refuse_writes();
    let response = down.post("/set/k", "v").await;
    assert!(response.status == 503 && response.varies_by_cookie(), "{response:?}");
}
