//! An application process: the test binary, started again. It works until its standard input ends, which it does too if the test dies.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_redis::{RedisStore, RedisStoreBuilder};

use crate::history::Recorder;
use crate::random::Random;
use crate::support::load;
use crate::workload::{Client, Mode, Pool};

/// What a worker is told, by the environment.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) folder: PathBuf,
    pub(crate) process: u64,
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    pub(crate) replicas: u32,
}

const ORDERS: &str = "REDIS_CHECKER_ORDERS";
const CLIENTS: u64 = 5;
/// Of one process; a process that is killed is followed by one with another number.
const KEYS: u64 = 1_000_000;

impl Orders {
    /// The test that is a worker is given by its full name.
    pub(crate) fn start(&self, test: &str) -> Worker {
        let mode = Mode::ALL
            .iter()
            .position(|mode| *mode == self.mode)
            .expect("one of all");
        let orders = [
            self.url.clone(),
            self.prefix.clone(),
            self.folder.display().to_string(),
            self.process.to_string(),
            self.seed.to_string(),
            mode.to_string(),
            self.replicas.to_string(),
        ];
        let child = Command::new(std::env::current_exe().expect("this program has a name"))
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(ORDERS, orders.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        Worker {
            child: child.expect("this program starts again"),
        }
    }

    fn given() -> Option<Self> {
        let orders = std::env::var(ORDERS).ok()?;
        let orders: Vec<&str> = orders.lines().collect();
        let [url, prefix, folder, process, seed, mode, replicas] = orders[..] else {
            panic!("not the orders of a worker: {orders:?}");
        };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        Some(Self {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
            folder: Path::new(folder).to_owned(),
            process: number(process),
            seed: number(seed),
            mode: Mode::ALL[number(mode) as usize],
            replicas: u32::try_from(number(replicas)).expect("a few"),
        })
    }

    pub(crate) fn store(&self) -> RedisStoreBuilder {
        let builder = load::builder(&self.url).prefix(&self.prefix);
        if self.replicas > 0 {
            builder.wait_replicas(self.replicas, Duration::from_millis(300))
        } else {
            builder
        }
    }
}

pub(crate) struct Worker {
    child: Child,
}

impl Worker {
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        let _ = self.child.wait();
    }

    /// Lets it finish what it does.
    ///
    /// # Panics
    ///
    /// If one of its clients did.
    pub(crate) fn finish(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "a worker has failed: {status}");
    }
}

/// What a worker does, if this process is one.
pub(crate) fn work() {
    let Some(orders) = Orders::given() else { return };
    let is_over = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::stdin().read(&mut [0]);
            is_over.store(true, Ordering::Relaxed);
        });
        runtime.block_on(run(&orders, &is_over));
    });
}

async fn run(orders: &Orders, is_over: &AtomicBool) {
    let recorder = Recorder::create(&orders.folder, orders.process);
    let pool = Mutex::new(Pool::default());
    let Some(store) = opened(orders, is_over).await else {
        return;
    };
    let clients = (0..CLIENTS).map(|client| {
        let random = Random::new(orders.seed, &[orders.process, client]);
        let mut client = Client {
            store: &store,
            recorder: &recorder,
            pool: &pool,
            mode: orders.mode,
            first: orders.process * KEYS,
            random,
        };
        async move {
            while !is_over.load(Ordering::Relaxed) {
                client.step().await;
                tokio::time::sleep(Duration::from_micros(client.random.below(4000))).await;
            }
        }
    });
    futures_util::future::join_all(clients).await;
}

/// It may be started while the servers are broken.
async fn opened(orders: &Orders, is_over: &AtomicBool) -> Option<RedisStore> {
    while !is_over.load(Ordering::Relaxed) {
        match orders.store().open().await {
            Ok(store) => return Some(store),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    None
}
