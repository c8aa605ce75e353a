//! Requests to the probe, and its answers.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::load::{Client, header};

/// The cookie of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    None,
    Removed,
    New(String),
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) cookie: Cookie,
    pub(super) body: Value,
    pub(super) sent: Instant,
}

impl Answer {
    pub(super) fn value(&self) -> &Value {
        self.body.get("value").unwrap_or(&Value::Null)
    }
}

/// Sends one request and reads the answer to it.
pub(super) async fn ask(
    client: &mut Client,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Answer> {
    let cookie = token.map_or_else(String::new, |token| format!("Cookie: session={token}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: soak\r\nContent-Type: text/plain\r\n\
         {cookie}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = Instant::now();
    let (head, body) = client
        .exchange(request.as_bytes())
        .await
        .with_context(|| format!("{method} {path}"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let set = header(head, "set-cookie").find_map(|cookie| cookie.strip_prefix("session="));
    Ok(Answer {
        status: status.context("an answer has a status")?,
        cookie: match set.and_then(|cookie| cookie.split(';').next()) {
            None => Cookie::None,
            Some("") => Cookie::Removed,
            Some(token) => Cookie::New(token.to_owned()),
        },
        body: serde_json::from_str(body).unwrap_or(Value::Null),
        sent,
    })
}
