//! The load generator: connections that each send one request after the other, over plain TCP, as fast as they are answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::measure::{Samples, micros};

pub const CONNECTIONS: usize = 32;

/// A connection that is kept.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends the bytes of a request; the head of the answer, which must be a success.
    async fn send(&mut self, request: &[u8]) -> Result<&str> {
        let (head, _) = self.exchange(request).await?;
        if !head.starts_with("HTTP/1.1 200") {
            bail!("the server answered {}", head.lines().next().unwrap_or_default());
        }
        Ok(head)
    }

    /// Sends the bytes of a request; head and body of the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(&str, &str)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection"
            );
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length: usize = header(str::from_utf8(&self.buffer[..head])?, "content-length")
            .next()
            .context("no content-length")?
            .parse()?;
        while self.buffer.len() < head + length {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
        }
        let (head, body) = self.buffer.split_at(head);
        Ok((str::from_utf8(head)?, str::from_utf8(body)?))
    }

    /// Starts a session; the cookie that a browser would send back.
    pub async fn start(&mut self) -> Result<String> {
        let head = self.send(&request("/start", None)).await?;
        let pairs: Vec<_> = header(head, "set-cookie")
            .filter_map(|value| value.split(';').next())
            .collect();
        Ok(pairs.join("; "))
    }
}

pub(crate) fn header<'a>(head: &'a str, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}

fn request(route: &str, cookie: Option<&str>) -> Vec<u8> {
    let cookie = cookie.map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"));
    format!("GET {route} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n").into_bytes()
}

/// What one run saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: u64,
    pub took: Duration,
    /// µs of each request.
    pub latencies: Samples,
}

/// Asks for a route for this long, with all of these cookies. Each cookie belongs to one connection, so that no two requests of one
/// session are under way at once.
pub async fn run(port: u16, route: &'static str, cookies: &[String], time: Duration) -> Result<Seen> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut lanes = JoinSet::new();
    let started = Instant::now();
    for lane in 0..CONNECTIONS {
        let mine = cookies
            .iter()
            .skip(lane)
            .step_by(CONNECTIONS)
            .filter(|cookie| !cookie.is_empty());
        let mut requests: Vec<_> = mine.map(|cookie| request(route, Some(cookie))).collect();
        if requests.is_empty() {
            requests.push(request(route, None));
        }
        let stop = Arc::clone(&stop);
        lanes.spawn(async move {
            let mut client = Client::connect(port).await?;
            let mut latencies = Samples::default();
            for request in requests.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let sent = Instant::now();
                client
                    .send(request)
                    .await
                    .with_context(|| format!("asking for {route}"))?;
                latencies.push(micros(sent.elapsed()));
            }
            anyhow::Ok(latencies)
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    while let Some(lane) = lanes.join_next().await {
        seen.latencies.extend(&lane??);
    }
    seen.took = started.elapsed();
    seen.requests = seen.latencies.len() as u64;
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\r\n";
        assert_eq!(header(head, "SET-COOKIE").collect::<Vec<_>>(), ["a=1; Path=/", "b=2"]);
    }
}
