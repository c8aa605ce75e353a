//! Clients that work while servers break, and what they have seen.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use session_core::conformance::sample::{self, Sample, key};
use session_core::{Created, Error, ErrorKind, OwnerIndex, Record, Replaced, Result, Store, StoreKey};
use session_redis::{RedisStore, RedisStoreBuilder};

pub(crate) const CONNECT: Duration = Duration::from_millis(500);
pub(crate) const RESPONSE: Duration = Duration::from_millis(500);
/// One command, and what a busy machine adds.
pub(crate) const IN_TIME: Duration = Duration::from_millis(2000);

pub(crate) fn builder(url: &str) -> RedisStoreBuilder {
    RedisStore::builder(url)
        .connect_timeout(CONNECT)
        .response_timeout(RESPONSE)
}

pub(crate) fn visitor(number: u64) -> Record {
    Sample::new(sample::now()).handle(number).build()
}

pub(crate) async fn put(store: &RedisStore, number: u64) -> Result<()> {
    let created = store
        .create(key(number), visitor(number), store.epoch().into(), sample::now())
        .await?;
    assert_eq!(created, Created::Stored);
    Ok(())
}

pub(crate) async fn is_there(store: &RedisStore, number: u64) -> Result<bool> {
    Ok(store.load(key(number), sample::now()).await?.is_some())
}

/// Takes the time of one operation that has to fail.
pub(crate) async fn fails<T: std::fmt::Debug>(operation: impl Future<Output = Result<T>>) -> (Error, Duration) {
    let start = Instant::now();
    let error = operation.await.expect_err("an operation on a broken server");
    let took = start.elapsed();
    assert!(took < IN_TIME, "an error after {took:?}");
    (error, took)
}

/// From now until the store works again.
pub(crate) async fn recovery(store: &RedisStore, number: u64) -> Duration {
    let start = Instant::now();
    while is_there(store, number).await.is_err()
        || put(store, 1_000_000_000 + start.elapsed().as_micros() as u64)
            .await
            .is_err()
    {
        assert!(start.elapsed() < Duration::from_secs(30), "the store does not recover");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

pub(crate) fn row(fault: &str, what: &str) {
    println!("| {fault} | {what} |");
}

/// 32 clients that create and change sessions until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    pub(crate) seen: Arc<Seen>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) acknowledged: AtomicU64,
    failed: AtomicU64,
    /// A session that was acknowledged, and was not found although the server answered.
    pub(crate) missing: AtomicU64,
    longest_micros: AtomicU64,
    /// The longest time in which nothing worked.
    last_good: Mutex<Option<Instant>>,
    gap_micros: AtomicU64,
    errors: Mutex<std::collections::BTreeMap<String, u64>>,
    /// Keys, and the revision that was acknowledged last.
    stored: Mutex<Vec<(StoreKey, u64)>>,
}

impl Load {
    pub(crate) fn start(store: &RedisStore) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Seen::default());
        let clients = (0..32)
            .map(|client| {
                let (store, stop, seen) = (store.clone(), Arc::clone(&stop), Arc::clone(&seen));
                tokio::spawn(async move {
                    for round in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        seen.one_session(&store, 1_000_000 * (client + 1) + round).await;
                    }
                })
            })
            .collect();
        Self { stop, seen, clients }
    }

    pub(crate) async fn wait_for(&self, acknowledged: u64) {
        let start = Instant::now();
        while self.seen.acknowledged.load(Ordering::Relaxed) < acknowledged {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the clients get nothing done"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn stop(self) -> Arc<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("no client panics");
        }
        self.seen
    }
}

impl Seen {
    /// Creates, reads, changes.
    async fn one_session(&self, store: &RedisStore, number: u64) {
        let record = visitor(number);
        let key = key(number);
        let Some(created) = self
            .noted(store.create(key, record.clone(), store.epoch().into(), sample::now()))
            .await
        else {
            return;
        };
        if created == Created::Stored {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.stored.lock().expect("no client panics").push((key, 1));
        }
        if let Some(None) = self.noted(store.load(key, sample::now())).await {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let next = Sample::of(&record).next_revision().build();
        match self.noted(store.replace(key, 1, next, sample::now())).await {
            Some(Replaced::Stored) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                self.stored.lock().expect("no client panics").push((key, 2));
            }
            Some(Replaced::Gone) => {
                self.missing.fetch_add(1, Ordering::Relaxed);
            }
            Some(Replaced::Conflict(_)) | None => {}
        }
    }

    async fn noted<T>(&self, operation: impl Future<Output = Result<T>>) -> Option<T> {
        let start = Instant::now();
        let answer = operation.await;
        let took = start.elapsed().as_micros() as u64;
        self.longest_micros.fetch_max(took, Ordering::Relaxed);
        match answer {
            Ok(answer) => {
                let mut last = self.last_good.lock().expect("no client panics");
                if let Some(last) = *last {
                    self.gap_micros
                        .fetch_max(last.elapsed().as_micros() as u64, Ordering::Relaxed);
                }
                *last = Some(Instant::now());
                Some(answer)
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                self.failed.fetch_add(1, Ordering::Relaxed);
                let cause = error.to_string().split(": ").last().unwrap_or_default().to_owned();
                *self.errors.lock().expect("no client panics").entry(cause).or_default() += 1;
                None
            }
        }
    }

    /// Acknowledged writes that are not there in the end.
    pub(crate) async fn lost(&self, store: &RedisStore) -> usize {
        let mut latest = std::collections::HashMap::new();
        for (key, revision) in self.stored.lock().expect("no client panics").iter() {
            latest.insert(*key, *revision);
        }
        let mut lost = 0;
        for (key, revision) in latest {
            let there = store.load(key, sample::now()).await.expect("the store works again");
            if there.is_none_or(|record| record.revision() < revision) {
                lost += 1;
            }
        }
        lost
    }

    pub(crate) fn told(&self, lost: usize) -> String {
        let millis = |micros: &AtomicU64| micros.load(Ordering::Relaxed) / 1000;
        let longest = millis(&self.longest_micros);
        assert!(
            u128::from(longest) < IN_TIME.as_millis(),
            "an operation took {longest} ms"
        );
        format!(
            "{} acknowledged, {} failed, longest operation {longest} ms, nothing worked for {} ms, not found when asked {}, acknowledged and lost {lost}; errors: {:?}",
            self.acknowledged.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
            millis(&self.gap_micros),
            self.missing.load(Ordering::Relaxed),
            self.errors.lock().expect("no client panics"),
        )
    }
}
