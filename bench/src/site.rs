//! The site that every peer builds, and the visitors that drive it in process: the same routes, the same data, the same work in each
//! handler.
//!
//! | route | what its handler does |
//! |---|---|
//! | `/untouched` | nothing with the session |
//! | `/start` | stores `name` (a short text) and `visits` (a number): a visitor's first write |
//! | `/read` | reads both |
//! | `/write` | reads both, stores `visits` + 1 |
//! | `/login` | signs somebody in under a new id, as the library advises |
//! | `/logout` | ends the session |

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request, Response};
use tower::Service;

use crate::measure::Picker;

pub const NAME: &str = "name";
pub const VISITS: &str = "visits";
pub const USER: &str = "user";
pub const VALUE: &str = "Ada Lovelace";

/// Somebody who signs in; another one each time, as on a real site.
pub fn next_user() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a visitor brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// No cookie.
    New,
    /// The cookie of one of the live sessions, another one each time.
    Live,
    /// The cookie of a live session with one character changed.
    Forged,
    /// A session of its own that was just started, for what ends or renews it.
    Started,
    /// The same, signed in.
    SignedIn,
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub route: &'static str,
    pub visitor: Visitor,
}

const fn scenario(name: &'static str, route: &'static str, visitor: Visitor) -> Scenario {
    Scenario { name, route, visitor }
}

pub const SCENARIOS: [Scenario; 8] = [
    scenario("untouched, no cookie", "/untouched", Visitor::New),
    scenario("untouched, cookie", "/untouched", Visitor::Live),
    scenario("anonymous read", "/read", Visitor::New),
    scenario("live read", "/read", Visitor::Live),
    scenario("live read+write", "/write", Visitor::Live),
    scenario("forged token", "/read", Visitor::Forged),
    scenario("login", "/login", Visitor::Started),
    scenario("logout", "/logout", Visitor::SignedIn),
];

/// The scenario of a name in [`SCENARIOS`].
pub fn named(name: &str) -> Scenario {
    *SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .expect("the names in the source are those of the table")
}

/// A site in this process, with live sessions.
pub struct Site {
    router: Router,
    cookies: Vec<String>,
    picker: Picker,
}

impl Site {
    /// Starts this many sessions on it. A site without sessions keeps the cookies that it is given.
    pub async fn new(router: Router, sessions: usize) -> Result<Self> {
        const LANES: usize = 64; // a durable store answers many at once
        let mut lanes = tokio::task::JoinSet::new();
        for lane in 0..LANES.min(sessions) {
            let mut router = router.clone();
            lanes.spawn(async move {
                let mut cookies = Vec::new();
                for _ in (lane..sessions).step_by(LANES) {
                    cookies.push(
                        visit(&mut router, "/start", None)
                            .await?
                            .context("a started session has a cookie")?,
                    );
                }
                anyhow::Ok(cookies)
            });
        }
        let mut cookies = Vec::with_capacity(sessions);
        while let Some(lane) = lanes.join_next().await {
            cookies.extend(lane??);
        }
        Ok(Self {
            router,
            cookies,
            picker: Picker::new(1),
        })
    }

    /// The bare framework: it gets the same cookies as a peer, and does not look at them.
    pub fn bare(router: Router, like: &Site) -> Self {
        Self {
            router,
            cookies: like.cookies.clone(),
            picker: Picker::new(1),
        }
    }

    /// Requests of one kind, ready to be sent: what this costs is not measured.
    pub async fn requests(&mut self, scenario: Scenario, count: usize) -> Result<Vec<Request<Body>>> {
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            let cookie = match scenario.visitor {
                Visitor::New => None,
                Visitor::Live => Some(self.any_cookie()),
                Visitor::Forged => Some(forged(&self.any_cookie())),
                Visitor::Started => self.started().await?,
                Visitor::SignedIn => {
                    let started = self.started().await?;
                    let signed_in = visit(&mut self.router, "/login", started.as_deref()).await?;
                    signed_in.or(started)
                }
            };
            requests.push(request(scenario.route, cookie.as_deref()));
        }
        Ok(requests)
    }

    /// Sends them one after the other: this is what is measured. Answers how many were not answered with a success.
    pub async fn run(&mut self, requests: Vec<Request<Body>>) -> usize {
        let mut failed = 0;
        for request in requests {
            let response = call(&mut self.router, request).await;
            failed += usize::from(!response.status().is_success());
        }
        failed
    }

    async fn started(&mut self) -> Result<Option<String>> {
        visit(&mut self.router, "/start", None).await
    }

    fn any_cookie(&mut self) -> String {
        let index = self.picker.below(self.cookies.len() as u64);
        self.cookies[index as usize].clone()
    }
}

fn request(route: &str, cookie: Option<&str>) -> Request<Body> {
    let mut request = Request::get(route);
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    request
        .body(Body::empty())
        .expect("a route and a cookie make a request")
}

async fn call(router: &mut Router, request: Request<Body>) -> Response<Body> {
    router.call(request).await.unwrap_or_else(|never| match never {})
}

/// Makes one request; the cookie that the visitor then has, if it was given one.
async fn visit(router: &mut Router, route: &str, cookie: Option<&str>) -> Result<Option<String>> {
    let response = call(router, request(route, cookie)).await;
    ensure!(
        response.status().is_success(),
        "{route} was answered with {}",
        response.status()
    );
    Ok(cookie_of(response.headers()))
}

/// What a browser sends back.
fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let pairs: Vec<_> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

/// The same cookie with one character of its first value changed: in the signature, or in the id if it has none.
pub fn forged(cookie: &str) -> String {
    let at = cookie.find('=').expect("a cookie has a name") + 4;
    let other = if cookie.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_cookie_differs_in_one_character() {
        assert_eq!(forged("id=abcdef; other=1"), "id=abcAef; other=1");
        assert_eq!(forged("id=abcAef"), "id=abcBef");
    }
}
