//! An engine on a memory store that can fail, with a clock that is moved by hand: what the scenarios start from.

use std::sync::{Arc, Mutex};

pub(crate) use session_core::conformance::browser::set_cookie;
use session_core::conformance::store::{CountingStore, FaultyStore};
use session_core::{
    Engine, EngineBuilder, Event, Inbound, Key, ManualClock, MemoryStore, Outcome, Session, SessionConfig, SigningKeys,
};

pub(crate) const VISITS: Key<u32> = Key::new("visits");

pub(crate) struct Site {
    pub(crate) engine: Engine,
    pub(crate) faults: Arc<FaultyStore>,
    pub(crate) counted: Arc<CountingStore>,
    pub(crate) clock: Arc<ManualClock>,
    events: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(SessionConfig::default())
    }

    pub(crate) fn with(config: SessionConfig) -> Self {
        Self::built(config, |builder| builder)
    }

    pub(crate) fn built(config: SessionConfig, change: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let faults = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
        let counted = Arc::new(CountingStore::new(faults.clone()));
        let clock = Arc::new(ManualClock::default());
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = events.clone();
        let builder = Engine::builder(counted.clone(), SigningKeys::generate().unwrap())
            .config(config)
            .clock(clock.clone())
            .observer(move |event: Event<'_>| told.lock().unwrap().push(format!("{event:?}")));
        let engine = change(builder).build();
        Self {
            engine,
            faults,
            counted,
            clock,
            events,
        }
    }

    pub(crate) async fn request(&self, cookie: Option<&str>) -> (Inbound, Session) {
        let (inbound, access) = self.engine.begin();
        let session = access.session(cookie.map(str::as_bytes)).await.unwrap();
        (inbound, session)
    }

    /// Runs a handler to its end; returns the cookie that a browser then sends.
    pub(crate) async fn handle(&self, cookie: Option<&str>, handler: impl AsyncFnOnce(&Session)) -> Option<String> {
        let (inbound, session) = self.request(cookie).await;
        handler(&session).await;
        match set_cookie(inbound.finish(Outcome::Success).await.unwrap()) {
            Some(set) => Some(set.split(';').next().unwrap_or_default().to_owned()).filter(|pair| !pair.ends_with('=')),
            None => cookie.map(str::to_owned),
        }
    }

    pub(crate) async fn visits(&self, cookie: Option<&str>) -> Option<u32> {
        self.request(cookie).await.1.get(VISITS).unwrap()
    }

    /// What observers were told, by kind.
    pub(crate) fn event_kinds(&self) -> Vec<String> {
        let kind = |event: &String| event.split(' ').next().unwrap_or_default().to_owned();
        self.events.lock().unwrap().iter().map(kind).collect()
    }
}
