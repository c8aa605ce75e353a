//! [`Slot`]: what a request's middleware, its extractors and its sessions share, in one allocation.

use std::sync::atomic::fence;
use std::sync::{Arc, OnceLock};

use super::Session;
use super::state::{Base, State};
use crate::engine::Engine;
use crate::sync::{AtomicBool, Mutex, Ordering};

pub(crate) struct Slot {
    engine: Engine,
    /// There once the session is loaded; from then on there is a [`Session`].
    pub(super) state: OnceLock<Mutex<State>>,
    /// Held while the session is waited for, committed or read again, so that these happen one after the other.
    turn: tokio::sync::Mutex<()>,
    /// Somebody asked for the session, even if it could not be loaded.
    asked: AtomicBool,
    /// The response head is decided: a session that is first asked for afterwards can set no cookie.
    finished: AtomicBool,
}

impl Slot {
    pub(crate) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine,
            state: OnceLock::new(),
            turn: tokio::sync::Mutex::new(()),
            asked: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn turn(&self) -> &tokio::sync::Mutex<()> {
        &self.turn
    }

    /// The session, if it is loaded.
    pub(crate) fn session(self: &Arc<Self>) -> Option<Session> {
        self.state.get().map(|_| Session { slot: self.clone() })
    }

    /// The session is loaded; if it was before, `base` is not asked. Ask [`is_finished`](Self::is_finished) afterwards.
    pub(crate) fn fill(self: &Arc<Self>, base: impl FnOnce() -> Base) -> Session {
        self.state.get_or_init(|| Mutex::new(State::new(base())));
        // Pairs with that of `finish`: of a load and a finish at the same time, at least one sees the other.
        fence(Ordering::SeqCst);
        Session { slot: self.clone() }
    }

    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// The head is decided. Ask for the [`session`](Self::session) afterwards.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }
}
