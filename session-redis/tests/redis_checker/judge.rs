//! Reads a history and finds what must not be. It only says what is certain: two operations that overlap may have happened in either
//! order, and what has an unknown outcome may have been done at any time from its call until [`LATEST`] after its answer, or never.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::history::{Event, Nanos, Op, Outcome, Which};

/// What is asked of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// No key is alive in an operation that began after its end was acknowledged, by deletion or by renewal.
    EndedStaysEnded,
    /// A key that was stored and then answered "no such session" is never alive again.
    GoneStaysGone,
    /// No acknowledged increment is missing from a count that was read later.
    NothingLost,
    /// No count is higher than the increments that were called could make it.
    NothingTwice,
    /// No session is alive under two keys at one moment.
    OneId,
    /// "No such session" is never the answer for one that was stored and that nobody has tried to end.
    NeverNoSession,
    /// No session that an acknowledged revocation chose is alive after its answer, nor a login that began before the call of one of all
    /// (others).
    RevocationsHold,
    /// A list shows every session that was stored before and that nobody has tried to end, once.
    ListsAreComplete,
}

impl Rule {
    pub(crate) const ALL: [Self; 8] = [
        Self::EndedStaysEnded,
        Self::GoneStaysGone,
        Self::NothingLost,
        Self::NothingTwice,
        Self::OneId,
        Self::NeverNoSession,
        Self::RevocationsHold,
        Self::ListsAreComplete,
    ];

    /// Whether it holds even if a server that had acknowledged writes is replaced by one that has not got them, as long as ends wait for
    /// all replicas (`wait_replicas`). Of the others, docs/distributed.md promises nothing then.
    pub(crate) fn survives_lost_writes(self) -> bool {
        matches!(self, Self::EndedStaysEnded | Self::NothingTwice | Self::OneId)
    }
}

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// For so long a request that nobody waits for any more may be on its way: longer than any fault keeps a server that goes on as a
/// primary, or a network, from delivering it.
const LATEST: Nanos = 5_000_000_000;

/// From the call to the answer of an operation that shows something at some moment in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    called: Nanos,
    answered: Nanos,
}

impl Span {
    fn of(event: &Event) -> Self {
        Self {
            called: event.called,
            answered: event.answered,
        }
    }

    /// When an operation may have been done that ends something.
    fn of_end(event: &Event) -> Self {
        let answered = match event.outcome {
            // A process that was killed sends nothing more.
            Outcome::Unknown if event.answered == Nanos::MAX => event.called + LATEST,
            Outcome::Unknown => event.answered + LATEST,
            _ => event.answered,
        };
        Self {
            called: event.called,
            answered,
        }
    }

    /// Whether it may have ended what began to be stored at one time and was missing by another.
    fn explains(&self, began: Nanos, missing: Nanos) -> bool {
        self.called < missing && self.answered > began
    }
}

/// What is known of one key.
#[derive(Default)]
struct Key {
    session: u64,
    /// Since it is introduced as a login, or a renewal of one.
    owner: Option<u64>,
    /// When what stores it was called.
    began: Nanos,
    /// Its creation was acknowledged then.
    stored: Option<Nanos>,
    alive: Vec<Span>,
    /// Lists that show it: from what a renewal keeps while it is under way, so it may not be stored yet.
    listed: Vec<Span>,
    absent: Vec<Span>,
    /// What may have ended it.
    ends: Vec<Span>,
    /// Answers of what has ended it, and what that was.
    ended: Vec<(Nanos, Op)>,
    renewals: usize,
}

impl Key {
    /// When it was there, certainly.
    fn was_there_by(&self) -> Option<Nanos> {
        let seen = self.alive.iter().map(|span| span.answered).min();
        self.stored.into_iter().chain(seen).min()
    }

    fn is_untouched_until(&self, time: Nanos) -> bool {
        !self.ends.iter().any(|end| end.explains(self.began, time))
    }

    /// From the first to the last moment at which it is known to be alive; it never is in between without being so throughout.
    fn life(&self) -> Option<Span> {
        let first = self.alive.iter().map(|span| span.answered).min()?;
        let last = self.alive.iter().map(|span| span.called).max()?;
        (first < last).then_some(Span {
            called: first,
            answered: last,
        })
    }
}

/// What is known of one session.
#[derive(Default)]
struct Session {
    keys: BTreeSet<u64>,
    owners: HashSet<u64>,
    began: Nanos,
    /// The latest call of a login to it.
    login: Option<Nanos>,
    /// When it was there with an owner, certainly.
    signed_in_by: Option<Nanos>,
    /// What may have ended it; a renewal that was acknowledged has not.
    ends: Vec<Span>,
    increments: Vec<Span>,
    may_be_increments: Vec<Nanos>,
    counts: Vec<(Span, u64)>,
}

/// Everything that is wrong with a history; its events stand in the order of their calls.
pub(crate) fn judge(events: &[Event]) -> Vec<Finding> {
    let mut judge = Judge::default();
    judge.introduce(events);
    judge.collect(events);
    judge.keys_that_ended();
    judge.counts();
    judge.two_ids();
    judge.no_session();
    judge.revocations(events);
    judge.lists(events);
    judge.findings
}

#[derive(Default)]
struct Judge {
    keys: BTreeMap<u64, Key>,
    sessions: BTreeMap<u64, Session>,
    /// Sessions that each owner may have.
    owned: HashMap<u64, BTreeSet<u64>>,
    findings: Vec<Finding>,
}

impl Judge {
    fn found(&mut self, rule: Rule, what: String) {
        self.findings.push(Finding { rule, what });
    }

    /// Which keys and sessions there are, and whose.
    fn introduce(&mut self, events: &[Event]) {
        for event in events {
            let (key, session, owner, login) = match event.op {
                Op::Create { key, owner } => (key, key, owner, owner),
                Op::Rotate { old, new, login } => {
                    let before = &self.keys[&old];
                    (new, before.session, login.or(before.owner), login)
                }
                _ => continue,
            };
            let known = self.keys.entry(key).or_default();
            (known.session, known.owner, known.began) = (session, owner, event.called);
            let known = self.sessions.entry(session).or_insert_with(|| Session {
                began: event.called,
                ..Session::default()
            });
            known.keys.insert(key);
            if let Some(owner) = login {
                known.owners.insert(owner);
                known.login = known.login.max(Some(event.called));
                self.owned.entry(owner).or_default().insert(session);
            }
        }
    }

    fn collect(&mut self, events: &[Event]) {
        for event in events {
            match event.op {
                Op::Create { key, .. } => self.stored(key, event),
                Op::Load { key } | Op::Touch { key } => self.looked_at(key, event),
                Op::Increment { key } => {
                    self.looked_at(key, event);
                    let session = self.session_of(key);
                    match event.outcome {
                        Outcome::Counted(_) => session.increments.push(Span::of(event)),
                        Outcome::Unknown => session.may_be_increments.push(event.called),
                        _ => {}
                    }
                }
                Op::Rotate { old, new, .. } => self.rotated(old, new, event),
                Op::Delete { key } => self.deleted(key, event),
                Op::Revoke { owner, which } => self.revoked(owner, which, event),
                Op::List { .. } => self.listed(event),
            }
        }
        for key in self.keys.values().filter(|key| key.owner.is_some()) {
            if let (Some(there), Some(session)) = (key.was_there_by(), self.sessions.get_mut(&key.session)) {
                session.signed_in_by = Some(session.signed_in_by.map_or(there, |before| before.min(there)));
            }
        }
    }

    fn key(&mut self, key: u64) -> &mut Key {
        self.keys.get_mut(&key).expect("a key is introduced before it is used")
    }

    fn session_of(&mut self, key: u64) -> &mut Session {
        let session = self.key(key).session;
        self.sessions.get_mut(&session).expect("each key has a session")
    }

    fn stored(&mut self, key: u64, event: &Event) {
        if event.outcome == Outcome::Done {
            self.key(key).stored = Some(event.answered);
        }
    }

    fn looked_at(&mut self, key: u64, event: &Event) {
        let span = Span::of(event);
        match event.outcome {
            Outcome::Done => self.key(key).alive.push(span),
            Outcome::Found(count) | Outcome::Counted(count) => {
                self.key(key).alive.push(span);
                self.session_of(key).counts.push((span, count));
            }
            Outcome::Absent => self.key(key).absent.push(span),
            _ => {}
        }
    }

    fn rotated(&mut self, old: u64, new: u64, event: &Event) {
        match event.outcome {
            Outcome::Done => {
                self.stored(new, event);
                let key = self.key(old);
                key.alive.push(Span::of(event));
                key.ends.push(Span::of_end(event));
                key.ended.push((event.answered, event.op));
                key.renewals += 1;
            }
            // Some other operation has ended the session, but this one may have moved it first.
            Outcome::Absent | Outcome::Revoked | Outcome::Unknown => {
                self.key(old).ends.push(Span::of_end(event));
                self.session_of(old).ends.push(Span::of_end(event));
                if event.outcome == Outcome::Absent {
                    self.key(old).absent.push(Span::of(event));
                }
            }
            _ => {}
        }
    }

    fn deleted(&mut self, key: u64, event: &Event) {
        match event.outcome {
            Outcome::Done => self.key(key).ended.push((event.answered, event.op)),
            Outcome::Absent => self.key(key).absent.push(Span::of(event)),
            _ => {}
        }
        if matches!(event.outcome, Outcome::Done | Outcome::Unknown) {
            self.key(key).ends.push(Span::of_end(event));
            self.session_of(key).ends.push(Span::of_end(event));
        }
    }

    fn revoked(&mut self, owner: u64, which: Which, event: &Event) {
        if !matches!(event.outcome, Outcome::Done | Outcome::Unknown) {
            return;
        }
        for number in self.owned.get(&owner).cloned().unwrap_or_default() {
            let is_chosen = match which {
                Which::All => true,
                Which::Others(kept) => number != kept,
                Which::One(one) => number == one,
            };
            let session = self.sessions.get_mut(&number).expect("it is owned");
            if is_chosen {
                session.ends.push(Span::of_end(event));
                for key in session.keys.clone() {
                    self.key(key).ends.push(Span::of_end(event));
                }
            }
        }
    }

    fn listed(&mut self, event: &Event) {
        let Outcome::Listed(all) = &event.outcome else { return };
        for one in all {
            if let Some(key) = self.keys.get_mut(&one.key) {
                key.listed.push(Span::of(event));
            }
            if let Some(session) = self.sessions.get_mut(&one.session) {
                session.counts.push((Span::of(event), one.count));
            }
        }
    }

    fn keys_that_ended(&mut self) {
        let mut findings = Vec::new();
        for (number, key) in &self.keys {
            if let Some((ended, by)) = key.ended.iter().min_by_key(|(answered, _)| *answered) {
                let later = |span: &&Span| span.called > *ended;
                if let Some(alive) = key.alive.iter().chain(&key.listed).find(later) {
                    let late = millis(alive.called - ended);
                    let what = format!(
                        "key {number} is alive in an operation that began {late} ms after {by:?} was acknowledged"
                    );
                    findings.push((Rule::EndedStaysEnded, what));
                }
            }
            let Some(there) = key.was_there_by() else { continue };
            let gone = key.absent.iter().filter(|span| span.called >= there);
            if let Some(gone) = gone.map(|span| span.answered).min()
                && let Some(alive) = key.alive.iter().find(|span| span.called > gone)
            {
                let late = millis(alive.called - gone);
                let what = format!(
                    "key {number} is alive in an operation that began {late} ms after it was not found any more"
                );
                findings.push((Rule::GoneStaysGone, what));
            }
        }
        for (rule, what) in findings {
            self.found(rule, what);
        }
    }

    fn counts(&mut self) {
        let mut findings = Vec::new();
        for (number, session) in &self.sessions {
            let mut done: Vec<Nanos> = session.increments.iter().map(|span| span.answered).collect();
            let mut called: Vec<Nanos> = session.increments.iter().map(|span| span.called).collect();
            called.extend(&session.may_be_increments);
            done.sort_unstable();
            called.sort_unstable();
            let mut wrong = BTreeMap::new();
            for (span, count) in &session.counts {
                let least = done.partition_point(|answered| *answered < span.called) as u64;
                let most = called.partition_point(|called| *called < span.answered) as u64;
                if *count < least {
                    wrong.insert(
                        Rule::NothingLost,
                        format!("session {number} counts {count} after {least} acknowledged increments"),
                    );
                } else if *count > most {
                    wrong.insert(
                        Rule::NothingTwice,
                        format!("session {number} counts {count} after {most} increments were called"),
                    );
                }
            }
            // Two increments that overlap each other leave two counts.
            let mut left = HashSet::new();
            for event in &session.increments {
                let count = session
                    .counts
                    .iter()
                    .find(|(span, _)| span == event)
                    .map(|(_, count)| *count);
                if count.is_some_and(|count| !left.insert(count)) {
                    wrong.insert(
                        Rule::NothingLost,
                        format!("session {number}: two acknowledged increments left the same count"),
                    );
                }
            }
            findings.extend(wrong);
        }
        for (rule, what) in findings {
            self.found(rule, what);
        }
    }

    fn two_ids(&mut self) {
        let mut findings = Vec::new();
        for (number, session) in &self.sessions {
            for first in &session.keys {
                if self.keys[first].renewals > 1 {
                    findings.push(format!("session {number}: two renewals of key {first} have won"));
                }
                let Some(life) = self.keys[first].life() else { continue };
                for second in session.keys.iter().filter(|second| *second != first) {
                    let within = |span: &&Span| span.called >= life.called && span.answered <= life.answered;
                    let both = self.keys[second]
                        .life()
                        .is_some_and(|other| life.called.max(other.called) < life.answered.min(other.answered));
                    if both || self.keys[second].alive.iter().any(|span| within(&span)) {
                        findings.push(format!("session {number} is alive under the keys {first} and {second}"));
                    }
                }
            }
        }
        for what in findings {
            self.found(Rule::OneId, what);
        }
    }

    fn no_session(&mut self) {
        let mut findings = Vec::new();
        for (number, key) in &self.keys {
            let Some(there) = key.was_there_by() else { continue };
            let wrong = key
                .absent
                .iter()
                .find(|span| there < span.called && key.is_untouched_until(span.answered));
            if let Some(span) = wrong {
                let since = millis(span.called - there);
                findings.push(format!(
                    "key {number} was stored {since} ms before, nobody has tried to end it, and it is not found"
                ));
            }
        }
        for what in findings {
            self.found(Rule::NeverNoSession, what);
        }
    }

    fn revocations(&mut self, events: &[Event]) {
        let mut findings = BTreeMap::new();
        for event in events.iter().filter(|event| event.outcome == Outcome::Done) {
            let Op::Revoke { owner, which } = event.op else {
                continue;
            };
            for number in self.owned.get(&owner).into_iter().flatten() {
                let session = &self.sessions[number];
                let is_only_his = session.owners.len() == 1;
                let began_before = session.login.is_some_and(|login| login < event.called);
                let was_there = session.signed_in_by.is_some_and(|there| there < event.called);
                let is_caught = match which {
                    Which::All => began_before,
                    Which::Others(kept) => began_before && *number != kept,
                    // Of a login under way it promises nothing.
                    Which::One(one) => was_there && *number == one,
                };
                if !is_caught || !is_only_his {
                    continue;
                }
                let keys = session.keys.iter().map(|key| (key, &self.keys[key]));
                for (key, known) in keys.filter(|(_, known)| known.owner.is_some()) {
                    let later = |span: &&Span| span.called > event.answered;
                    if let Some(span) = known.alive.iter().chain(&known.listed).find(later) {
                        let late = millis(span.called - event.answered);
                        let what = format!(
                            "key {key} of session {number} is alive in an operation that began {late} ms after {:?} was acknowledged",
                            event.op
                        );
                        findings.entry(*number).or_insert(what);
                    }
                }
            }
        }
        for what in findings.into_values() {
            self.found(Rule::RevocationsHold, what);
        }
    }

    fn lists(&mut self, events: &[Event]) {
        let mut findings = Vec::new();
        for event in events {
            let (Op::List { owner }, Outcome::Listed(all)) = (event.op, &event.outcome) else {
                continue;
            };
            let mut shown = HashSet::new();
            for one in all {
                if !shown.insert(one.session) {
                    findings.push(format!("the list of owner {owner} shows session {} twice", one.session));
                }
            }
            for number in self.owned.get(&owner).into_iter().flatten() {
                let session = &self.sessions[number];
                let is_alive = session.owners.len() == 1
                    && session.signed_in_by.is_some_and(|there| there < event.called)
                    && !session
                        .ends
                        .iter()
                        .any(|end| end.explains(session.began, event.answered));
                if is_alive && !shown.contains(number) {
                    findings.push(format!(
                        "the list of owner {owner} lacks session {number}, which is alive"
                    ));
                }
            }
        }
        for what in findings {
            self.found(Rule::ListsAreComplete, what);
        }
    }
}

fn millis(nanos: Nanos) -> u64 {
    nanos / 1_000_000
}
