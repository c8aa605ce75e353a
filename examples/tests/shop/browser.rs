//! [`Browser`]: a cookie jar, forms and redirects on raw HTTP/1.1, so that a scenario sees each header as it was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;

use super::Shop;

const LINUX_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const IPHONE_SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";

/// A visitor's browser. A clone is a thief's: it has the same cookies.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    address: String,
    cookies: BTreeMap<String, String>,
    user_agent: &'static str,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cookies: BTreeMap::new(),
            user_agent: LINUX_FIREFOX,
        }
    }

    pub(crate) fn on_a_phone(self) -> Self {
        Self {
            user_agent: IPHONE_SAFARI,
            ..self
        }
    }

    /// Goes on with a shop that was opened again on another port; cookies do not know about ports (RFC 6265 §8.5).
    pub(crate) fn moves_to(&mut self, shop: &Shop) {
        shop.address().clone_into(&mut self.address);
    }

    pub(crate) fn get(&mut self, path: &str) -> Page {
        self.request("GET", path, "")
    }

    /// Fills in a form on the page that shows it, and posts it with the token that the page gave it; the answer is the redirect.
    #[track_caller]
    pub(crate) fn post(&mut self, action: &str, form: &[(&str, &str)]) -> Page {
        let token = self.form_token(action);
        self.post_with(action, form, Some(&token))
    }

    /// Posts what no page has made: a form with that token, or with none.
    pub(crate) fn post_with(&mut self, action: &str, form: &[(&str, &str)], token: Option<&str>) -> Page {
        let token = token.map(|token| ("csrf_token", token));
        let fields: Vec<_> = form
            .iter()
            .copied()
            .chain(token)
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        self.request("POST", action, &fields.join("&"))
    }

    /// The token in a form of the page that shows it.
    #[track_caller]
    pub(crate) fn form_token(&mut self, action: &str) -> String {
        let page = self.get(page_with(action));
        let token = page.form_token(action).map(str::to_owned);
        token.unwrap_or_else(|| panic!("no form for {action} in:\n{}", page.body))
    }

    /// Posts a form and follows the redirect, which must be one.
    #[track_caller]
    pub(crate) fn submit(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let answer = self.post(path, form);
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        let location = answer.header("location").unwrap().to_owned();
        self.get(&location)
    }

    /// The value of the only cookie.
    pub(crate) fn token(&self) -> Option<String> {
        assert!(self.cookies.len() <= 1, "{:?}", self.cookies.keys());
        self.cookies.values().next().cloned()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The value of the header `Cookie`, if there is one to send.
    pub(crate) fn cookie_header(&self) -> Option<String> {
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn request(&mut self, method: &str, path: &str, body: &str) -> Page {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nConnection: close\r\n",
            self.address, self.user_agent
        );
        if let Some(cookies) = self.cookie_header() {
            write!(request, "Cookie: {cookies}\r\n").unwrap();
        }
        if method == "POST" {
            let length = body.len();
            write!(
                request,
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
            )
            .unwrap();
        }
        write!(request, "\r\n{body}").unwrap();

        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let page = Page::parse(&answer);
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            self.keep(cookie);
        }
        page
    }

    fn keep(&mut self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once("; ").unwrap_or((set_cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.split("; ").any(|attribute| attribute == "Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    fn parse(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        Self {
            status: status.parse().unwrap(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    /// An answer of which only this is known.
    pub(crate) fn bare(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(present, _)| present == name)?;
        Some(value)
    }

    /// The hidden token of the first form that posts there.
    fn form_token(&self, action: &str) -> Option<&str> {
        let (_, form) = self.body.split_once(&format!("action=\"{action}\""))?;
        let (form, _) = form.split_once("</form>")?;
        let (_, token) = form.split_once("name=\"csrf_token\" value=\"")?;
        Some(token.split_once('"')?.0)
    }
}

/// The page that shows a form.
fn page_with(action: &str) -> &str {
    match action {
        "/cart/add" => "/",
        "/sign-out" => "/session",
        "/staff/role" => "/staff",
        _ if action.starts_with("/cart/") => "/cart",
        _ if action.starts_with("/devices/") => "/devices",
        _ => action,
    }
}

fn escaped(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
        text
    })
}
