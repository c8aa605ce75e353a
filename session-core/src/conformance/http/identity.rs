//! Signing in and out, renewing, listing and revoking: P6, P7, P11, P12.

use serde_json::Value::Null;

use super::site::World;

pub(super) async fn a_login_renews_the_id_and_the_old_one_is_dead(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/cart", "apples").await;
    let before = browser.clone();
    browser.post("/login/alice", "").await;
    assert_ne!(
        browser.token(),
        before.token(),
        "a login must renew the id: session fixation (P7)"
    );
    assert_eq!(browser.get("/info").await.json()["owner"], "alice");
    let mut fixated = before;
    assert_eq!(
        fixated.get("/info").await.json()["owner"],
        Null,
        "the id from before the login opens the session (P7)"
    );
    assert_eq!(fixated.get("/get/cart").await.value(), Null);
}

pub(super) async fn a_login_keeps_what_the_visitor_had(world: World) {
    let site = world.site().await;
    let mut browser = site.browser();
    browser.post("/set/cart", "apples").await;
    browser.post("/login/alice", "").await;
    assert_eq!(browser.get("/get/cart").await.value(), "apples");
}

pub(super) async fn a_login_of_somebody_else_drops_what_was_there(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    browser.post("/set/secret", "alice's").await;
    let handle = browser.get("/info").await.json()["handle"].clone();
    browser.post("/login/bob", "").await;
    assert_eq!(
        browser.get("/get/secret").await.value(),
        Null,
        "bob reads what alice stored"
    );
    let info = browser.get("/info").await.json();
    assert_eq!(info["owner"], "bob");
    assert_ne!(info["handle"], handle, "alice's handle names bob's session");
}

pub(super) async fn renewing_keeps_data_owner_and_handle(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    browser.post("/set/k", "v").await;
    let before = browser.clone();
    let handle = browser.get("/info").await.json()["handle"].clone();
    assert_eq!(browser.post("/renew", "").await.status, 200);
    assert_ne!(browser.token(), before.token());
    let info = browser.get("/info").await.json();
    assert_eq!((&info["owner"], &info["handle"]), (&"alice".into(), &handle));
    assert_eq!(browser.get("/get/k").await.value(), "v");
    assert_eq!(
        before.clone().get("/info").await.json()["owner"],
        Null,
        "the old id is not dead (P7)"
    );
}

pub(super) async fn of_parallel_renewals_one_wins_and_one_id_lives(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut browser = browser.clone();
        requests.spawn(async move {
            let status = browser.post("/renew", "").await.status;
            (status, browser)
        });
    }
    let mut live = 0;
    let mut renewed = 0;
    while let Some(answer) = requests.join_next().await {
        let (status, mut browser) = answer.expect("a request does not panic");
        renewed += usize::from(status == 200);
        if browser.get("/info").await.json()["owner"] == "alice" {
            live += 1;
        }
    }
    assert_eq!(live, 1, "one id lives after parallel renewals (P7)");
    assert!(renewed >= 1);
}

pub(super) async fn a_logout_ends_the_session_and_removes_the_cookie(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let before = browser.clone();
    let response = browser.post("/logout", "").await;
    let set = response.session_cookies(site.cookie_name()).join("\n");
    assert!(
        set.contains("Max-Age=0"),
        "the browser is told to forget the cookie: {set:?}"
    );
    assert_eq!(
        before.clone().get("/info").await.json()["owner"],
        Null,
        "the token of a session that was logged out opens it (P6)"
    );
}

pub(super) async fn an_owner_s_sessions_are_listed_with_the_current_one_marked(world: World) {
    let site = world.site().await;
    let mut phone = site.browser();
    phone
        .request("POST", "/login/alice", &[("User-Agent", "Phone")], "")
        .await;
    site.clock().advance(std::time::Duration::from_secs(5));
    let mut laptop = site.browser();
    laptop
        .request("POST", "/login/alice", &[("User-Agent", "Laptop")], "")
        .await;
    site.signed_in("bob").await;
    let list = laptop.get("/sessions").await.json();
    let shown: Vec<_> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (one["label"].clone(), one["current"].clone()))
        .collect();
    assert_eq!(
        shown,
        [("Laptop".into(), true.into()), ("Phone".into(), false.into())],
        "newest first, alice's only"
    );
}

pub(super) async fn a_listing_shows_no_token(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let list = browser.get("/sessions").await.body;
    let info = browser.get("/info").await.body;
    for part in [&browser.token()[..16], &browser.token()[32..48]] {
        assert!(
            !list.contains(part) && !info.contains(part),
            "a part of the token is shown (P17)"
        );
    }
}

pub(super) async fn a_listing_needs_somebody_signed_in(world: World) {
    let site = world.site().await;
    for (method, path) in [
        ("GET", "/sessions"),
        ("POST", "/revoke/AAAAAAAAAAAAAAAAAAAA"),
        ("POST", "/revoke-others"),
        ("POST", "/revoke-all"),
    ] {
        assert_eq!(
            site.browser().request(method, path, &[], "").await.status,
            401,
            "{path}"
        );
    }
}

pub(super) async fn a_revoked_session_is_turned_away_at_once(world: World) {
    let site = world.site().await;
    let mut laptop = site.signed_in("alice").await;
    let mut phone = site.signed_in("alice").await;
    let handle = phone.get("/info").await.json()["handle"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(laptop.post(&format!("/revoke/{handle}"), "").await.status, 200);
    assert_eq!(
        phone.get("/info").await.json()["owner"],
        Null,
        "a revoked session opens (P11)"
    );
    assert_eq!(laptop.get("/info").await.json()["owner"], "alice");
    assert_eq!(
        laptop.post(&format!("/revoke/{handle}"), "").await.status,
        404,
        "it is revoked once"
    );
}

pub(super) async fn nobody_revokes_somebody_else_s_session(world: World) {
    let site = world.site().await;
    let mut alice = site.signed_in("alice").await;
    let mut bob = site.signed_in("bob").await;
    let handle = alice.get("/info").await.json()["handle"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for handle in [handle.as_str(), "nonsense", "AAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(bob.post(&format!("/revoke/{handle}"), "").await.status, 404, "{handle}");
    }
    assert_eq!(alice.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn the_answer_to_a_foreign_handle_is_the_one_to_a_handle_that_never_was(world: World) {
    let site = world.site().await;
    let mut bob = site.signed_in("bob").await;
    let mut alice = site.signed_in("alice").await;
    let mut ended = site.signed_in("alice").await;
    let mut anonymous = site.browser();
    anonymous.post("/set/k", "v").await;
    let mut tried = vec!["AAAAAAAAAAAAAAAAAAAA".to_owned(), "nonsense".to_owned()];
    for browser in [&mut alice, &mut ended, &mut anonymous] {
        let handle = browser.get("/info").await.json()["handle"].clone();
        tried.push(handle.as_str().expect("a stored session has a handle").to_owned());
    }
    ended.post("/logout", "").await;
    let mut answers = Vec::new();
    for handle in &tried {
        let mut answer = bob.post(&format!("/revoke/{handle}"), "").await;
        answer.headers.retain(|(name, _)| name != "date");
        answer.headers.sort();
        answers.push((answer.status, answer.headers, answer.body));
    }
    assert_eq!(answers[0].0, 404);
    for (answer, handle) in answers.iter().zip(&tried) {
        assert_eq!(
            *answer, answers[0],
            "the answer tells which handles exist: {handle} (P12)"
        );
    }
    assert_eq!(alice.get("/info").await.json()["owner"], "alice");
    assert_eq!(anonymous.get("/get/k").await.value(), "v");
}

pub(super) async fn owners_that_look_alike_share_nothing(world: World) {
    let site = world.site().await;
    // Case, blanks, a zero byte, separators of other stores, a letter in two ways of writing it.
    let names = [
        "rene",
        "Rene",
        "rene%20",
        "%20rene",
        "rene%00",
        "rene%0a",
        "ren",
        "renes",
        "rene:1",
        "%7Brene%7D",
        "ren%C3%A9",
        "rene%CC%81",
        "*",
    ];
    let mut browsers = Vec::new();
    for name in names {
        browsers.push(site.signed_in(name).await);
    }
    for (browser, name) in browsers.iter_mut().zip(names) {
        let listed = browser.get("/sessions").await.json();
        assert_eq!(
            listed.as_array().map(Vec::len),
            Some(1),
            "{name} sees others' sessions (P12)"
        );
    }
    let rest = browsers.split_off(1);
    assert_eq!(browsers[0].post("/revoke-all", "").await.json()["revoked"], 1);
    for (mut browser, name) in rest.into_iter().zip(&names[1..]) {
        assert_ne!(
            browser.get("/info").await.json()["owner"],
            Null,
            "{name} was signed out (P12)"
        );
    }
}

pub(super) async fn handles_have_nothing_in_common(world: World) {
    let site = world.site().await;
    let mut parts = std::collections::HashSet::new();
    for _ in 0..40 {
        let mut browser = site.signed_in("alice").await;
        let info = browser.get("/info").await.json();
        let handle = info["handle"].as_str().unwrap_or_default().to_owned();
        assert_eq!(handle.len(), 20, "15 random bytes make 20 characters");
        assert!(
            !browser.token().contains(&handle[..8]),
            "a handle says something of the token"
        );
        for (place, part) in [&handle[..7], &handle[7..14], &handle[13..]].into_iter().enumerate() {
            assert!(
                parts.insert((place, part.to_owned())),
                "two handles share {part}: a neighbour can be guessed (P12)"
            );
        }
    }
}

pub(super) async fn revoking_the_others_keeps_this_one(world: World) {
    let site = world.site().await;
    let mut here = site.signed_in("alice").await;
    let mut others = [site.signed_in("alice").await, site.signed_in("alice").await];
    let mut bob = site.signed_in("bob").await;
    assert_eq!(here.post("/revoke-others", "").await.json()["revoked"], 2);
    for other in &mut others {
        assert_eq!(other.get("/info").await.json()["owner"], Null);
    }
    assert_eq!(here.get("/info").await.json()["owner"], "alice");
    assert_eq!(bob.get("/info").await.json()["owner"], "bob");
}

pub(super) async fn revoking_all_ends_every_session_of_the_owner(world: World) {
    let site = world.site().await;
    let mut browsers = [
        site.signed_in("alice").await,
        site.signed_in("alice").await,
        site.signed_in("alice").await,
    ];
    let mut before = browsers.clone();
    assert_eq!(browsers[0].post("/revoke-all", "").await.json()["revoked"], 3);
    for browser in &mut before {
        assert_eq!(
            browser.get("/info").await.json()["owner"],
            Null,
            "a session survived revoke-all (P12)"
        );
    }
}

pub(super) async fn a_renewed_session_is_revoked_by_its_handle(world: World) {
    let site = world.site().await;
    let mut laptop = site.signed_in("alice").await;
    let mut phone = site.signed_in("alice").await;
    let handle = phone.get("/info").await.json()["handle"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    phone.post("/renew", "").await;
    assert_eq!(laptop.post(&format!("/revoke/{handle}"), "").await.status, 200);
    assert_eq!(phone.get("/info").await.json()["owner"], Null);
}
