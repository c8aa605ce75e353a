//! What a browser takes from a response, for tests of an engine that need no framework.

use std::borrow::Cow;

use crate::engine::{Outbound, ResponseHeaders};

/// The value of the `Set-Cookie` header that a response carries, if it does.
pub fn set_cookie(outbound: Outbound) -> Option<String> {
    let mut headers = SetCookie(None);
    outbound.write_to(&mut headers);
    headers.0
}

struct SetCookie(Option<String>);

impl ResponseHeaders for SetCookie {
    fn values(&self, _name: &'static str) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    fn set(&mut self, _name: &'static str, _value: Cow<'static, str>) {}

    fn append(&mut self, name: &'static str, value: Cow<'static, str>) {
        if name == "set-cookie" {
            self.0 = Some(value.into_owned());
        }
    }
}
