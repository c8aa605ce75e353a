//! [`Engine`]: one request from cookie to commit. [`inbound`] finds and loads the session, [`plan`] decides what has to happen to
//! it, [`commit`] has that done by [`execute`], [`outbound`] says what the response head has to carry.

mod amend;
mod commit;
mod execute;
mod inbound;
mod outbound;
mod plan;
mod watchers;
mod work;

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::cleaner::{Cleaner, CleanerStatus};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{SessionConfig, Transport};
use crate::cookie::SigningKeys;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{self, Event, Observer};
use crate::id::StoreKey;
use crate::record::Record;
use crate::registry::Sessions;
use crate::store::{Epoch, OwnerIndex, Store};
use watchers::Watchers;

pub(crate) use amend::Amended;
pub use inbound::{Access, Finish, Inbound};
pub use outbound::{Outbound, ResponseHeaders};
pub use plan::Outcome;
pub(crate) use watchers::Whose;

/// Everything that the requests of an application share: store, keys, configuration, clock, observers and the cleaner.
///
/// Cloning shares it. One engine may serve several adapters in one process; they then share sessions.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    keys: SigningKeys,
    config: SessionConfig,
    clock: Arc<dyn Clock>,
    observers: Arc<[Box<dyn Observer>]>,
    watchers: Watchers,
    /// Started with the first request, as only then a runtime is sure to be there; `None` inside if the policy says never.
    cleaner: OnceLock<Option<Cleaner>>,
}

impl Engine {
    /// An engine with the default configuration.
    pub fn new(store: impl Store, keys: SigningKeys) -> Self {
        Self::builder(Arc::new(store), keys).build()
    }

    /// Starts from the default configuration, the system's clock and no observers.
    pub fn builder(store: Arc<dyn Store>, keys: SigningKeys) -> EngineBuilder {
        EngineBuilder {
            store,
            keys,
            config: SessionConfig::default(),
            clock: Arc::new(SystemClock::new()),
            observers: Vec::new(),
        }
    }

    /// Begins a request: no I/O and hardly any work. The middleware keeps the first half and finishes with it; extractors use the
    /// second one.
    pub fn begin(&self) -> (Inbound, Access) {
        self.start_cleaner();
        inbound::begin(self.clone())
    }

    /// Starts the cleaner now, if the policy wants one and this is called within a tokio runtime; otherwise the first request does.
    pub fn start_cleaner(&self) {
        if self.shared.cleaner.get().is_some() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        self.shared.cleaner.get_or_init(|| {
            let observers = self.shared.observers.clone();
            let report = Arc::new(move |event: Event<'_>| tell(&observers, event));
            Cleaner::start(
                &runtime,
                self.config().cleaner,
                &self.shared.store,
                self.shared.clock.clone(),
                report,
            )
        });
    }

    /// What the cleaner has done; `None` before it was started, and if the policy is never.
    pub fn cleaner_status(&self) -> Option<CleanerStatus> {
        self.shared.cleaner.get()?.as_ref().map(Cleaner::status)
    }

    /// Stops the cleaner for good. Dropping the last clone of the engine does the same.
    pub fn stop_cleaner(&self) {
        if let Some(cleaner) = self.shared.cleaner.get_or_init(|| None) {
            cleaner.stop();
        }
    }

    /// Lists and ends the sessions of owners, and of everybody.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the store has neither an owner index nor an inventory.
    pub fn sessions(&self) -> Result<Sessions> {
        Sessions::new(self.clone())
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The configuration.
    pub fn config(&self) -> &SessionConfig {
        &self.shared.config
    }

    pub(crate) fn keys(&self) -> &SigningKeys {
        &self.shared.keys
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.shared
            .store
            .owner_index()
            .map(OwnerIndex::epoch)
            .unwrap_or_default()
    }

    /// A limit that the store cannot count must not be ignored in silence.
    pub(crate) fn check_owner_limit(&self) -> Result<()> {
        match (self.config().owner_limit, self.shared.store.owner_index()) {
            (Some(_), None) => Err(unsupported()),
            _ => Ok(()),
        }
    }

    /// The live record under a key. Stores say themselves what has expired; this holds those that do not to it (P8).
    pub(crate) fn load(&self, key: StoreKey) -> impl Future<Output = Result<Option<Record>>> + Send {
        let now = self.now();
        let found = self.shared.store.load(key, now);
        async move { Ok(found.await?.filter(|record| !record.is_expired(now))) }
    }

    /// The same, if the store has it in memory.
    pub(crate) fn load_cached(&self, key: StoreKey) -> Option<Record> {
        let now = self.now();
        let record = self.shared.store.load_cached(key, now)?;
        Some(record).filter(|record| !record.is_expired(now))
    }

    /// Who waits for the end of a session.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.shared.watchers
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        tell(&self.shared.observers, event);
    }
}

fn tell(observers: &[Box<dyn Observer>], event: Event<'_>) {
    event::log(event);
    for observer in observers {
        observer.observe(event);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", self.config())
            .field("keys", self.keys())
            .finish_non_exhaustive()
    }
}

/// Builds an [`Engine`].
#[must_use]
pub struct EngineBuilder {
    store: Arc<dyn Store>,
    keys: SigningKeys,
    config: SessionConfig,
    clock: Arc<dyn Clock>,
    observers: Vec<Box<dyn Observer>>,
}

impl EngineBuilder {
    /// Sets the configuration.
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = config;
        self
    }

    /// Takes the time from another clock: for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds somebody to tell of every event.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Counts events and measures the store, through the `metrics` facade, under the names in [`crate::metrics`]. Call it once, after
    /// an exporter is installed: before that, the facade drops what it is told.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self) -> Self {
        crate::metrics::describe();
        self.store = Arc::new(crate::metrics::MeasuredStore::new(self.store));
        self.observer(crate::metrics::EventCounter)
    }

    /// The engine. Within a tokio runtime the cleaner starts at once.
    pub fn build(self) -> Engine {
        if self.config.owner_limit.is_some() && self.store.owner_index().is_none() {
            tracing::error!(
                "the sessions of an owner are limited, but this store has no owner index: no login will succeed"
            );
        }
        if self.config.transport == Transport::Plain {
            tracing::warn!("session cookies are sent over plain http too: for development only");
        }
        let engine = Engine {
            shared: Arc::new(Shared {
                store: self.store,
                keys: self.keys,
                config: self.config,
                clock: self.clock,
                observers: self.observers.into(),
                watchers: Watchers::default(),
                cleaner: OnceLock::new(),
            }),
        };
        engine.start_cleaner();
        engine
    }
}

pub(crate) fn unsupported_inventory() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "walking over all sessions: this store has no inventory",
    )
}

pub(crate) fn unsupported() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "finding the sessions of an owner: this store has no owner index",
    )
}
