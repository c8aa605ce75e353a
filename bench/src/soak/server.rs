//! The server: the probe application on the embedded store, as a process of its own, whose wall clock can be moved and which can be
//! broken on purpose, to see that a soak finds it.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use adapter_axum::FjallStore;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use session_core::conformance::probe::{Gate, Probe};
use session_core::{CleanerPolicy, Clock, Engine, SessionConfig, SigningKey, SigningKeys, SystemClock, Timestamp};

use super::model::Rules;
use super::weighed::Weighed;
use crate::process::stop;

#[path = "../../../adapter-axum/examples/probe/app.rs"]
mod app;

/// What a soak must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Expired sessions stay
    Cleaner,
    /// The wall clock is believed when it goes back
    Clock,
    /// Each request leaves 8 KiB behind
    Memory,
    /// Each request leaves a file open
    Files,
    /// One write in 500 is acknowledged and not done
    Writes,
    /// A logout does not end the session
    Logouts,
}

/// The command line of the child.
#[derive(Args, Debug)]
pub struct Options {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    idle: u64,
    #[arg(long)]
    absolute: u64,
    #[arg(long)]
    sweep: u64,
    #[arg(long)]
    cache: u64,
    #[arg(long)]
    fault: Option<Fault>,
}

/// What the wall clock is moved by, in seconds.
static MOVED: AtomicI64 = AtomicI64::new(0);

fn wall() -> SystemTime {
    let moved = MOVED.load(Ordering::SeqCst);
    let by = Duration::from_secs(moved.unsigned_abs());
    if moved < 0 {
        SystemTime::now() - by
    } else {
        SystemTime::now() + by
    }
}

/// A clock without the guard of [`SystemClock`].
struct Unguarded;

impl Clock for Unguarded {
    fn now(&self) -> Timestamp {
        wall().into()
    }
}

/// Runs in the child: serves until it is told to stop, or its input ends.
pub fn serve(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let store = FjallStore::builder(options.folder)
        .cache_size(options.cache << 20)
        .record_cache(options.cache << 20)
        .open()?;
    let weighed = Weighed::new(store.clone(), options.fault);
    let written = weighed.written();
    let clock: Arc<dyn Clock> = match options.fault {
        Some(Fault::Clock) => Arc::new(Unguarded),
        _ => Arc::new(SystemClock::reading(wall)),
    };
    let rules = Rules {
        idle: Duration::from_millis(options.idle),
        absolute: Duration::from_millis(options.absolute),
        sweep: Duration::from_millis(options.sweep),
    };
    let policy = match options.fault {
        Some(Fault::Cleaner) => CleanerPolicy::never(),
        _ => CleanerPolicy::every(rules.sweep),
    };
    let config = SessionConfig::builder()
        .danger()
        .insecure_cookies()
        .lifetime(rules.lifetime()?)
        .cleaner(policy)
        .build()?;
    let _within = runtime.enter();
    let engine = Engine::builder(Arc::new(weighed), SigningKeys::new(SigningKey::from_bytes(&[7; 32])?))
        .config(config)
        .clock(Arc::clone(&clock))
        .build();
    let mut site = app::app(Probe {
        engine: engine.clone(),
        gate: Gate::new(),
    });
    if let Some(fault @ (Fault::Memory | Fault::Files)) = options.fault {
        site = site.layer(axum::middleware::from_fn(move |request, next| {
            leak(fault, request, next)
        }));
    }
    let (stopped, stopping) = tokio::sync::oneshot::channel::<()>();
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    println!("{}", listener.local_addr()?.port());
    let obeying = std::thread::spawn(move || {
        let obeyed = obey(&store, &engine, &*clock, &written);
        engine.stop_cleaner();
        let _ = stopped.send(());
        obeyed
    });
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    runtime.block_on(async {
        axum::serve(listener, site)
            .with_graceful_shutdown(async {
                let _ = stopping.await;
            })
            .await
    })?;
    obeying.join().expect("the control thread does not panic")
}

async fn leak(fault: Fault, request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    match fault {
        Fault::Files => std::mem::forget(std::fs::File::open("/dev/null")),
        _ => std::mem::forget(std::hint::black_box(vec![1_u8; 8192])),
    }
    next.run(request).await
}

/// Answers each line of standard input by one of standard output.
fn obey(store: &FjallStore, engine: &Engine, clock: &dyn Clock, written: &AtomicU64) -> Result<()> {
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut words = line.split(' ');
        match words.next() {
            Some("jump") => {
                let by = words.next().context("a jump has a length")?.parse()?;
                MOVED.fetch_add(by, Ordering::SeqCst);
                println!("moved");
            }
            Some("count") => {
                let stats = store.stats(clock.now(), |_| {})?;
                let cleaner = engine.cleaner_status().unwrap_or_default();
                println!(
                    "{} {} {} {} {} {} {}",
                    stats.sessions,
                    stats.expired,
                    stats.unreadable,
                    stats.bytes,
                    written.load(Ordering::Relaxed),
                    cleaner.removed,
                    cleaner.errors,
                );
            }
            _ => break,
        }
    }
    Ok(())
}

/// What the server says of its store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub live: u64,
    pub expired: u64,
    pub unreadable: u64,
    /// Bytes of all records.
    pub bytes: u64,
    /// Bytes of all records that were handed to the store so far.
    pub written: u64,
    /// By the cleaner.
    pub removed: u64,
    /// Runs of the cleaner that failed.
    pub failed: u64,
}

/// The running child. It is killed when dropped.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    complaints: Option<std::thread::JoinHandle<Vec<String>>>,
    port: u16,
}

impl Server {
    pub fn start(folder: &Path, rules: Rules, cache: u64, fault: Option<Fault>) -> Result<Self> {
        let millis = |time: Duration| time.as_millis().to_string();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("soak-server")
            .arg("--folder")
            .arg(folder)
            .args(["--idle", &millis(rules.idle), "--absolute", &millis(rules.absolute)])
            .args(["--sweep", &millis(rules.sweep), "--cache", &cache.to_string()]);
        if let Some(fault) = fault {
            let fault = fault.to_possible_value().expect("no fault is skipped");
            command.args(["--fault", fault.get_name()]);
        }
        let mut child = command
            // It ends when this pipe closes, also if we are killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let errors = BufReader::new(child.stderr.take().context("stderr is piped")?);
        let complaints = std::thread::spawn(move || {
            errors
                .lines()
                .map_while(Result::ok)
                .inspect(|line| eprintln!("server: {line}"))
                .collect()
        });
        let mut server = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().context("stdout is piped")?),
            complaints: Some(complaints),
            port: 0,
            child,
        };
        server.port = server.answer()?.parse().context("the server names its port")?;
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the server has ended");
        line.pop();
        Ok(line)
    }

    fn tell(&mut self, line: &str) -> Result<String> {
        let input = self.input.as_mut().context("the server was told to stop")?;
        writeln!(input, "{line}")?;
        self.answer()
    }

    /// Moves its wall clock.
    pub fn jump(&mut self, seconds: i64) -> Result<()> {
        let answer = self.tell(&format!("jump {seconds}"))?;
        ensure!(answer == "moved", "the server did not move its clock");
        Ok(())
    }

    pub fn count(&mut self) -> Result<Count> {
        let answer = self.tell("count")?;
        let figures: Vec<u64> = answer.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [live, expired, unreadable, bytes, written, removed, failed] = figures[..] else {
            anyhow::bail!("the server counts something else");
        };
        Ok(Count {
            live,
            expired,
            unreadable,
            bytes,
            written,
            removed,
            failed,
        })
    }

    /// Lets it end by itself; what it wrote to standard error. An error if it did not end well.
    pub fn stop(mut self) -> Result<Vec<String>> {
        self.input = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        let complaints = self.complaints.take().expect("it is taken once");
        Ok(complaints.join().expect("reading lines does not panic"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
