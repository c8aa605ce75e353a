//! [`Book`]: what a lane knows and has seen.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kind::Kind;
use super::model::{Counts, Expect, Rules, Session, Span, State};
use super::wire::Answer;
use crate::measure::{Picker, Samples};

/// What a lane knows and has seen.
#[derive(Debug, Default)]
pub struct Book {
    pub(super) sessions: Vec<Session>,
    /// Some tokens of ended sessions, chosen by chance from the whole run.
    pub(super) ended: Vec<String>,
    ended_in_all: u64,
    /// µs from when a request was due, by kind.
    pub latencies: [Samples; Kind::ALL.len()],
    /// The same of all kinds, since it was last taken.
    pub lately: Samples,
    pub requests: u64,
    /// How often a deadline lay within a request.
    pub unjudged: u64,
    pub violations: Vec<String>,
}

impl Book {
    /// Takes in the figures of another.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            mine.extend(theirs);
        }
        self.requests += other.requests;
        self.unjudged += other.unjudged;
        self.violations.extend_from_slice(&other.violations);
    }

    pub fn counts(&self, at: Span, rules: Rules) -> Counts {
        Counts::of(&self.sessions, at, rules)
    }

    /// It has ended by itself. The server may hold it until the cleaner comes by, so it still counts.
    pub(super) fn expire(&mut self, session: usize) {
        self.sessions[session].state = State::Expired;
    }

    pub(super) fn end(&mut self, session: usize, picker: &mut Picker) {
        let token = self.sessions.swap_remove(session).token;
        self.bury(token, picker);
    }

    pub(super) fn bury(&mut self, token: String, picker: &mut Picker) {
        const KEPT: u64 = 300;
        self.ended_in_all += 1;
        if self.ended_in_all <= KEPT {
            self.ended.push(token);
        } else if let Some(place) = self.ended.get_mut(picker.below(self.ended_in_all) as usize) {
            *place = token;
        }
    }

    /// Holds what was found to what was expected.
    pub(super) fn judge(&mut self, what: &str, expect: Expect, alive: bool) {
        match (expect, alive) {
            (Expect::Either, _) => self.unjudged += 1,
            (Expect::Live, false) => self.violations.push(format!("{what}: a live session was not found")),
            (Expect::Dead, true) => self.violations.push(format!("{what}: an ended session was found")),
            _ => {}
        }
    }

    /// Every answer is a success; nothing asks for what is not there.
    pub(super) fn answered(&mut self, what: &str, answer: &Answer) {
        if answer.status != 200 {
            self.violations.push(format!("{what}: the status is {}", answer.status));
        }
    }

    pub(super) fn hold(&mut self, what: &str, holds: bool) {
        if !holds {
            self.violations.push(what.to_owned());
        }
    }
}

/// Nothing is left half-written by a panic.
pub fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
