//! Lends a response's headers to `session-core`, which decides what they say.

use std::borrow::Cow;

use http::header::{CACHE_CONTROL, Entry, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, VARY};
use session_core::ResponseHeaders;

pub(crate) struct Headers<'a>(pub(crate) &'a mut HeaderMap);

impl ResponseHeaders for Headers<'_> {
    fn values(&self, name: &'static str) -> Vec<Cow<'_, str>> {
        self.0
            .get_all(header_name(name))
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect()
    }

    fn set(&mut self, name: &'static str, value: Cow<'static, str>) {
        self.0.insert(header_name(name), header_value(name, value));
    }

    fn append(&mut self, name: &'static str, value: Cow<'static, str>) {
        self.0.append(header_name(name), header_value(name, value));
    }

    /// One search for both: every response of a request that used its session pays for it.
    fn append_unless(&mut self, name: &'static str, value: Cow<'static, str>, enough: impl Fn(&str) -> bool) {
        match self.0.entry(header_name(name)) {
            Entry::Vacant(place) => {
                place.insert(header_value(name, value));
            }
            Entry::Occupied(mut place) => {
                let mut present = place.iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
                if !present.any(|value| enough(&value)) {
                    place.append(header_value(name, value));
                }
            }
        }
    }
}

/// Those that sessions set are not parsed each time: 15 ns each.
fn header_name(name: &'static str) -> HeaderName {
    match name {
        "vary" => VARY,
        "set-cookie" => SET_COOKIE,
        "cache-control" => CACHE_CONTROL,
        other => HeaderName::from_static(other),
    }
}

fn header_value(name: &'static str, value: Cow<'static, str>) -> HeaderValue {
    let mut value = match value {
        // Not checked each time: 10 ns.
        Cow::Borrowed("Cookie") => const { HeaderValue::from_static("Cookie") },
        Cow::Borrowed(value) => HeaderValue::from_static(value),
        Cow::Owned(value) => {
            HeaderValue::try_from(value).expect("session-core writes visible ASCII, or what the response had before")
        }
    };
    // Kept out of `Debug`, and so of the logs of other layers, and out of the compression tables of HTTP/2 (RFC 7541 §7.1.3).
    value.set_sensitive(name == "set-cookie");
    value
}
