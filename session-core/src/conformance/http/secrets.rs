//! What no log may hold (P17): [`provoke`] walks through every route of a probe as every kind of visitor, with a store that works and
//! one that fails, and [`Secrets::search`] looks at what was logged meanwhile. A test of its own, and not a case: there is one log for all
//! threads of a process, so the process belongs to it.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::client::Browser;
use super::site::{IDLE, Site, World};
use crate::conformance::store::Operation;

/// A log in memory, to write to and to search. All clones are the same one.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything that was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What visitors were given and what they wrote.
#[derive(Default)]
pub struct Secrets {
    /// Tokens of sessions and of forms: nobody may log them.
    tokens: Vec<String>,
}

/// What visitors wrote into their sessions. A framework logs paths and headers as it likes; we do not.
const TEXTS: [&str; 5] = [
    "s3cret-value",
    "s3cret-owner",
    "s3cret-label",
    "s3cret-message",
    "s3cret-field",
];

impl Secrets {
    /// Looks for them in what was logged: events that each begin with a time and name their target, in one line or more. A framework that
    /// is known to log whole requests is passed over, by the beginning of its targets.
    ///
    /// # Panics
    ///
    /// If one is there, or if nothing of what must be there is.
    pub fn search(&self, log: &str, known: Option<&str>) {
        for expected in ["session created", "session token rejected", "session error"] {
            assert!(
                log.contains(expected),
                "the log was not captured: no {expected:?} in it"
            );
        }
        let told = self.tokens.len();
        assert!(told > 10, "{told} tokens: too few were given out");
        let mut found = String::new();
        let mut target = Target::Other;
        for line in log.lines() {
            // Otherwise it goes on with the event before.
            if line.starts_with(|first: char| first.is_ascii_digit()) {
                target = Target::of(line, known);
            }
            // Not even a part that leaves 2^96 guesses.
            let parts = self.tokens.iter().flat_map(|token| [&token[..32], &token[32..]]);
            if target != Target::Known
                && let Some(part) = parts.into_iter().find(|part| line.contains(part))
            {
                let _ = writeln!(found, "a part of a token, {part}: {line}");
            }
            if target == Target::Ours
                && let Some(text) = TEXTS.iter().find(|text| line.contains(**text))
            {
                let _ = writeln!(found, "{text}: {line}");
            }
        }
        assert!(found.is_empty(), "secrets are in the log (P17):\n{found}");
    }

    fn keep(&mut self, browser: &Browser) {
        self.tokens.extend(browser.token.clone());
    }
}

/// Who logged something.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    Ours,
    Known,
    Other,
}

impl Target {
    /// From an event as `time LEVEL target: message`, perhaps with spans in front of the target.
    fn of(event: &str, known: Option<&str>) -> Self {
        let named = |target: &str| {
            event
                .split(' ')
                .any(|word| word.starts_with(target) && word.ends_with(':'))
        };
        if ["session_", "adapter_"].into_iter().any(named) {
            return Self::Ours;
        }
        match known.is_some_and(named) {
            true => Self::Known,
            false => Self::Other,
        }
    }
}

/// Every route as every kind of visitor; then with every operation of the store failing in turn.
pub async fn provoke(world: World) -> Secrets {
    let site = world.site().await;
    let mut secrets = Secrets::default();
    let mut visitor = site.browser();
    visitor.post("/set/k", TEXTS[0]).await;
    secrets.keep(&visitor);
    let alice = signed_in(&site, TEXTS[1], &mut secrets).await;
    for browser in [visitor, alice.clone()] {
        walk(&site, browser, &mut secrets).await;
    }
    for token in [
        "A".repeat(64),
        alice.token()[..63].to_owned(),
        format!("{}A", &alice.token()[..63]),
    ] {
        walk(&site, site.browser().with_token(token), &mut secrets).await;
    }
    administrate(&site, &mut secrets).await;
    for operation in Operation::ALL {
        let browser = signed_in(&site, TEXTS[1], &mut secrets).await;
        for (method, path, body) in ROUTES {
            site.faults().fail_next(operation, 1);
            let mut browser = browser.clone();
            browser.request(method, path, &[("User-Agent", TEXTS[2])], body).await;
            secrets.keep(&browser);
        }
        site.faults().recover();
    }
    let mut expired = signed_in(&site, TEXTS[1], &mut secrets).await;
    site.clock().advance(IDLE + Duration::from_secs(1));
    expired.get("/info").await;
    administrate(&site, &mut secrets).await;
    secrets
}

async fn signed_in(site: &Site, owner: &str, secrets: &mut Secrets) -> Browser {
    let mut browser = site.browser();
    browser
        .request(
            "POST",
            &format!("/login/{owner}?remember"),
            &[("User-Agent", TEXTS[2])],
            "",
        )
        .await;
    browser.post("/set/k", TEXTS[0]).await;
    secrets.keep(&browser);
    browser
}

const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/get/k", ""),
    ("GET", "/get/tally", ""),
    ("POST", "/set/tally", TEXTS[0]),
    ("GET", "/typed", ""),
    ("POST", "/typed/1", ""),
    ("POST", "/remove/tally", ""),
    ("POST", "/add/k", ""),
    ("GET", "/info", ""),
    ("GET", "/sessions", ""),
    ("POST", "/flash/s3cret-message", ""),
    ("GET", "/flash", ""),
    ("GET", "/cached/k", ""),
    ("GET", "/stream", ""),
    ("GET", "/fail/500?key=k", ""),
    ("GET", "/no-such-route/s3cret-value", ""),
    ("POST", "/csrf/header", TEXTS[4]),
    ("POST", "/revoke/AAAAAAAAAAAAAAAAAAAA", ""),
    ("POST", "/revoke-others", ""),
    ("POST", "/renew", ""),
    ("POST", "/login/s3cret-owner", ""),
    ("POST", "/clear", ""),
    ("POST", "/logout", ""),
    ("POST", "/revoke-all", ""),
];

async fn walk(site: &Site, mut browser: Browser, secrets: &mut Secrets) {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let token = browser.get("/csrf").await.json()["token"].as_str().map(str::to_owned);
    secrets.keep(&browser);
    if let Some(token) = token {
        for body in [
            format!("csrf_token={token}&text={}", TEXTS[4]),
            format!("csrf_token={token}&unknown={}", TEXTS[4]),
            format!("text={}", TEXTS[4]),
            format!("csrf_token={}&text={}", &token[1..], TEXTS[4]),
        ] {
            browser.request("POST", "/csrf/form", &[form], &body).await;
            browser.request("POST", "/csrf/form", &[], &body).await;
        }
        for token in [token.as_str(), &token[1..]] {
            let header = ("X-CSRF-Token", token);
            browser.request("POST", "/csrf/header", &[header], TEXTS[4]).await;
        }
        secrets.tokens.push(token);
    }
    let too_large = TEXTS[0].repeat(30_000);
    browser.post("/set/k", &too_large).await;
    for (method, path, body) in ROUTES {
        browser.request(method, path, &[("User-Agent", TEXTS[2])], body).await;
        secrets.keep(&browser);
    }
    // A commit that finds its session gone.
    let late = signed_in(site, TEXTS[1], secrets).await;
    let mut slow = late.clone();
    let waiting = tokio::spawn(async move { slow.post("/slow/k", TEXTS[0]).await.status });
    site.gate.arrived(1).await;
    late.clone().post("/logout", "").await;
    site.gate.release(1);
    assert_eq!(waiting.await.expect("the slow request ends"), 409);
}

async fn administrate(site: &Site, secrets: &mut Secrets) {
    let mut root = signed_in(site, "root", secrets).await;
    let token = root.get("/csrf").await.json()["token"].clone();
    let token = token.as_str().expect("GET /csrf answers with a token").to_owned();
    secrets.tokens.push(token.clone());
    for (method, path) in [
        ("GET", "/admin"),
        ("GET", "/admin?owner=s3cret-owner"),
        ("GET", "/admin/stats.json"),
        ("GET", "/admin/sessions.json?limit=2"),
        ("GET", "/admin/sessions.json?after=s3cret-value"),
        ("POST", "/admin/revoke?handle=AAAAAAAAAAAAAAAAAAAA"),
        ("POST", "/admin/revoke-owner?owner=s3cret-owner"),
        ("POST", "/admin/sweep"),
    ] {
        root.request(method, path, &[("X-CSRF-Token", &token)], "").await;
        root.request(method, path, &[("X-CSRF-Token", &token[1..])], "").await;
        secrets.keep(&root);
    }
}
