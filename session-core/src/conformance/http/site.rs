//! [`Site`]: a running probe with its own clock, store, gate and browsers; what every case of the http half starts from.

use std::any::Any;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::client::Browser;
use crate::cleaner::CleanerPolicy;
use crate::clock::ManualClock;
use crate::config::{SessionConfig, SessionConfigBuilder};
use crate::conformance::probe::{Gate, Probe};
use crate::conformance::store::{CountingStore, Counts, FaultyStore, TestStore};
use crate::cookie::{SigningKey, SigningKeys};
use crate::engine::Engine;
use crate::lifetime::Lifetime;
use crate::store::Store;

/// A probe that an adapter has started.
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Stops it when dropped.
    pub stop: Box<dyn Any + Send + Sync>,
}

/// A future that a case can hold.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How to start a probe, and how to make an empty store: what an adapter brings.
#[derive(Clone)]
pub struct World {
    spawn: Arc<dyn Fn(Probe) -> BoxFuture<Server> + Send + Sync>,
    store: Arc<dyn Fn() -> BoxFuture<TestStore> + Send + Sync>,
    /// The stores of the case, and their folders: dropped when no server can hold them any more.
    kept: Arc<Mutex<Vec<TestStore>>>,
}

/// Idle timeout of the probe: its touch window is 36 s.
pub const IDLE: Duration = Duration::from_secs(3600);

/// Absolute timeout of the probe.
pub const ABSOLUTE: Duration = Duration::from_secs(10 * 3600);

impl World {
    /// From two async functions.
    pub fn new<S, SF, F, FF>(spawn: S, store: F) -> Self
    where
        S: Fn(Probe) -> SF + Send + Sync + 'static,
        SF: Future<Output = Server> + Send + 'static,
        F: Fn() -> FF + Send + Sync + 'static,
        FF: Future<Output: Into<TestStore>> + Send + 'static,
    {
        Self {
            kept: Arc::default(),
            spawn: Arc::new(move |probe| Box::pin(spawn(probe))),
            store: Arc::new(move || {
                let store = store();
                Box::pin(async { store.await.into() })
            }),
        }
    }

    /// A probe with the suite's usual settings on an empty store.
    pub async fn site(&self) -> Site {
        self.site_with(SigningKeys::new(key(1)), |config| config).await
    }

    /// A probe with other keys or settings.
    pub async fn site_with(
        &self,
        keys: SigningKeys,
        change: impl FnOnce(SessionConfigBuilder) -> SessionConfigBuilder,
    ) -> Site {
        let kept = (self.store)().await;
        let faulty = Arc::new(FaultyStore::new(kept.store()));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let parts = Parts {
            counted: Arc::new(CountingStore::new(faulty.clone())),
            faults: faulty,
            clock: Arc::new(ManualClock::default()),
            world: self.clone(),
        };
        Site::start(Arc::new(parts), keys, change).await
    }
}

/// What several sites may share.
struct Parts {
    faults: Arc<FaultyStore>,
    counted: Arc<CountingStore>,
    clock: Arc<ManualClock>,
    world: World,
}

/// A running probe.
pub struct Site {
    /// Holds `POST /slow/{key}` back.
    pub gate: Gate,
    /// What the probe was built from.
    pub engine: Engine,
    server: Server,
    parts: Arc<Parts>,
    counted_before: Mutex<Counts>,
}

impl Site {
    async fn start(
        parts: Arc<Parts>,
        keys: SigningKeys,
        change: impl FnOnce(SessionConfigBuilder) -> SessionConfigBuilder,
    ) -> Self {
        let lifetime = Lifetime::sliding(IDLE).and_then(|lifetime| lifetime.with_absolute(ABSOLUTE));
        let config = SessionConfig::builder()
            .danger()
            .insecure_cookies()
            .lifetime(lifetime.expect("the suite's lifetime is valid"))
            .cleaner(CleanerPolicy::never());
        let config = change(config).build().expect("the case's configuration is valid");
        let store: Arc<dyn Store> = parts.counted.clone();
        let engine = Engine::builder(store, keys)
            .config(config)
            .clock(parts.clock.clone())
            .build();
        let gate = Gate::new();
        let server = (parts.world.spawn)(Probe {
            engine: engine.clone(),
            gate: gate.clone(),
        })
        .await;
        Self {
            gate,
            engine,
            server,
            parts,
            counted_before: Mutex::default(),
        }
    }

    /// Another probe on the same store and clock, with other keys: a deployment after a key rotation.
    pub async fn redeployed(&self, keys: SigningKeys) -> Self {
        Self::start(self.parts.clone(), keys, |config| config).await
    }

    /// Where the probe listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// The name of the probe's cookie.
    pub fn cookie_name(&self) -> &str {
        self.engine.config().cookie_name()
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(self.addr(), self.cookie_name())
    }

    /// A browser that is signed in.
    pub async fn signed_in(&self, owner: &str) -> Browser {
        let mut browser = self.browser();
        let response = browser.post(&format!("/login/{owner}"), "").await;
        assert_eq!(response.status, 200, "signing in answers 200");
        browser
    }

    /// The clock of the probe.
    pub fn clock(&self) -> &ManualClock {
        &self.parts.clock
    }

    /// Makes the store fail.
    pub fn faults(&self) -> &FaultyStore {
        &self.parts.faults
    }

    /// What was asked of the store since [`forget_calls`](Self::forget_calls).
    pub fn calls(&self) -> Counts {
        self.parts.counted.counts() - *self.counted_before()
    }

    /// Starts counting anew.
    pub fn forget_calls(&self) {
        *self.counted_before() = self.parts.counted.counts();
    }

    fn counted_before(&self) -> MutexGuard<'_, Counts> {
        self.counted_before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A signing key for tests, one for every number.
pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32]).expect("32 bytes make a key")
}
