//! [`Slot`]: what a request's middleware, its extractors and its sessions share, in one allocation.

use std::sync::{Arc, PoisonError};

use super::Session;
use super::state::{Base, State};
use crate::engine::Engine;
use crate::sync::{AtomicBool, AtomicU8, Mutex, MutexGuard, Ordering};

pub(crate) struct Slot {
    engine: Engine,
    /// Says nothing until the session is loaded.
    state: Mutex<State>,
    /// Set under the lock of `state`, once what was loaded is in it; from then on there is a [`Session`].
    loaded: AtomicBool,
    /// Held while the session is waited for, committed or read again, so that these happen one after the other.
    turn: tokio::sync::Mutex<()>,
    /// Somebody asked for the session, even if it could not be loaded.
    asked: AtomicBool,
    /// What came first, the session or the end of the handler: [`OPEN`], [`GIVEN`] or [`MISSED`].
    first: AtomicU8,
}

/// Neither.
const OPEN: u8 = 0;
/// Somebody was given the session, so the finish has to look at it.
const GIVEN: u8 = 1;
/// The response head was decided: a session that somebody is given afterwards can set no cookie.
const MISSED: u8 = 2;

/// Which load it was that filled a slot: this one, or one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Now,
    Before,
}

impl Slot {
    pub(crate) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine,
            state: Mutex::new(State::new(Base::Fresh)),
            loaded: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
            asked: AtomicBool::new(false),
            first: AtomicU8::new(OPEN),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn turn(&self) -> &tokio::sync::Mutex<()> {
        &self.turn
    }

    /// What the session knows, if it is loaded.
    ///
    /// No code under this lock calls the application's, except the function given to `update`; if that panics, what it was to
    /// change is unchanged.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// The session, if it is loaded.
    pub(crate) fn session(self: &Arc<Self>) -> Option<Session> {
        self.is_loaded().then(|| Session { slot: self.clone() })
    }

    /// The session is loaded, unless it was before: the first to come stands.
    pub(crate) fn fill(self: &Arc<Self>, base: Base) -> (Session, Filled) {
        let mut state = self.state();
        let filled = if self.is_loaded() {
            Filled::Before
        } else {
            state.base = base;
            self.loaded.store(true, Ordering::Release);
            Filled::Now
        };
        (Session { slot: self.clone() }, filled)
    }

    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Somebody is about to be given the session; answers whether that is too late for the head.
    pub(crate) fn give(&self) -> bool {
        self.comes_first(GIVEN) == MISSED
    }

    /// The head is decided; answers whether somebody was given the session before.
    pub(crate) fn finish(&self) -> bool {
        self.comes_first(MISSED) == GIVEN
    }

    /// Answers what has come first, which may be this.
    fn comes_first(&self, this: u8) -> u8 {
        let taken = self
            .first
            .compare_exchange(OPEN, this, Ordering::AcqRel, Ordering::Acquire);
        taken.err().unwrap_or(this)
    }
}
