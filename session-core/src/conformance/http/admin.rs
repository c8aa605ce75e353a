//! The administration of sessions, mounted at `/admin` for the owner `root`: P11, P12, P13, P17, P18.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::client::{Browser, Response};
use super::site::{Site, World};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Every route, with a method that it takes.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/admin"),
    ("GET", "/admin/stats.json"),
    ("GET", "/admin/sessions.json"),
    ("POST", "/admin?action=sweep"),
    ("POST", "/admin/revoke"),
    ("POST", "/admin/revoke-owner?owner=alice"),
    ("POST", "/admin/sweep"),
];

async fn token(browser: &mut Browser) -> String {
    let answer = browser.get("/csrf").await.json();
    let token = answer["token"].as_str().expect("GET /csrf answers with a token");
    token.to_owned()
}

async fn handle(browser: &mut Browser) -> String {
    let info = browser.get("/info").await.json();
    info["handle"].as_str().unwrap_or_default().to_owned()
}

async fn owner(browser: &Browser) -> Json {
    browser.clone().get("/info").await.json()["owner"].clone()
}

async fn labelled(site: &Site, owner: &str, label: &str) -> Browser {
    let mut browser = site.browser();
    let path = format!("/login/{owner}");
    browser.request("POST", &path, &[("User-Agent", label)], "").await;
    browser
}

/// All parts of a list: how often each handle occurs. Between any two parts, another session begins.
async fn walk(site: &Site, root: &mut Browser, list: &str, newcomer: &str) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    let mut after = String::new();
    for _ in 0..100 {
        let part = root.get(&format!("{list}&after={after}")).await.json();
        for session in part["sessions"].as_array().into_iter().flatten() {
            *seen
                .entry(session["handle"].as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        match part["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return seen,
        }
        site.signed_in(newcomer).await;
    }
    panic!("the list does not end");
}

fn is_kept_to_itself(response: &Response, path: &str) {
    assert_eq!(response.all("cache-control"), ["no-store"], "{path}");
    assert_eq!(response.all("x-content-type-options"), ["nosniff"], "{path}");
    assert_eq!(response.all("referrer-policy"), ["same-origin"], "{path}");
    let policy = response.all("content-security-policy").concat();
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe"),
        "{path}: {policy}"
    );
}

pub(super) async fn strangers_and_other_owners_find_no_administration(world: World) {
    let site = world.site().await;
    let mut alice = site.signed_in("alice").await;
    let token = token(&mut alice).await;
    for &(method, path) in ROUTES {
        for mut browser in [site.browser(), alice.clone()] {
            let response = browser.request(method, path, &[("X-CSRF-Token", &token)], "").await;
            assert_eq!(response.status, 404, "{method} {path}");
            assert!(!response.body.contains("alice"), "{method} {path}");
        }
    }
    assert_eq!(
        owner(&alice).await,
        "alice",
        "a request that was denied ended something"
    );
}

pub(super) async fn the_page_shows_every_session_and_escapes_what_strangers_wrote(world: World) {
    let site = world.site().await;
    let label = "<script>alert('1')</script>\"&amp; onload=\"x";
    let mut victim = labelled(&site, "%3Cb%3E%22mallory%22", label).await;
    site.browser().post("/set/k", "a visitor's value").await;
    let mut root = site.signed_in("root").await;
    for path in ["/admin", "/admin/"] {
        let page = root.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.all("content-type").concat().starts_with("text/html"), "{path}");
        assert!(page.body.contains(&handle(&mut victim).await) && page.body.contains(&handle(&mut root).await));
        assert!(page.body.contains("&lt;script&gt;alert") && page.body.contains("&lt;b&gt;&quot;mallory&quot;"));
        assert!(
            !page.body.contains("<script") && !page.body.contains("<b>"),
            "{}",
            page.body
        );
        assert!(
            !page.body.contains("a visitor's value"),
            "the page shows what a session holds (P17)"
        );
    }
}

pub(super) async fn a_listing_for_administrators_shows_no_token_and_no_store_key(world: World) {
    let site = world.site().await;
    let mut browsers = vec![site.signed_in("root").await];
    for _ in 0..4 {
        browsers.push(site.signed_in("alice").await);
    }
    let mut page = site
        .engine
        .store()
        .inventory()
        .expect("the stores of the suite have one")
        .page(None, 100)
        .await;
    let keys: Vec<_> = page
        .as_mut()
        .map(|page| std::mem::take(&mut page.records))
        .unwrap_or_default();
    assert_eq!(keys.len(), 5);
    let mut root = browsers[0].clone();
    let mut shown = String::new();
    for path in [
        "",
        "?limit=2",
        "/sessions.json?limit=2",
        "/sessions.json?owner=alice&limit=2",
        "/stats.json",
    ] {
        let response = root.get(&format!("/admin{path}")).await;
        assert_eq!(response.status, 200, "{path}");
        shown += &response.body;
    }
    for browser in &browsers {
        for part in [&browser.token()[..16], &browser.token()[32..48]] {
            assert!(!shown.contains(part), "a part of a token is shown (P17)");
        }
    }
    for (key, _) in keys {
        let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let cursor = crate::store::InventoryCursor::behind(key).to_string();
        assert!(
            !shown.contains(&hex[..32]) && !shown.contains(&cursor[..22]),
            "a store key is shown (P2)"
        );
    }
}

pub(super) async fn the_parts_of_the_list_cover_every_session_once_while_others_begin(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let mut expected = vec![handle(&mut root).await];
    for number in 0..12 {
        let name = if number % 2 == 0 { "alice" } else { "bob" };
        expected.push(handle(&mut site.signed_in(name).await).await);
    }
    let seen = walk(&site, &mut root, "/admin/sessions.json?limit=3", "carol").await;
    for handle in &expected {
        assert_eq!(seen.get(handle), Some(&1), "a session is on exactly one part");
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    site.clock().advance(std::time::Duration::from_secs(1));
    let of_alice = walk(&site, &mut root, "/admin/sessions.json?owner=alice&limit=2", "alice").await;
    assert_eq!(of_alice.len(), 6, "those that were there, each once, and nobody else's");
    assert!(
        of_alice
            .iter()
            .all(|(handle, times)| *times == 1 && expected.contains(handle))
    );
}

pub(super) async fn an_administrator_ends_one_session_and_it_is_turned_away_at_once(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let token = token(&mut root).await;
    let mut visitor = site.browser();
    visitor.post("/set/k", "v").await;
    for mut victim in [site.signed_in("alice").await, site.signed_in("alice").await, visitor] {
        let bystander = site.signed_in("alice").await;
        let body = format!("csrf_token={token}&handle={}", handle(&mut victim).await);
        let response = root.request("POST", "/admin/revoke", &[FORM], &body).await;
        assert_eq!((response.status, &response.json()["ended"]), (200, &1.into()));
        let info = victim.get("/info").await.json();
        assert_eq!(info["new"], true, "a revoked session opens (P11)");
        assert_eq!(owner(&bystander).await, "alice");
        let response = root.request("POST", "/admin/revoke", &[FORM], &body).await;
        assert_eq!(response.json()["ended"], 0, "it is ended once");
    }
}

pub(super) async fn the_buttons_of_the_page_do_what_they_say_and_lead_back(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let hostile = "a%0D%0A%22%26b";
    let mut victim = site.signed_in(hostile).await;
    let others = [site.signed_in(hostile).await, site.signed_in(hostile).await];
    let page = root.get("/admin").await.body;
    let token = between(&page, "name=\"csrf_token\" value=\"", "\"");
    let body = format!("csrf_token={token}");
    // The button of the row, as a browser would press it.
    let handle = handle(&mut victim).await;
    let addresses = page.split("formaction=\"").filter_map(|part| part.split('"').next());
    let action = addresses
        .filter(|address| address.contains(&handle))
        .collect::<String>()
        .replace("&amp;", "&");
    let response = root.request("POST", &format!("/admin{action}"), &[FORM], &body).await;
    assert_eq!((response.status, response.all("location")), (303, vec!["?ended=1"]));
    assert_eq!(owner(&victim).await, Json::Null);
    let notice = root.get("/admin?ended=1").await.body;
    assert!(notice.contains("1 session ended."));

    // Everything of one owner, after a question.
    let question = root
        .get(&format!("/admin?owner={hostile}&action=revoke-owner"))
        .await
        .body;
    assert_eq!(
        owner(&others[0]).await.as_str(),
        Some("a\r\n\"&b"),
        "asking ends nothing"
    );
    let action = between(&question, "<form class=\"tools\" method=\"post\" action=\"", "\"").replace("&amp;", "&");
    let response = root.request("POST", &format!("/admin{action}"), &[FORM], &body).await;
    assert_eq!((response.status, response.all("location")), (303, vec!["?ended=2"]));
    for other in &others {
        assert_eq!(owner(other).await, Json::Null);
    }
}

pub(super) async fn a_sweep_by_hand_removes_what_has_expired(world: World) {
    let site = world.site().await;
    for _ in 0..3 {
        site.signed_in("alice").await;
    }
    site.clock().advance(super::site::IDLE);
    let mut root = site.signed_in("root").await;
    let token = token(&mut root).await;
    assert_eq!(root.get("/admin/stats.json").await.json()["expired"], 3);
    let headers = [("X-CSRF-Token", token.as_str())];
    let swept = root.request("POST", "/admin/sweep", &headers, "").await.json();
    assert_eq!((&swept["removed"], &swept["more"]), (&3.into(), &false.into()));
    let stats = root.get("/admin/stats.json").await.json();
    assert_eq!(
        (&stats["expired"], &stats["sessions"], &stats["owners"]),
        (&0.into(), &1.into(), &1.into())
    );
}

pub(super) async fn without_a_token_of_its_session_an_administrator_ends_nothing(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    token(&mut root).await;
    let mut victim = site.signed_in("alice").await;
    let foreign = token(&mut victim).await;
    let handle = handle(&mut victim).await;
    for path in [
        "/admin/revoke?",
        "/admin/revoke-owner?",
        "/admin?action=revoke&",
        "/admin?action=revoke-owner&",
        "/admin/sweep?",
    ] {
        let path = format!("{path}handle={handle}&owner=alice");
        let by_form = [String::new(), format!("csrf_token={foreign}")];
        for body in by_form {
            let response = root.request("POST", &path, &[FORM], &body).await;
            assert_eq!(response.status, 403, "{path} {body}");
        }
        let headers = [("X-CSRF-Token", foreign.as_str())];
        assert_eq!(root.request("POST", &path, &headers, "").await.status, 403, "{path}");
        let in_the_query = format!("{path}&csrf_token={foreign}");
        assert_eq!(
            root.request("POST", &in_the_query, &[FORM], "").await.status,
            403,
            "{path}"
        );
    }
    assert_eq!(owner(&victim).await, "alice", "a forged request ended a session");
}

pub(super) async fn no_answer_of_the_administration_is_stored_or_framed(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let token = token(&mut root).await;
    for &(method, path) in ROUTES {
        let headers = [("X-CSRF-Token", token.as_str())];
        let response = root.request(method, path, &headers, "").await;
        is_kept_to_itself(&response, path);
        assert!(response.varies_by_cookie(), "{path}");
        is_kept_to_itself(&site.browser().request(method, path, &[], "").await, path);
    }
}

pub(super) async fn a_store_that_is_down_is_no_empty_list(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let token = token(&mut root).await;
    site.faults().go_down();
    for &(method, path) in ROUTES {
        let headers = [("X-CSRF-Token", token.as_str())];
        assert_eq!(root.request(method, path, &headers, "").await.status, 503, "{path}");
    }
    site.faults().recover();
    assert_eq!(root.get("/admin").await.status, 200);
}

pub(super) async fn what_an_administrator_sends_is_bounded_and_checked(world: World) {
    let site = world.site().await;
    let mut root = site.signed_in("root").await;
    let token = token(&mut root).await;
    for (path, status) in [
        ("/admin/sessions.json?limit=999999999", 200),
        ("/admin/sessions.json?limit=0", 200),
        ("/admin/sessions.json?limit=-1", 400),
        ("/admin/sessions.json?after=nonsense", 400),
        ("/admin/sessions.json?owner=alice&after=nonsense", 400),
        ("/admin/sessions.json?owner=a&owner=b", 400),
        (&format!("/admin/sessions.json?owner={}", "x".repeat(256)), 400),
        (&format!("/admin?owner={}", "x".repeat(5000)), 414),
        ("/admin/nowhere", 404),
    ] {
        assert_eq!(root.get(path).await.status, status, "{path}");
    }
    let padding = "x".repeat(5000);
    for (path, body, status) in [
        ("/admin/revoke", "handle=nonsense", 400),
        ("/admin/revoke", "", 400),
        ("/admin/revoke-owner", "owner=", 400),
        ("/admin", "action=unheard-of", 400),
        ("/admin/sweep", &padding, 413),
    ] {
        let headers = [("X-CSRF-Token", token.as_str()), FORM];
        assert_eq!(
            root.request("POST", path, &headers, body).await.status,
            status,
            "{path} {body}"
        );
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let behind = text.split_once(start).map_or("", |(_, behind)| behind);
    behind.split_once(end).map_or("", |(inside, _)| inside)
}
