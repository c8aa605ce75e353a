//! A client that shows every byte: raw HTTP/1.1 over TCP, one connection a request, and a [`Browser`] that keeps one cookie.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response as it came over the wire.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body, with chunks joined.
    pub body: String,
}

impl Response {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The `Set-Cookie` headers for the session's cookie.
    pub fn session_cookies(&self, name: &str) -> Vec<&str> {
        let named = |value: &&str| value.split('=').next() == Some(name);
        self.all("set-cookie").into_iter().filter(named).collect()
    }

    /// Whether the response depends on cookies, as far as it says.
    pub fn varies_by_cookie(&self) -> bool {
        self.all("vary")
            .iter()
            .flat_map(|value| value.split(','))
            .any(|field| field.trim().eq_ignore_ascii_case("cookie"))
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("the body is no JSON ({error}): {:?}", self.body))
    }

    /// The member `value` of a JSON body.
    pub fn value(&self) -> serde_json::Value {
        self.json()["value"].clone()
    }
}

/// Sends one request with exactly these headers (a body is `text/plain` unless they say otherwise) and reads the response to its end.
pub async fn send(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    if !body.is_empty() || method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            head += "Content-Type: text/plain\r\n";
        }
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let answer = exchange(addr, format!("{head}\r\n{body}").as_bytes()).await;
    answer.expect("the probe answers to the end")
}

/// Sends these bytes and reads what comes back, until the server closes the connection; `None` if it answers nothing.
///
/// A server that refuses a request may close the connection before it has read all of it; that is an end like any other.
pub async fn exchange(addr: SocketAddr, request: &[u8]) -> Option<Response> {
    let mut stream = TcpStream::connect(addr).await.expect("the probe accepts connections");
    let mut bytes = Vec::new();
    for ended in [
        stream.write_all(request).await,
        stream.read_to_end(&mut bytes).await.map(|_| ()),
    ] {
        if let Err(error) = ended {
            let closed = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
            assert!(closed, "talking to the probe: {error}");
        }
    }
    (!bytes.is_empty()).then(|| parse(&bytes))
}

fn parse(bytes: &[u8]) -> Response {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no response head in {text:?}"));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    Response {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        body: if chunked { dechunk(body) } else { body.to_owned() },
        headers,
    }
}

fn dechunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        body.push_str(&behind[..size]);
        rest = behind[size..].trim_start_matches("\r\n");
    }
    body
}

/// Keeps the session's cookie between requests, as a browser does.
#[derive(Clone, Debug)]
pub struct Browser {
    addr: SocketAddr,
    name: String,
    /// The token, if there is one.
    pub token: Option<String>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(addr: SocketAddr, cookie_name: &str) -> Self {
        Self {
            addr,
            name: cookie_name.to_owned(),
            token: None,
        }
    }

    /// The same, with a token that it was given.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("the response set a session cookie")
    }

    /// `GET`, keeping what the response sets.
    pub async fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], "").await
    }

    /// `POST`, keeping what the response sets.
    pub async fn post(&mut self, path: &str, body: &str) -> Response {
        self.request("POST", path, &[], body).await
    }

    /// Any request, keeping what the response sets.
    pub async fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let cookie = self.token.as_ref().map(|token| format!("{}={token}", self.name));
        let mut headers = headers.to_vec();
        headers.extend(cookie.as_deref().map(|cookie| ("Cookie", cookie)));
        let response = send(self.addr, method, path, &headers, body).await;
        if let Some(set) = response.session_cookies(&self.name).last() {
            let value = set
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .map_or("", |(_, value)| value);
            self.token = Some(value.to_owned()).filter(|value| !value.is_empty() && !set.contains("Max-Age=0"));
        }
        response
    }
}
