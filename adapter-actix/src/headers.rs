//! Lends a response's headers to `session-core`, which decides what they say.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use session_core::ResponseHeaders;

pub(crate) struct Headers<'a>(pub(crate) &'a mut HeaderMap);

impl ResponseHeaders for Headers<'_> {
    fn values(&self, name: &'static str) -> Vec<Cow<'_, str>> {
        self.0
            .get_all(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect()
    }

    fn set(&mut self, name: &'static str, value: Cow<'static, str>) {
        self.0.insert(HeaderName::from_static(name), header_value(value));
    }

    fn append(&mut self, name: &'static str, value: Cow<'static, str>) {
        let mut value = header_value(value);
        // Kept out of `Debug`, and so of the logs of other middlewares, and out of the compression tables of HTTP/2 (RFC 7541 §7.1.3).
        value.set_sensitive(name == "set-cookie");
        self.0.append(HeaderName::from_static(name), value);
    }
}

fn header_value(value: Cow<'static, str>) -> HeaderValue {
    match value {
        Cow::Borrowed(value) => HeaderValue::from_static(value),
        Cow::Owned(value) => {
            HeaderValue::try_from(value).expect("session-core writes visible ASCII, or what the response had before")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_the_headers_shows_no_token() {
        let mut map = HeaderMap::new();
        Headers(&mut map).append("set-cookie", Cow::Borrowed("session=TOKEN; Path=/"));
        assert_eq!(
            map.get("set-cookie").map(HeaderValue::as_bytes),
            Some(b"session=TOKEN; Path=/".as_slice())
        );
        assert!(!format!("{map:?}").contains("TOKEN"));
    }
}
