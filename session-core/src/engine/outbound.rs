//! The last step of a request: what the response head has to carry (P14). An adapter lends its header map; every decision about
//! the headers is made here.

use std::borrow::Cow;
use std::fmt;

use crate::cookie::Standing;
use crate::record::Persistence;
use crate::session::Slot;
use crate::session::state::{Base, CookieDuty, Head, Live, State};

/// A framework's response headers, as far as sessions are concerned. Names are in lower case.
pub trait ResponseHeaders {
    /// All values of a header, in order.
    fn values(&self, name: &'static str) -> Vec<Cow<'_, str>>;

    /// Sets a header to one value, in place of all it had.
    fn set(&mut self, name: &'static str, value: Cow<'static, str>);

    /// Adds one more value to a header.
    fn append(&mut self, name: &'static str, value: Cow<'static, str>);

    /// Adds one more value to a header, unless one that it has is `enough`.
    fn append_unless(&mut self, name: &'static str, value: Cow<'static, str>, enough: impl Fn(&str) -> bool) {
        if !self.values(name).iter().any(|value| enough(value)) {
            self.append(name, value);
        }
    }
}

/// What the response head has to carry. `Debug` does not show the cookie.
#[derive(Clone)]
#[must_use = "without its headers the browser never learns the token"]
pub struct Outbound {
    used: Used,
    set_cookie: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    No,
    Yes,
}

impl Outbound {
    pub(super) fn untouched() -> Self {
        Self {
            used: Used::No,
            set_cookie: None,
        }
    }

    /// For the error answer in place of a session or of a response whose commit failed: it depends on the cookie and sets none.
    pub fn failed() -> Self {
        Self {
            used: Used::Yes,
            set_cookie: None,
        }
    }

    /// Writes the headers: `Set-Cookie` if there is something to say, `Vary: Cookie` if the session was used (RFC 9110 §12.5.5),
    /// and a `Cache-Control` that keeps a response with a cookie out of shared caches (RFC 9111 §5.2.2.7).
    pub fn write_to(self, headers: &mut impl ResponseHeaders) {
        if self.used == Used::No {
            return;
        }
        headers.append_unless("vary", Cow::Borrowed("Cookie"), |value| {
            let mut fields = value.split(',').map(str::trim);
            fields.any(|field| field == "*" || field.eq_ignore_ascii_case("cookie"))
        });
        let Some(set_cookie) = self.set_cookie else { return };
        headers.append("set-cookie", Cow::Owned(set_cookie));
        if let Some(value) = private(&headers.values("cache-control").join(", ")) {
            headers.set("cache-control", value);
        }
        // RFC 9213: what targets a shared cache overrides `Cache-Control` there.
        for targeted in ["cdn-cache-control", "surrogate-control"] {
            if !headers.values(targeted).is_empty() {
                headers.set(targeted, Cow::Borrowed("no-store"));
            }
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("used", &self.used)
            .field("sets_cookie", &self.set_cookie.is_some())
            .finish()
    }
}

/// The `Cache-Control` that allows no shared cache to store the response; `None` if the present one does not either.
fn private(present: &str) -> Option<Cow<'static, str>> {
    let directives: Vec<&str> = present
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    let is = |directive: &str, name: &str| directive.eq_ignore_ascii_case(name);
    if directives
        .iter()
        .any(|directive| is(directive, "private") || is(directive, "no-store"))
    {
        return None;
    }
    if directives.is_empty() {
        return Some(Cow::Borrowed("private"));
    }
    let names_shared = |directive: &str| {
        let name = directive.split('=').next().unwrap_or(directive).trim();
        // `private="field"` would keep the rest of the response in shared caches.
        is(name, "public") || is(name, "s-maxage") || is(name, "private")
    };
    let kept = directives.into_iter().filter(|directive| !names_shared(directive));
    Some(Cow::Owned(
        std::iter::once("private").chain(kept).collect::<Vec<_>>().join(", "),
    ))
}

impl Slot {
    /// Closes the head: from now on no cookie can be set.
    pub(super) fn outbound(&self, state: &mut State) -> Outbound {
        state.head = Head::Sent;
        let cookie = &self.engine().config().cookie;
        let set_cookie = match (
            std::mem::replace(&mut state.cookie, CookieDuty::Nothing),
            state.base.live(),
        ) {
            (CookieDuty::Issue, Some(live)) => {
                Some(cookie.issue(&self.engine().keys().sign(&live.id), self.max_age(live)))
            }
            (CookieDuty::Remove, _) => Some(cookie.remove()),
            (CookieDuty::Issue, None) | (CookieDuty::Nothing, _) => None,
        };
        if set_cookie.is_some()
            && let Base::Live(live) = &mut state.base
        {
            live.standing = Standing::Current;
        }
        Outbound {
            used: Used::Yes,
            set_cookie,
        }
    }

    /// How long the browser is to keep a remembered cookie: as long as the record lives.
    fn max_age(&self, live: &Live) -> Option<std::time::Duration> {
        match live.record.persistence() {
            Persistence::Browser => None,
            Persistence::Remembered => Some(live.record.expires_at().saturating_since(self.engine().now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Headers(Vec<(&'static str, String)>);

    impl ResponseHeaders for Headers {
        fn values(&self, name: &'static str) -> Vec<Cow<'_, str>> {
            self.0
                .iter()
                .filter(|(other, _)| *other == name)
                .map(|(_, value)| value.as_str().into())
                .collect()
        }

        fn set(&mut self, name: &'static str, value: Cow<'static, str>) {
            self.0.retain(|(other, _)| *other != name);
            self.append(name, value);
        }

        fn append(&mut self, name: &'static str, value: Cow<'static, str>) {
            self.0.push((name, value.into_owned()));
        }
    }

    fn written(set_cookie: Option<&str>, present: &[(&'static str, &str)]) -> Headers {
        let mut headers = Headers(
            present
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        );
        Outbound {
            used: Used::Yes,
            set_cookie: set_cookie.map(str::to_owned),
        }
        .write_to(&mut headers);
        headers
    }

    #[test]
    fn a_used_session_varies_by_cookie_and_leaves_caching_alone() {
        let headers = written(None, &[("vary", "Accept"), ("cache-control", "public")]);
        assert_eq!(headers.values("vary"), ["Accept", "Cookie"]);
        assert_eq!(headers.values("cache-control"), ["public"]);
    }

    #[test]
    fn vary_is_not_said_twice() {
        for present in ["cookie", "Accept, Cookie", "*"] {
            assert_eq!(written(None, &[("vary", present)]).values("vary"), [present]);
        }
    }

    #[test]
    fn an_untouched_session_says_nothing() {
        let mut headers = Headers::default();
        Outbound::untouched().write_to(&mut headers);
        assert!(headers.0.is_empty());
    }

    #[test]
    fn a_response_with_a_cookie_cannot_be_stored_by_a_shared_cache() {
        let table = [
            ("", "private"),
            ("no-store", "no-store"),
            ("private", "private"),
            ("Private, max-age=5", "Private, max-age=5"),
            ("public, max-age=60", "private, max-age=60"),
            ("s-maxage=60, must-revalidate", "private, must-revalidate"),
            ("private=\"set-cookie\", max-age=60", "private, max-age=60"),
            ("max-age=60", "private, max-age=60"),
        ];
        for (present, expected) in table {
            let present: &[_] = if present.is_empty() {
                &[]
            } else {
                &[("cache-control", present)]
            };
            assert_eq!(written(Some("a=b"), present).values("cache-control"), [expected]);
        }
    }

    #[test]
    fn what_targets_a_cdn_is_overridden_too() {
        let headers = written(Some("a=b"), &[("cdn-cache-control", "max-age=60")]);
        assert_eq!(headers.values("cdn-cache-control"), ["no-store"]);
        assert!(headers.values("surrogate-control").is_empty());
    }

    #[test]
    fn the_application_s_own_cookies_stay() {
        assert_eq!(
            written(Some("a=b"), &[("set-cookie", "x=y")]).values("set-cookie"),
            ["x=y", "a=b"]
        );
    }
}
