//! What somebody brings along who wants to be somebody else: planted, tossed, forged and borrowed tokens. P3, P7.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value::Null;
use sha2::{Digest, Sha256};

use super::client::{Browser, send};
use super::site::{Site, World, key};
use crate::clock::Clock;
use crate::cookie::SigningKeys;
use crate::id::SessionId;

/// Sends each token and checks that nothing is loaded, accepted or set.
async fn all_are_rejected_without_store_access(site: &Site, tokens: impl IntoIterator<Item = String>, what: &str) {
    site.forget_calls();
    for token in tokens {
        let response = site.browser().with_token(&token).get("/info").await;
        assert!(
            matches!(response.status, 200 | 400),
            "{what}: {} for {token:?}",
            response.status
        );
        assert!(
            response.status == 400 || response.json()["new"] == true,
            "{what}: a rejected token opens nothing (P3): {token:?}"
        );
        assert!(response.all("set-cookie").is_empty(), "{what}: {token:?} (P10)");
    }
    assert_eq!(site.calls().total(), 0, "{what}: a forgery costs no store access (P3)");
}

fn token_of(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn bytes_of(token: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(token).expect("a token is base64url")
}

pub(super) async fn a_token_planted_before_a_login_is_worth_nothing_after_it(world: World) {
    let site = world.site().await;
    let mut stranger = site.browser();
    stranger.post("/set/cart", "planted").await;
    let signed_in = site.signed_in("mallory").await;
    for planted in [stranger, signed_in] {
        let mut victim = planted.clone();
        victim.post("/login/alice", "").await;
        victim.post("/set/secret", "hers").await;
        let mut attacker = planted.clone();
        assert_eq!(attacker.get("/info").await.json()["new"], true, "session fixation (P7)");
        assert_eq!(attacker.get("/get/secret").await.value(), Null);
        for path in ["/set/secret", "/login/mallory", "/renew", "/logout"] {
            planted.clone().post(path, "theirs").await;
        }
        assert_eq!(victim.get("/info").await.json()["owner"], "alice", "still signed in");
        assert_eq!(victim.get("/get/secret").await.value(), "hers");
        let mut mallory = site.signed_in("mallory").await;
        let listed = mallory.get("/sessions").await.body;
        let handle = victim.get("/info").await.json()["handle"].to_string();
        assert!(
            !listed.contains(&handle),
            "the victim's session is in the attacker's list (P12)"
        );
    }
}

pub(super) async fn a_genuine_token_of_an_id_that_was_never_stored_is_not_adopted(world: World) {
    let keys = SigningKeys::new(key(1));
    let site = world.site_with(keys.clone(), |config| config).await;
    for path in ["/set/k", "/add/n", "/login/alice", "/flash/hello", "/typed/1"] {
        let id = SessionId::generate().expect("randomness");
        let planted = keys.sign(&id);
        let mut victim = site.browser().with_token(&planted);
        victim.post(path, "mine").await;
        assert_ne!(victim.token(), planted, "{path}: an id that a client brought (P3)");
        let found = site.engine.store().load(id.store_key(), site.clock().now()).await;
        assert!(
            matches!(found, Ok(None)),
            "{path}: stored under an id that a client brought (P3)"
        );
        let mut attacker = site.browser().with_token(&planted);
        assert_eq!(attacker.get("/info").await.json()["new"], true, "{path}");
    }
    for path in ["/renew", "/logout", "/clear", "/remove/k"] {
        let planted = keys.sign(&SessionId::generate().expect("randomness"));
        let response = site.browser().with_token(&planted).post(path, "").await;
        let issued = response.session_cookies(site.cookie_name()).join("\n");
        assert!(issued.is_empty() || issued.contains("Max-Age=0"), "{path}: {issued}");
    }
}

pub(super) async fn cookies_tossed_around_the_real_one_do_not_hide_it(world: World) {
    let site = world.site().await;
    let mut ended = site.signed_in("alice").await;
    let dead = ended.token().to_owned();
    ended.post("/logout", "").await;
    let mut browser = site.signed_in("alice").await;
    browser.post("/set/k", "v").await;
    let name = site.cookie_name();
    let real = format!("{name}={}", browser.token());
    let forged = |letter: &str| format!("{name}={}", letter.repeat(64));
    let tossed = [
        format!("{name}="),
        name.to_owned(),
        format!("{name}=\"\""),
        format!("{name}=junk"),
        format!("{name} = junk"),
        format!("{name}={}", "j".repeat(2000)),
        format!("{name}={dead}"),
        format!("{name}=\"{dead}\"; {name}={dead}"),
        [forged("a"), forged("b"), forged("c")].join("; "),
        vec![forged("a"); 50].join("; "),
        format!("{}={}; {name}x={dead}", name.to_uppercase(), "A".repeat(64)),
        "=; ;; =;=".to_owned(),
    ];
    for tossed in &tossed {
        let together = [format!("{tossed}; {real}"), format!("{real}; {tossed}")];
        for cookies in &together {
            let response = send(site.addr(), "GET", "/get/k", &[("Cookie", cookies)], "").await;
            assert_eq!(response.value(), "v", "a tossed cookie hides the real one: {tossed}");
        }
        for apart in [[tossed, &real], [&real, tossed]] {
            let headers = apart.map(|cookies| ("Cookie", cookies.as_str()));
            let response = send(site.addr(), "GET", "/get/k", &headers, "").await;
            assert_eq!(response.value(), "v", "in a header of its own: {tossed}");
        }
    }
}

pub(super) async fn a_session_tossed_behind_the_real_one_is_left_alone(world: World) {
    let site = world.site().await;
    let mut mallory = site.signed_in("mallory").await;
    let victim = site.signed_in("alice").await;
    let name = site.cookie_name();
    let cookies = format!("{name}={}; {name}={}", victim.token(), mallory.token());
    let both = [("Cookie", cookies.as_str())];
    let info = send(site.addr(), "GET", "/info", &both, "").await;
    assert_eq!(info.json()["owner"], "alice", "the first of two live sessions counts");
    send(site.addr(), "POST", "/set/secret", &both, "hers").await;
    assert_eq!(mallory.get("/get/secret").await.value(), Null);
    send(site.addr(), "POST", "/logout", &both, "").await;
    assert_eq!(mallory.get("/info").await.json()["owner"], "mallory");
    assert_eq!(victim.clone().get("/info").await.json()["new"], true);
}

pub(super) async fn tossed_forgeries_cost_no_store_access_and_take_no_cookie_away(world: World) {
    let site = world.site().await;
    let mut victim = site.signed_in("alice").await;
    let name = site.cookie_name();
    let mut cookies: Vec<_> = (b'a'..=b'z')
        .map(|letter| format!("{name}={}", char::from(letter).to_string().repeat(64)))
        .collect();
    cookies.push(format!("{name}={}", victim.token()));
    site.forget_calls();
    let headers = [("Cookie", cookies.join("; "))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let response = send(site.addr(), "GET", "/info", &headers, "").await;
    assert_eq!(
        response.json()["new"],
        true,
        "at most four cookies of our name are tried"
    );
    assert_eq!(site.calls().total(), 0, "forgeries cost no store access (P3)");
    assert!(
        response.all("set-cookie").is_empty(),
        "the answer takes the real cookie away"
    );
    assert_eq!(victim.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn a_mac_cut_short_filled_up_or_moved_is_refused(world: World) {
    let site = world.site().await;
    let mut known = site.signed_in("alice").await;
    let token = known.token().to_owned();
    let bytes = bytes_of(&token);
    let (id, mac) = bytes.split_at(24);
    let mut forgeries: Vec<String> = (0..64).map(|length| token[..length].to_owned()).collect();
    // As long as a token again.
    for length in [0, 1, 31, 32, 33, 48, 62, 63] {
        for filler in ["A", "_", "0"] {
            let forged = format!("{}{}", &token[..length], filler.repeat(64 - length));
            forgeries.extend(Some(forged).filter(|forged| *forged != token));
        }
    }
    forgeries.extend(["=", "==", "A", "AAAA", "%00", "."].map(|behind| format!("{token}{behind}")));
    forgeries.extend([&token[1..], &token[..32], &token[32..]].map(str::to_owned));
    forgeries.push(format!("{token}{token}"));
    forgeries.push(format!("A{token}"));
    for parts in [[mac, id], [id, id], [mac, mac], [&[0; 24], mac], [id, &[0; 24]]] {
        forgeries.push(token_of(&parts.concat()));
    }
    // A MAC over fewer bytes of the id, with the rest of it in place of the MAC's beginning.
    forgeries.push(token_of(&[&id[..23], &mac[..1], &id[23..], &mac[1..]].concat()));
    all_are_rejected_without_store_access(&site, forgeries, "a MAC cut short, filled up or moved").await;
    assert_eq!(known.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn a_mac_made_for_anything_else_is_refused(world: World) {
    let site = world.site().await;
    let known = site.signed_in("alice").await;
    let bytes = bytes_of(known.token());
    let id = &bytes[..24];
    let of = |key: &[u8], message: &[&[u8]]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let mac = message.iter().fold(mac, Mac::chain_update);
        mac.finalize().into_bytes().to_vec()
    };
    let ours = [1; 32];
    let genuine = of(&ours, &[b"session token v1\0", id]);
    assert_eq!(genuine[..24], bytes[24..], "how a token is made has changed");
    let mut macs = vec![
        // The right key, for another purpose.
        of(&ours, &[id]),
        of(&ours, &[b"session token v1", id]),
        of(&ours, &[b"session token v2\0", id]),
        of(&ours, &[id, b"session token v1\0"]),
        of(&ours, &[b"csrf", id]),
        // Another end of the right MAC, and the MAC of nothing.
        genuine[8..].to_vec(),
        of(&ours, &[b"session token v1\0"]),
        // No key, and a hash where a MAC is asked for.
        of(&[], &[b"session token v1\0", id]),
        of(&[0; 32], &[b"session token v1\0", id]),
        Sha256::digest([&ours[..], b"session token v1\0", id].concat()).to_vec(),
        Sha256::digest(id).to_vec(),
    ];
    macs.iter_mut().for_each(|mac| mac.truncate(24));
    let forgeries: Vec<_> = macs.iter().map(|mac| token_of(&[id, mac].concat())).collect();
    all_are_rejected_without_store_access(&site, forgeries, "a MAC for another purpose").await;
}

pub(super) async fn a_token_under_a_key_that_was_taken_out_is_refused(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let token = browser.token().to_owned();
    // In the ring, taken out, in the ring of somebody else.
    let ring = site.redeployed(SigningKeys::new(key(2)).and_verify(key(1))).await;
    let mut reissued = ring.browser().with_token(&token);
    assert_eq!(reissued.get("/info").await.json()["owner"], "alice");
    let without = site.redeployed(SigningKeys::new(key(2)).and_verify(key(3))).await;
    all_are_rejected_without_store_access(&without, [token.clone()], "a key that was taken out").await;
    let others = site.redeployed(SigningKeys::new(key(9)).and_verify(key(8))).await;
    let both = [token, reissued.token().to_owned()];
    all_are_rejected_without_store_access(&others, both, "keys of another application").await;
    assert_eq!(
        without.browser().with_token(reissued.token()).get("/info").await.json()["owner"],
        "alice"
    );
}

pub(super) async fn a_token_of_a_form_and_a_handle_open_no_session(world: World) {
    let site = world.site().await;
    let mut browser: Browser = site.signed_in("alice").await;
    let form = browser.get("/csrf").await.json()["token"].clone();
    let handle = browser.get("/info").await.json()["handle"].clone();
    let (form, handle) = (form.as_str().unwrap_or_default(), handle.as_str().unwrap_or_default());
    assert!(!form.is_empty() && !handle.is_empty());
    let padded = format!("{form}{}", "A".repeat(64)).chars().take(64).collect();
    let repeated = handle.repeat(4).chars().take(64).collect();
    let borrowed = [form.to_owned(), padded, handle.to_owned(), repeated];
    all_are_rejected_without_store_access(&site, borrowed, "a token for another use").await;
    // And the other way round.
    let token = browser.token().to_owned();
    let answer = browser
        .request("POST", "/csrf/header", &[("X-CSRF-Token", &token)], "x")
        .await;
    assert_eq!(answer.status, 403, "the session's own token is none of a form");
}
