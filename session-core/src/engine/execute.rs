//! Does to the store what the [plan](super::plan) says: applies what the handler wanted to what the store has, and again if another
//! request was faster (P5); never revives what has ended (P6).

use std::time::Duration;

use super::Engine;
use super::plan::StoreOp;
use super::work::{Committed, Snapshot, Work, done};
use crate::clock::Timestamp;
use crate::cookie::Standing;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Chain, Event};
use crate::id::{Handle, SessionId};
use crate::record::{Persistence, Record, Values};
use crate::session::changes::{Changes, Identity};
use crate::session::gone;
use crate::session::state::{Base, Live};
use crate::store::{Admission, Created, Deleted, Replaced, Revoke, Rotated, Rotation, Touched};

/// How often a commit tries before it gives up. Each round of a race has a winner, and the pauses grow, so that with 64 requests
/// on one session the longest wait measured is under 20 attempts.
pub(super) const ATTEMPTS: u32 = 100;

/// How often a fresh id may collide: once in 2^192 by chance, so more means a broken generator.
const COLLISIONS: u32 = 3;

impl Engine {
    pub(super) async fn execute(&self, op: StoreOp, work: &Work, now: Timestamp) -> Result<Committed> {
        match (op, &work.base) {
            (StoreOp::Nothing, _) => Ok(Committed {
                base: None,
                error: None,
            }),
            (StoreOp::Replace, Some(base)) => done(self.replace(base, &work.changes, now).await?),
            (StoreOp::Touch, Some(base)) => self.touch(base, now).await,
            // Rarer, and so large that every commit would pay for them: in a box of their own.
            _ => Box::pin(self.begin_or_end(op, work, now)).await,
        }
    }

    /// What gives the session another id, or takes it away.
    async fn begin_or_end(&self, op: StoreOp, work: &Work, now: Timestamp) -> Result<Committed> {
        match (op, &work.base) {
            (StoreOp::RefuseGone, _) => Err(gone("saving a session")),
            (StoreOp::RefuseSent, _) => Err(Error::new(
                ErrorKind::ResponseSent,
                "saving a session under a new id: the response head is already sent, so the browser cannot learn it; do this before answering",
            )),
            (StoreOp::Create, _) => match self.find_unanswered(work).await? {
                Some(stored) => {
                    self.tell(Event::Created {
                        handle: stored.record.handle(),
                    });
                    self.rotate(&stored, work, now).await
                }
                None => done(self.create(work, now).await?),
            },
            (StoreOp::Rotate, Some(base)) => self.rotate(base, work, now).await,
            (StoreOp::Delete, Some(base)) => {
                self.delete(base, work, now).await?;
                done(Base::Fresh)
            }
            (StoreOp::DeleteThenCreate, Some(base)) => {
                self.delete(base, work, now).await?;
                // The old session is gone whatever comes next, and what was to come stays wanted.
                match self.create(work, now).await {
                    Ok(base) => done(base),
                    Err(error) => Ok(Committed {
                        base: Some(Base::Fresh),
                        error: Some(error),
                    }),
                }
            }
            (StoreOp::Nothing | StoreOp::Touch | StoreOp::Replace, _) | (_, None) => Ok(Committed {
                base: None,
                error: None,
            }),
        }
    }

    /// Where an earlier attempt, whose answer was lost, has stored the session after all.
    async fn find_unanswered(&self, work: &Work) -> Result<Option<Snapshot>> {
        for id in work.unanswered().into_iter().rev() {
            let key = id.store_key();
            if let Some(record) = self.load(key).await? {
                return Ok(Some(Snapshot {
                    id,
                    key,
                    record,
                    standing: Standing::Current,
                }));
            }
        }
        Ok(None)
    }

    async fn create(&self, work: &Work, now: Timestamp) -> Result<Base> {
        let changes = &*work.changes;
        for _ in 0..COLLISIONS {
            let (id, handle) = SessionId::generate_with_handle()?;
            let key = id.store_key();
            let record = self.next(Record::new(handle, now, self.config().lifetime), changes, now)?;
            work.ask(&id);
            let created = self
                .store()
                .create(key, record.clone(), self.admission(changes), now)
                .await?;
            if !matches!(created, Created::Stored | Created::Displaced(_)) {
                work.denied();
            }
            match created {
                stored @ (Created::Stored | Created::Displaced(_)) => {
                    work.take_unanswered();
                    self.tell(Event::Created {
                        handle: record.handle(),
                    });
                    self.tell_login(&record, changes);
                    if let Created::Displaced(handles) = stored {
                        self.tell_displaced(&record, &handles);
                    }
                    return Ok(Base::Live(Live {
                        id,
                        key,
                        record,
                        standing: Standing::Current,
                    }));
                }
                Created::Revoked => return Err(revoked()),
                Created::Full => return Err(full()),
                Created::Collision => {}
            }
        }
        Err(collided())
    }

    /// A sighting that cannot be recorded is no reason to fail a request that only read: the session then ends earlier.
    async fn touch(&self, base: &Snapshot, now: Timestamp) -> Result<Committed> {
        let seen = base.record.clone().seen(now);
        match self.store().touch(base.key, now, seen.expires_at()).await {
            Ok(Touched::Recorded) => done(base.with(seen)),
            Ok(Touched::Gone) => done(Base::Gone),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "recording when a session was last seen failed");
                Ok(Committed {
                    base: None,
                    error: None,
                })
            }
        }
    }

    async fn replace(&self, base: &Snapshot, changes: &Changes, now: Timestamp) -> Result<Base> {
        let mut found = base.record.clone();
        for attempt in 0..ATTEMPTS {
            let next = self.next(found.succeeded(now)?, changes, now)?;
            match self
                .store()
                .replace(base.key, found.revision(), next.clone(), now)
                .await?
            {
                Replaced::Stored => return Ok(base.with(next)),
                Replaced::Gone => return Err(gone("saving a session")),
                Replaced::Conflict(current) => found = current,
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn rotate(&self, base: &Snapshot, work: &Work, now: Timestamp) -> Result<Committed> {
        let changes = &*work.changes;
        let mut old = base.key;
        let mut found = base.record.clone();
        for attempt in 0..ATTEMPTS {
            let id = SessionId::generate()?;
            let new = id.store_key();
            let record = self.next(found.succeeded(now)?, changes, now)?;
            let rotation = Rotation {
                old,
                expected: found.revision(),
                new,
                record: record.clone(),
                admission: self.admission(changes),
                now,
            };
            work.ask(&id);
            let rotated = self.store().rotate(rotation).await?;
            if !matches!(rotated, Rotated::Stored | Rotated::Displaced(_)) {
                work.denied();
            }
            match rotated {
                stored @ (Rotated::Stored | Rotated::Displaced(_)) => {
                    work.take_unanswered();
                    self.tell(Event::Renewed {
                        handle: record.handle(),
                    });
                    self.tell_login(&record, changes);
                    if let Rotated::Displaced(handles) = stored {
                        self.tell_displaced(&record, &handles);
                    }
                    return done(Base::Live(Live {
                        id,
                        key: new,
                        record,
                        standing: Standing::Current,
                    }));
                }
                Rotated::Revoked => return Err(revoked()),
                Rotated::Full => return Err(full()),
                Rotated::Gone => match self.find_unanswered(work).await? {
                    Some(moved) => (old, found) = (moved.key, moved.record),
                    // Credentials were checked, so this login stands; but nothing of the session that ended is carried over.
                    None if matches!(changes.identity, Identity::Login(_)) => {
                        return match self.create(work, now).await {
                            Ok(base) => done(base),
                            // The handler goes on with a page of its own, and has no session to put it into but a new one.
                            Err(error) if is_refusal(&error) => Ok(Committed {
                                base: Some(Base::Fresh),
                                error: Some(error),
                            }),
                            Err(error) => Err(error),
                        };
                    }
                    None => return Err(gone("renewing a session")),
                },
                Rotated::Conflict(current) => found = current,
                Rotated::Collision if attempt >= COLLISIONS => return Err(collided()),
                Rotated::Collision => {}
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    /// Ends a session. If it is not where it was, a renewal may have overtaken us and moved it: then it is ended by its handle, which
    /// stays the same, so that a logout is never lost.
    async fn delete(&self, base: &Snapshot, work: &Work, now: Timestamp) -> Result<()> {
        let mut ended = self.store().delete(base.key).await?;
        for id in work.unanswered() {
            if self.store().delete(id.store_key()).await? == Deleted::Removed {
                ended = Deleted::Removed;
            }
        }
        work.take_unanswered();
        if let (Deleted::Absent, Some(owner), Some(index)) = (ended, base.record.owner(), self.store().owner_index())
            && index.revoke(owner, Revoke::One(base.record.handle()), now).await? > 0
        {
            ended = Deleted::Removed;
        }
        if ended == Deleted::Removed {
            self.tell(Event::Destroyed {
                handle: base.record.handle(),
            });
        }
        Ok(())
    }

    /// The record that results from changes.
    fn next(&self, mut record: Record, changes: &Changes, now: Timestamp) -> Result<Record> {
        let config = self.config();
        if let Identity::Login(login) = &changes.identity {
            if record.owner().is_some_and(|present| *present != login.owner) {
                // Somebody else from here on: nothing that named or held the other one's session stays.
                record.handle = Handle::generate()?;
                record.label = None;
                record.values = Values::default();
                record.lifetime = config.lifetime;
                record.persistence = Persistence::Browser;
            }
            record.owner = Some(login.owner.clone());
            record.authenticated_at = Some(now);
            record.created_at = now;
            record.seen_at = now;
        }
        if let Some((lifetime, persistence)) = changes.lifetime {
            record.lifetime = lifetime;
            record.persistence = persistence;
        }
        if let Some(label) = &changes.label {
            record.label = Some(label.clone());
        }
        record.values = changes.apply(&record.values, &config.limits)?;
        Ok(record)
    }

    fn admission(&self, changes: &Changes) -> Admission {
        match &changes.identity {
            Identity::Login(login) => Admission {
                began: login.began,
                limit: self.config().owner_limit,
            },
            Identity::Keep | Identity::Renew => Admission::default(),
        }
    }

    fn tell_displaced(&self, record: &Record, handles: &[Handle]) {
        let Some(owner) = record.owner() else { return };
        for &handle in handles {
            self.watchers().wake(handle);
            self.tell(Event::Displaced { handle, owner });
        }
    }

    fn tell_login(&self, record: &Record, changes: &Changes) {
        if let Identity::Login(login) = &changes.identity {
            self.tell(Event::SignedIn {
                handle: record.handle(),
                owner: &login.owner,
            });
        }
    }
}

/// Lets others go first for a random time that grows with every lost race, at most 16 ms.
pub(super) async fn pause(attempt: u32) {
    let longest = Duration::from_millis(1 << attempt.min(4));
    let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    match attempt {
        0 => tokio::task::yield_now().await,
        // There is no time where the order of threads is chosen.
        _ if cfg!(shuttle) => tokio::task::yield_now().await,
        _ => tokio::time::sleep(longest.mul_f64(chance)).await,
    }
}

/// Whether it is the login that was not let in.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Revoked | ErrorKind::TooManySessions)
}

fn revoked() -> Error {
    Error::new(
        ErrorKind::Revoked,
        "signing in: all sessions of this owner were revoked meanwhile; sign in again",
    )
}

fn full() -> Error {
    Error::new(
        ErrorKind::TooManySessions,
        "signing in: this owner has as many sessions as are allowed; end one of them and sign in again",
    )
}

fn collided() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "storing a session under a fresh id: it was taken several times over; the operating system's randomness is broken",
    )
}

pub(super) fn lost() -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "saving a session: other requests changed it {ATTEMPTS} times in between; look for one that writes in a loop"
        ),
    )
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_are_random_and_none_is_longer_than_sixteen_milliseconds() {
        let mut waited = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            pause(10).await;
            waited.push(start.elapsed());
        }
        // The runtime's time has whole milliseconds, rounded up.
        assert!(
            waited.iter().all(|waited| *waited <= Duration::from_millis(17)),
            "{waited:?}"
        );
        assert!(
            waited.iter().sum::<Duration>() > Duration::from_millis(200),
            "{waited:?}"
        );
        waited.sort();
        waited.dedup();
        assert!(waited.len() > 2, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_lost_race_costs_a_turn_and_no_time() {
        let start = Instant::now();
        pause(0).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
