//! [`Fleet`]: servers of several peers, each a process of its own, and what they take to answer the same load.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::load::{self, Client};
use crate::measure::{Samples, turns};
use crate::peers::Place;
use crate::peers::servers;
use crate::process::{RedisServer, free_port, processor_time, stop};

/// Live sessions of each server.
pub const COOKIES: usize = 1000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// How long a server is asked in one round.
    pub time: Duration,
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 7,
        time: Duration::from_millis(600),
    };
    pub const QUICK: Self = Self {
        rounds: 2,
        time: Duration::from_millis(150),
    };
}

/// Started servers; they end with it.
pub struct Fleet {
    ships: Vec<Ship>,
    redis: RedisServer,
    runtime: Runtime,
}

struct Ship {
    label: String,
    child: Child,
    port: u16,
    cookies: Vec<String>,
    _folder: TempDir,
}

impl Drop for Ship {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// What one server took, a sample a round.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    pub label: String,
    /// µs of the processor for one request.
    pub server: Samples,
    /// The same, of the Redis server.
    pub redis: Samples,
    /// Requests per second.
    pub rate: Samples,
    /// µs until the answer, of 99 % of the requests.
    pub late: Samples,
}

impl Fleet {
    /// Starts these servers, and sessions on each. The first one is the bare framework.
    pub fn start(words: &[&str]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let redis = RedisServer::start()?;
        let ships = words
            .iter()
            .map(|word| Ship::start(word, redis.url(), &runtime))
            .collect::<Result<_>>()?;
        Ok(Self { ships, redis, runtime })
    }

    /// Asks all of them for one route, in turns.
    pub fn ask(&self, route: &'static str, effort: Effort) -> Result<Vec<Taken>> {
        let new = |ship: &Ship| Taken {
            label: ship.label.clone(),
            ..Taken::default()
        };
        let mut taken: Vec<_> = self.ships.iter().map(new).collect();
        for ship in &self.ships {
            // Unmeasured: connections, caches, and the first request of each session.
            self.runtime
                .block_on(load::run(ship.port, route, &ship.cookies, effort.time / 3))?;
        }
        for turn in turns(effort.rounds, self.ships.len()) {
            let ship = &self.ships[turn];
            let before = (processor_time(ship.child.id())?, processor_time(self.redis.id())?);
            let seen = self
                .runtime
                .block_on(load::run(ship.port, route, &ship.cookies, effort.time))?;
            let after = (processor_time(ship.child.id())?, processor_time(self.redis.id())?);
            let each = |time: Duration| time.as_secs_f64() * 1e6 / seen.requests as f64;
            taken[turn].server.push(each(after.0 - before.0));
            taken[turn].redis.push(each(after.1 - before.1));
            taken[turn].rate.push(seen.requests as f64 / seen.took.as_secs_f64());
            taken[turn].late.push(seen.latencies.quantile(0.99));
        }
        Ok(taken)
    }
}

impl Ship {
    fn start(word: &str, redis: &str, runtime: &Runtime) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", word, "--port", &port.to_string(), "--redis", redis, "--folder"])
            .arg(folder.path().join("store"))
            // It ends when this pipe closes, also if we are killed.
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting the server {word}"))?;
        let mut ship = Self {
            label: servers::named(word)?.name().to_owned(),
            child,
            port,
            cookies: Vec::new(),
            _folder: folder,
        };
        ship.cookies = runtime.block_on(async {
            let mut client = ship
                .connect()
                .await
                .with_context(|| format!("connecting to the server {word}"))?;
            let mut cookies = Vec::new();
            for _ in 0..COOKIES {
                cookies.push(client.start().await?);
            }
            anyhow::Ok(cookies)
        })?;
        Ok(ship)
    }

    async fn connect(&mut self) -> Result<Client> {
        let started = Instant::now();
        loop {
            match Client::connect(self.port).await {
                Ok(client) => return Ok(client),
                Err(error) if started.elapsed() > Duration::from_secs(20) => return Err(error),
                Err(_) => ensure!(self.child.try_wait()?.is_none(), "it ended at once"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `serve`: what a [`Ship`] runs.
pub fn serve(word: &str, port: u16, folder: PathBuf, redis: String) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let place = Place {
        folder: Some(folder),
        redis: Some(redis),
        calls: None,
    };
    servers::named(word)?.serve(&place, port)
}
