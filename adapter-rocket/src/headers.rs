//! Lends a response's headers to `session-core`, which decides what they say. Rocket's cookie jar has no part in it.

use std::borrow::Cow;

use rocket::Response;
use session_core::ResponseHeaders;

pub(crate) struct Headers<'a, 'r>(pub(crate) &'a mut Response<'r>);

impl ResponseHeaders for Headers<'_, '_> {
    fn values(&self, name: &'static str) -> Vec<Cow<'_, str>> {
        self.0.headers().get(name).map(Cow::Borrowed).collect()
    }

    fn set(&mut self, name: &'static str, value: Cow<'static, str>) {
        self.0.set_raw_header(name, value);
    }

    fn append(&mut self, name: &'static str, value: Cow<'static, str>) {
        self.0.adjoin_raw_header(name, value);
    }
}
