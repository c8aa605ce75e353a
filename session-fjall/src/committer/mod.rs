//! The committer: one thread that owns all writes. It drains what is waiting, carries out each request as one atomic batch, syncs once
//! for all that asked for durability, and only then answers those. When the engine fails it reopens the database.
//!
//! An async worker never writes, never waits for a disk and never holds a lock while it waits.

mod change;
mod mend;
mod request;
#[cfg(feature = "cli")]
mod restore;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use flume::{Receiver, RecvTimeoutError};
use session_core::{Created, Epoch, Error, Result, Revocations};

use crate::cache::RecordCache;
use crate::database::Tables;
use crate::durability::Durability;
use crate::failure::{self, Failure};
use crate::folder::Folder;
use crate::layout::DEADLINE_KEY;
use crate::permit::Permit;

pub(crate) use mend::Mend;
pub(crate) use request::{Reply, Request};
#[cfg(feature = "cli")]
pub(crate) use restore::Restored;
use sweep::Clearing;
pub(crate) use sweep::{Cleared, Leftovers, REAP, Reaped, Rest};
use write::{Outcome, Writer};

/// What the committer shares with readers.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) state: RwLock<State>,
    pub(crate) cache: RecordCache,
    pub(crate) revocations: Revocations,
}

/// Whether the database can be read. The committer alone changes it.
pub(crate) enum State {
    Open(Tables, Permit),
    /// Being reopened after a failure.
    Down,
    Closed,
}

impl Shared {
    /// Nothing under this lock panics half way through a change, so a poisoned lock still guards sound data.
    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        // What it held may be ahead of what the database holds when it is open again, and nothing is loaded while it is not.
        self.cache.clear();
    }
}

/// Requests answered with one sync. More would only add to the wait of the first.
const GROUP: usize = 512;

/// Answers given at once. Each answer that finds its caller's thread asleep wakes it, which costs more than a small write does; the
/// first of a burst wakes it for all. That they wait for each other costs a fraction of a millisecond at most.
const ANSWERS: usize = 32;

/// The most that power loss may take of what is not durable.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// How long a walk may take to let go. It looks before each entry, but may be kept by whom it writes or reports to.
const LET_GO: Duration = if cfg!(test) {
    Duration::from_millis(200)
} else {
    Duration::from_secs(10)
};

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(1);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Committer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    folder: Folder,
    cache: u64,
    durability: Durability,
    /// `None` while the database is down.
    tables: Option<Tables>,
    /// Of those who walk over these tables, or over those that went down last.
    permit: Permit,
    low_water: [u8; DEADLINE_KEY],
    clearings: Vec<Clearing>,
    /// When the oldest write that is not synced was committed.
    unsynced_since: Cell<Option<Instant>>,
    /// How long to wait before the database is opened again; grows until a sync succeeds.
    pause: Duration,
    group: Group,
}

/// The requests that share a sync.
#[derive(Default)]
struct Group {
    /// Answers that wait for nothing but company.
    ready: Vec<Box<dyn FnOnce() + Send>>,
    /// Answers that wait for the sync.
    waiting: Vec<Box<dyn FnOnce(Result<()>) + Send>>,
    /// Revocations to publish once it is known whether they hold.
    epochs: Vec<Epoch>,
    sync: bool,
}

/// Whether an answer waits for the sync.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Relaxed,
    Durable,
}

/// How the thread goes on.
enum Next {
    GoOn,
    Close(Option<Reply<()>>),
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        requests: Receiver<Request>,
        folder: Folder,
        (tables, permit): (Tables, Permit),
        cache: u64,
        durability: Durability,
    ) -> Self {
        Self {
            shared,
            requests,
            folder,
            cache,
            durability,
            tables: Some(tables),
            permit,
            low_water: [0; DEADLINE_KEY],
            clearings: Vec::new(),
            // What was found in the folder may stem from a process that was killed before it synced.
            unsynced_since: Cell::new(Some(Instant::now())),
            pause: FIRST_PAUSE,
            group: Group::default(),
        }
    }

    /// Runs until the store is closed or its last handle is dropped.
    pub(crate) fn run(mut self) {
        loop {
            let step = catch_unwind(AssertUnwindSafe(|| self.step()));
            match step {
                Ok(Next::GoOn) => {}
                Ok(Next::Close(reply)) => return self.close(reply),
                // What state the engine is in, nobody knows. Callers who are not answered here are told by their reply being dropped.
                Err(_) => {
                    tracing::error!(path = %self.path().display(), "the session store's committer panicked; reopening");
                    self.take_down();
                    self.settle(Err(()));
                }
            }
        }
    }

    fn step(&mut self) -> Next {
        if self.tables.is_none() {
            return self.step_down();
        }
        let first = match self.unsynced_since.get() {
            None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => self.requests.recv_deadline(since + SYNC_AFTER),
        };
        match first {
            Ok(first) => self.commit_group(first),
            Err(RecvTimeoutError::Timeout) => {
                self.sync();
                Next::GoOn
            }
            Err(RecvTimeoutError::Disconnected) => Next::Close(None),
        }
    }

    fn commit_group(&mut self, first: Request) -> Next {
        let mut next = Next::GoOn;
        let mut group: VecDeque<Request> = std::iter::once(first)
            .chain(self.requests.try_iter().take(GROUP - 1))
            .collect();
        while let Some(request) = group.pop_front() {
            if let Request::Close { reply } = request {
                next = Next::Close(Some(reply));
                break;
            }
            self.carry_out(request);
        }
        self.answer_ready();
        let overdue = self
            .unsynced_since
            .get()
            .is_some_and(|since| since.elapsed() >= SYNC_AFTER);
        if self.group.sync || overdue {
            self.sync();
        } else {
            // Nothing was to be made durable, or the database went down.
            let outcome = self.tables.as_ref().map(|_| ()).ok_or(());
            self.settle(outcome);
        }
        for request in group {
            request.refuse(failure::closed(self.path()));
        }
        next
    }

    fn carry_out(&mut self, request: Request) {
        let Some(tables) = self.tables.take() else {
            return request.refuse(failure::down(self.path()));
        };
        let shared = Arc::clone(&self.shared);
        let mut writer = Writer {
            tables: &tables,
            path: &shared.path,
            cache: &shared.cache,
            revocations: &shared.revocations,
            low_water: &mut self.low_water,
            clearings: &mut self.clearings,
            unsynced_since: &self.unsynced_since,
        };
        let failed = match request {
            Request::Create {
                key,
                record,
                admission,
                now,
                reply,
            } => {
                let done = writer.create(key, record, admission, now);
                // What was ended to make room stays ended.
                let class = match &done {
                    Ok(Created::Displaced(_)) => Class::Durable,
                    _ => Class::Relaxed,
                };
                self.answer(reply, class, done)
            }
            #[cfg(feature = "cli")]
            Request::Restore {
                key,
                record,
                began,
                now,
                reply,
            } => {
                let done = writer.restore(key, &record, began, now);
                self.answer(reply, Class::Relaxed, done)
            }
            Request::Replace {
                key,
                expected,
                record,
                now,
                reply,
            } => {
                let done = writer.replace(key, expected, record, now);
                self.answer(reply, Class::Relaxed, done)
            }
            Request::Touch { key, seen_at, reply } => {
                let done = writer.touch(key, seen_at);
                self.answer(reply, Class::Relaxed, done)
            }
            Request::Rotate { rotation, reply } => {
                let done = writer.rotate(rotation);
                self.answer(reply, Class::Durable, done)
            }
            Request::Delete { key, reply } => {
                let done = writer.delete(key);
                self.answer(reply, Class::Durable, done)
            }
            Request::Revoke {
                owner,
                which,
                now,
                reply,
            } => {
                if !matches!(which, session_core::Revoke::One(_)) {
                    self.group.epochs.push(shared.revocations.begin(&owner, which));
                }
                let done = writer.revoke(&owner, which, now);
                self.answer(reply, Class::Durable, done)
            }
            Request::Reap { now, limit, reply } => {
                let done = writer.reap(now, limit);
                self.answer(reply, Class::Relaxed, done)
            }
            Request::Clear { from, caller, reply } => {
                if from.is_none() {
                    self.group.epochs.push(shared.revocations.begin_all());
                }
                let done = writer.clear(from, caller);
                self.answer(reply, Class::Durable, done)
            }
            Request::RemoveLeftovers { from, reply } => {
                let done = writer.remove_leftovers(from);
                self.answer(reply, Class::Relaxed, done)
            }
            Request::Mend { what, reply } => {
                let done = writer.mend(what);
                self.answer(reply, Class::Durable, done)
            }
            Request::Close { reply } => {
                reply.send(Err(failure::closed(self.path())));
                None
            }
            #[cfg(test)]
            Request::Break { reply } => {
                let done: Outcome<()> = Err(Failure::Database(fjall::Error::Poisoned));
                self.answer(reply, Class::Durable, done)
            }
            #[cfg(test)]
            Request::Panic { reply: _reply } => panic!("asked to"),
        };
        match failed {
            None => self.tables = Some(tables),
            Some(error) => {
                drop(tables);
                self.fail(&error);
            }
        }
    }

    /// Answers now, or after the sync; hands back what broke the database.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, class: Class, done: Outcome<T>) -> Option<fjall::Error> {
        match done {
            Ok(answer) => {
                let durable = class == Class::Durable || self.durability == Durability::PowerLoss;
                if durable {
                    // Even if nothing was done: "absent" rests on what was done before, and that may not be durable yet.
                    self.group.sync |= self.unsynced_since.get().is_some();
                    self.group
                        .waiting
                        .push(Box::new(move |synced| reply.send(synced.map(|()| answer))));
                } else {
                    self.group.ready.push(Box::new(move || reply.send(Ok(answer))));
                    if self.group.ready.len() >= ANSWERS {
                        self.answer_ready();
                    }
                }
                None
            }
            Err(Failure::Request(error)) => {
                reply.send(Err(error));
                None
            }
            Err(Failure::Database(error)) => {
                // Heard when nobody can load any more what may be gone.
                let failed = failure::write_failed(self.path());
                self.group.ready.push(Box::new(move || reply.send(Err(failed))));
                Some(error)
            }
        }
    }

    fn answer_ready(&mut self) {
        for answer in self.group.ready.drain(..) {
            answer();
        }
    }

    /// Makes durable what was committed, then answers whoever waits for it.
    fn sync(&mut self) {
        let synced = match &self.tables {
            Some(tables) => tables.sync(),
            None => return self.settle(Err(())),
        };
        match synced {
            Ok(()) => {
                self.unsynced_since.set(None);
                self.pause = FIRST_PAUSE;
                self.settle(Ok(()));
            }
            Err(error) => {
                self.fail(&error);
                self.settle(Err(()));
            }
        }
    }

    /// Ends the group. A revocation counts from here even if it failed: what it did may well hold.
    fn settle(&mut self, outcome: std::result::Result<(), ()>) {
        self.answer_ready();
        let group = std::mem::take(&mut self.group);
        for epoch in group.epochs {
            self.shared.revocations.publish(epoch);
        }
        for answer in group.waiting {
            answer(outcome.map_err(|()| failure::write_failed(&self.shared.path)));
        }
    }

    fn fail(&mut self, error: &fjall::Error) {
        tracing::error!(
            path = %self.path().display(), %error,
            "the session store takes no more writes; it is being reopened. check the disk and its free space"
        );
        self.take_down();
    }

    /// Lets go of the database: dropping it is what cures it.
    fn take_down(&mut self) {
        self.tables = None;
        self.unsynced_since.set(None);
        self.shared.set(State::Down);
        self.permit.withdraw();
    }

    /// Answers "unavailable" until it is time to open the database again.
    fn step_down(&mut self) -> Next {
        let mut at = Instant::now() + self.pause;
        let latest = at + LET_GO;
        loop {
            match self.requests.recv_deadline(at) {
                Ok(Request::Close { reply }) => return Next::Close(Some(reply)),
                Ok(request) => request.refuse(failure::down(self.path())),
                Err(RecvTimeoutError::Timeout) if at < latest && self.permit.is_out() => at += LOOK,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Next::Close(None),
            }
        }
        // Not reset by opening: on a full disk that works, and the next write fails again.
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match Tables::open(&mut self.folder, self.cache) {
            Ok(tables) => {
                tracing::info!(path = %self.path().display(), "the session store is open again");
                self.low_water = [0; DEADLINE_KEY];
                self.permit = Permit::default();
                self.shared.set(State::Open(tables.clone(), self.permit.clone()));
                self.tables = Some(tables);
                // What was committed before the failure may not be on disk yet.
                self.unsynced_since.set(Some(Instant::now()));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, again_in = ?self.pause, "the session store cannot be opened again");
            }
        }
        Next::GoOn
    }

    fn close(mut self, reply: Option<Reply<()>>) {
        let closed = match self.tables.take() {
            None => Err(failure::down(self.path())),
            Some(tables) => {
                let closed = catch_unwind(AssertUnwindSafe(|| {
                    tables.sync()?;
                    // Only spares the next opening some work, so its failure loses nothing.
                    if let Err(error) = tables.flush() {
                        tracing::warn!(%error, "the session store was closed without writing its memtables");
                    }
                    fjall::Result::Ok(())
                }));
                let failed = || failure::write_failed(self.path());
                closed
                    .map_err(|_| failed())
                    .and_then(|synced| synced.map_err(|error| failed().with_source(error)))
            }
        };
        if let Err(error) = &closed {
            log_close(error);
        }
        // In this order: no reader, no database, no lock; then the answer, so that whoever hears it can open the folder.
        self.shared.set(State::Closed);
        let let_go = self.end_walks();
        let closed = closed.and(let_go);
        let Self {
            shared,
            folder,
            requests,
            ..
        } = self;
        drop(folder);
        if let Some(reply) = reply {
            reply.send(closed);
        }
        for request in requests.try_iter() {
            request.refuse(failure::closed(&shared.path));
        }
    }

    /// Ends who walks over the store, and waits until they have let go. They may be waiting for an answer themselves.
    fn end_walks(&mut self) -> Result<()> {
        self.permit.withdraw();
        let latest = Instant::now() + LET_GO;
        while self.permit.is_out() {
            if Instant::now() >= latest {
                return Err(failure::still_walked(self.path()));
            }
            match self.requests.recv_timeout(LOOK) {
                Ok(request) => request.refuse(failure::closed(self.path())),
                Err(RecvTimeoutError::Timeout) => {}
                // Who walks has a handle, so this is the moment between the end of a walk and the end of its handle.
                Err(RecvTimeoutError::Disconnected) => std::thread::yield_now(),
            }
        }
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.shared.path
    }
}

fn log_close(error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "the session store was closed before its last writes were durable");
}
