//! [`Slot`]: what a request's middleware, its extractors and its sessions share, in one allocation.

use std::sync::{Arc, OnceLock};

use super::Session;
use super::state::{Base, State};
use crate::engine::Engine;
use crate::sync::{AtomicBool, AtomicU8, Mutex, Ordering};

pub(crate) struct Slot {
    engine: Engine,
    /// There once the session is loaded; from then on there is a [`Session`].
    pub(super) state: OnceLock<Mutex<State>>,
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

impl Slot {
    pub(crate) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine,
            state: OnceLock::new(),
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

    /// The session, if it is loaded.
    pub(crate) fn session(self: &Arc<Self>) -> Option<Session> {
        self.state.get().map(|_| Session { slot: self.clone() })
    }

    /// The session is loaded; if it was before, `base` is not called.
    pub(crate) fn fill(self: &Arc<Self>, base: impl FnOnce() -> Base) -> Session {
        self.state.get_or_init(|| Mutex::new(State::new(base())));
        Session { slot: self.clone() }
    }

    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Somebody is about to be given the session; answers whether that is too late for the head.
    pub(crate) fn give(&self) -> bool {
        self.comes_first(GIVEN) == MISSED
    }

    /// The head is decided; answers the session, if somebody was given it before.
    pub(crate) fn finish(self: &Arc<Self>) -> Option<Session> {
        match self.comes_first(MISSED) {
            GIVEN => self.session(),
            _ => None,
        }
    }

    /// Answers what has come first, which may be this.
    fn comes_first(&self, this: u8) -> u8 {
        let taken = self
            .first
            .compare_exchange(OPEN, this, Ordering::AcqRel, Ordering::Acquire);
        taken.err().unwrap_or(this)
    }
}
