//! Bytes that no browser sends, and text that wants to be something else: P10, P17, P18.

use super::client::{exchange, send};
use super::site::World;

/// What a line break is written as in a path; then it is somebody's header, and somebody's response.
const SPLIT: &str = "x%0d%0aX-Injected:%20yes%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aSet-Cookie:%20session=evil";

/// Bytes in a row that do not end a header.
const PLACES: [(&[u8], &[u8]); 4] = [
    (b"session=", b""),
    (b"", b"=value; session=short"),
    (b"a=1;", b"; b=2"),
    (b"session=\"AAAA", b"AAAA\"; session"),
];

pub(super) async fn every_byte_value_in_the_cookie_header_is_survived(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    site.forget_calls();
    for byte in 0..=u8::MAX {
        for (before, behind) in PLACES {
            // As a token would be, if the place asks for one.
            let run = vec![byte; if behind.is_empty() { 64 } else { 1 }];
            let head = format!(
                "GET /info HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: ",
                site.addr()
            );
            let request = [head.as_bytes(), before, &run, behind, b"\r\n\r\n"].concat();
            let response = exchange(site.addr(), &request).await;
            let status = response.as_ref().map(|response| response.status);
            assert!(
                matches!(status, Some(200 | 400)),
                "byte {byte:#04x} in the cookie header: {status:?} (P18)"
            );
            assert!(response.is_none_or(|response| response.all("set-cookie").is_empty()));
        }
    }
    assert_eq!(site.calls().total(), 0, "no byte is a token (P3)");
    assert_eq!(browser.get("/info").await.json()["owner"], "alice", "the server lives");
}

pub(super) async fn nothing_that_a_visitor_writes_becomes_a_header(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("alice").await;
    let agent = "x\u{85}y\u{2028}z%0d%0aX-Injected: yes";
    let cookie = format!(
        "{}=x%0d%0aX-Injected:%20yes; a=%0aSet-Cookie:%20b=c",
        site.cookie_name()
    );
    for (method, path) in [
        ("POST", format!("/login/{SPLIT}")),
        ("POST", format!("/login/{SPLIT}?remember&next={SPLIT}")),
        ("POST", format!("/set/{SPLIT}")),
        ("GET", format!("/get/{SPLIT}")),
        ("POST", format!("/add/{SPLIT}")),
        ("POST", format!("/flash/{SPLIT}")),
        ("GET", format!("/cached/{SPLIT}")),
        ("POST", format!("/revoke/{SPLIT}")),
        ("GET", format!("/fail/404?key={SPLIT}")),
        ("GET", format!("/{SPLIT}")),
        ("GET", "/flash".to_owned()),
        ("GET", "/sessions".to_owned()),
        ("GET", "/info".to_owned()),
    ] {
        let shown = format!("{method} {path}");
        let signed_in = browser
            .request(method, &path, &[("User-Agent", agent)], "\r\n\r\nX-Injected: yes")
            .await;
        let headers = [("Cookie", cookie.as_str()), ("User-Agent", agent)];
        let stranger = send(site.addr(), method, &path, &headers, "x").await;
        for response in [signed_in, stranger] {
            assert!(response.status < 500, "{shown}: {}", response.status);
            let names = response.headers.iter().map(|(name, _)| name.as_str());
            let injected: Vec<_> = names.filter(|name| name.contains("injected")).collect();
            assert!(
                injected.is_empty(),
                "{shown}: a visitor set a header: {:?}",
                response.headers
            );
            assert!(
                !response.body.contains("HTTP/1.1 200 OK\r\n"),
                "{shown}: the response is split in two"
            );
            for set in response.all("set-cookie") {
                assert!(
                    set.starts_with(site.cookie_name()) && !set.contains("evil"),
                    "{shown}: {set}"
                );
            }
        }
    }
}

pub(super) async fn a_visitor_s_text_comes_back_as_text(world: World) {
    let site = world.site().await;
    // Signed in under a name of control characters, and found again under exactly that name.
    let mut browser = site.signed_in("a%0d%0ab%00%1b[2J%22%3Cscript%3E").await;
    let name = "a\r\nb\u{0}\u{1b}[2J\"<script>";
    assert_eq!(browser.get("/info").await.json()["owner"], name);
    let listed = browser.get("/sessions").await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1));
    assert!(
        !listed.body.bytes().any(|byte| byte < b' '),
        "control characters are escaped in JSON: {:?}",
        listed.body
    );
    assert_eq!(browser.post("/revoke-all", "").await.json()["revoked"], 1);
}

pub(super) async fn hundreds_of_cookies_in_dozens_of_headers_are_survived(world: World) {
    let site = world.site().await;
    let browser = site.signed_in("alice").await;
    let name = site.cookie_name();
    let many: Vec<_> = (0..40)
        .map(|line| {
            let cookies = (0..20).map(|number| format!("c{line}x{number}=1; {name}=junk{number}"));
            cookies.collect::<Vec<_>>().join("; ")
        })
        .collect();
    let real = format!("{name}={}", browser.token());
    let mut headers: Vec<_> = many.iter().map(|cookies| ("Cookie", cookies.as_str())).collect();
    headers.push(("Cookie", &real));
    let response = send(site.addr(), "GET", "/info", &headers, "").await;
    // A server may refuse so large a head, but as the client's error.
    assert!(
        matches!(response.status, 200 | 400 | 413 | 431),
        "800 cookies: {} (P18)",
        response.status
    );
    if response.status == 200 {
        assert_eq!(response.json()["owner"], "alice", "the real one is among them");
    }
    let mut after = site.browser().with_token(browser.token());
    assert_eq!(after.get("/info").await.json()["owner"], "alice");
}

pub(super) async fn no_hostile_path_or_query_is_a_server_error(world: World) {
    let site = world.site().await;
    let mut browser = site.signed_in("root").await;
    let (short, long) = ("a".repeat(100), "a".repeat(3000));
    for text in [
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "..%2f..%2f",
        "%c0%af",
        "-1",
        "{}",
        "'--",
        &short,
        &long,
    ] {
        let mut requests = vec![
            ("GET", format!("/get/{text}")),
            ("POST", format!("/remove/{text}")),
            ("POST", format!("/revoke/{text}")),
            ("POST", format!("/typed/{text}")),
            ("GET", format!("/admin/sessions.json?after={text}")),
            ("GET", format!("/admin?owner={text}&after={text}&limit={text}")),
        ];
        // What is too long to be stored is the application's fault, which should have looked: 500.
        if text.len() < long.len() {
            requests.extend(["set", "add", "flash"].map(|route| ("POST", format!("/{route}/{text}"))));
            let path = format!("/login/{text}");
            let response = site.browser().post(&path, "").await;
            assert!(response.status < 500, "{path}: {} (P18)", response.status);
        }
        for (method, path) in requests {
            let response = browser.clone().request(method, &path, &[], "").await;
            assert!(response.status < 500, "{method} {path}: {} (P18)", response.status);
        }
    }
    assert_eq!(browser.get("/info").await.json()["owner"], "root");
}

pub(super) async fn a_flood_of_strangers_stores_nothing_and_is_told_nothing(world: World) {
    let site = world.site().await;
    site.forget_calls();
    let routes = [
        ("GET", "/plain"),
        ("GET", "/get/k"),
        ("GET", "/info"),
        ("GET", "/sessions"),
        ("GET", "/typed"),
        ("GET", "/flash"),
        ("POST", "/remove/k"),
        ("POST", "/clear"),
        ("POST", "/renew"),
        ("POST", "/logout"),
        ("POST", "/revoke-all"),
        ("POST", "/revoke/AAAAAAAAAAAAAAAAAAAA"),
        ("POST", "/typed/0"),
        ("GET", "/fail/404"),
        ("GET", "/admin"),
        ("GET", "/no-such-route"),
    ];
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..20 {
        let token = match number % 4 {
            0 => None,
            1 => Some(format!("{number:064}")),
            2 => Some("junk".repeat(number)),
            _ => Some(number.to_string()),
        };
        let mut browser = site.browser();
        browser.token = token;
        requests.spawn(async move {
            for (method, path) in routes {
                let response = browser.clone().request(method, path, &[], "").await;
                assert!(
                    response.all("set-cookie").is_empty(),
                    "{method} {path} sets a cookie for nobody (P10)"
                );
                assert!(response.status < 500, "{method} {path}: {}", response.status);
            }
        });
    }
    while let Some(done) = requests.join_next().await {
        done.expect("the flood ends");
    }
    assert_eq!(
        site.calls().total(),
        0,
        "320 requests of strangers reached the store (P10)"
    );
}
