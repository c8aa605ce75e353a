//! Carries a [plan](super::plan) out: applies what the handler wanted to what the store has, and again if another request was
//! faster (P5); never revives what has ended (P6).

use std::sync::Arc;
use std::time::Duration;

use super::plan::{
    BaseFact, CookieDeadline, CookieOp, Data, Facts, Holding, IdentityFact, Outcome, Plan, StoreOp, Token, Touch, plan,
};
use crate::clock::Timestamp;
use crate::config::OnServerError;
use crate::cookie::Standing;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Chain, Event};
use crate::id::{Handle, SessionId, StoreKey};
use crate::record::{Persistence, Record, Values};
use crate::session::changes::{Changes, Ground, Identity};
use crate::session::state::{Base, CookieDuty, Live, State};
use crate::session::{Session, gone};
use crate::store::{Created, Deleted, Epoch, Replaced, Rotated, Rotation, Touched};

use super::Engine;

/// When a commit happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The handler asked for it.
    Save,
    /// The handler is done.
    Finish(Outcome),
}

/// How often a commit tries before it gives up. Each round of a race has a winner, and the pauses grow, so that with 64 requests
/// on one session the longest wait measured is under 20 attempts.
const ATTEMPTS: u32 = 100;

/// How often a fresh id may collide: once in 2^192 by chance, so more means a broken generator.
const COLLISIONS: u32 = 3;

/// What a commit left behind.
struct Committed {
    /// `None` leaves it as it is.
    base: Option<Base>,
    error: Option<Error>,
}

impl Session {
    /// Decides what has to be done and does it.
    pub(crate) async fn commit(&self, moment: Moment) -> Result<()> {
        let _turn = self.turn().lock().await;
        let engine = self.engine();
        let now = engine.now();
        let (plan, work) = {
            let mut state = self.state();
            let wanted = std::mem::take(&mut state.changes);
            let changes = match moment {
                Moment::Finish(Outcome::ServerError) if engine.config().on_server_error == OnServerError::DropData => {
                    wanted.without_data()
                }
                _ => wanted,
            };
            let plan = plan(facts(&state, &changes, moment, now));
            let work = Work {
                base: Snapshot::of(&state.base),
                changes: Arc::new(changes),
            };
            state.in_flight = Some(work.changes.clone());
            (plan, work)
        };
        let guard = PutBack {
            session: self,
            changes: Some(work.changes.clone()),
        };
        let committed = engine.execute(plan.store, &work, now).await;
        guard.settle(plan, committed)
    }
}

/// Returns the changes to the session if the commit is cancelled or fails for a reason that may pass.
struct PutBack<'a> {
    session: &'a Session,
    changes: Option<Arc<Changes>>,
}

impl PutBack<'_> {
    fn settle(mut self, plan: Plan, committed: Result<Committed>) -> Result<()> {
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) if is_final(&error) => {
                let ended = (error.kind() == ErrorKind::Gone).then_some(Base::Gone);
                Committed {
                    base: ended,
                    error: Some(error),
                }
            }
            // Dropping `self` keeps the changes for another attempt.
            Err(error) => return Err(error),
        };
        self.changes = None;
        let mut state = self.session.state();
        state.in_flight = None;
        if let Some(base) = committed.base {
            state.base = base;
        }
        if let Some(error) = committed.error {
            return Err(error);
        }
        match (plan.cookie, &state.base) {
            (CookieOp::Issue, Base::Live(_)) => state.cookie = CookieDuty::Issue,
            (CookieOp::Remove, _) => state.cookie = CookieDuty::Remove,
            _ => {}
        }
        Ok(())
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(changes) = self.changes.take() {
            let mut state = self.session.state();
            state.in_flight = None;
            let later = std::mem::take(&mut state.changes);
            state.changes = Arc::unwrap_or_clone(changes).then(later);
        }
    }
}

/// Whether trying the same changes again cannot help.
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Gone | ErrorKind::Revoked | ErrorKind::ResponseSent
    )
}

fn facts(state: &State, changes: &Changes, moment: Moment, now: Timestamp) -> Facts {
    let live = state.base.live();
    let touch_due = |live: &Live| {
        moment == Moment::Finish(Outcome::Success)
            && now.saturating_since(live.record.seen_at()) >= live.record.lifetime().touch_window()
    };
    let follows =
        |live: &Live| live.record.persistence() == Persistence::Remembered && live.record.lifetime().idle().is_some();
    Facts {
        base: match &state.base {
            Base::Fresh => BaseFact::Fresh,
            Base::Live(_) => BaseFact::Live,
            Base::Gone => BaseFact::Gone,
        },
        ending: changes.ending,
        identity: match changes.identity {
            Identity::Keep => IdentityFact::Keep,
            Identity::Renew => IdentityFact::Renew,
            Identity::Login(_) => IdentityFact::Login,
        },
        data: if changes.change_data() {
            Data::Changed
        } else {
            Data::Same
        },
        holding: if changes.hold_something() {
            Holding::Something
        } else {
            Holding::Nothing
        },
        touch: if live.is_some_and(touch_due) {
            Touch::Due
        } else {
            Touch::NotDue
        },
        deadline: if changes.lifetime.is_some() || live.is_some_and(follows) {
            CookieDeadline::Moves
        } else {
            CookieDeadline::Same
        },
        token: match live.map(|live| live.standing) {
            Some(Standing::OldKey) => Token::OldKey,
            Some(Standing::Current) | None => Token::Current,
        },
        head: state.head,
    }
}

/// What a commit works on, taken out of the session so that no lock is held while the store works.
struct Work {
    base: Option<Snapshot>,
    changes: Arc<Changes>,
}

struct Snapshot {
    id: SessionId,
    key: StoreKey,
    record: Record,
    standing: Standing,
}

impl Snapshot {
    fn of(base: &Base) -> Option<Self> {
        let Live {
            id,
            key,
            record,
            standing,
        } = base.live()?;
        Some(Self {
            id: id.clone(),
            key: *key,
            record: record.clone(),
            standing: *standing,
        })
    }

    fn with(&self, record: Record) -> Base {
        Base::Live(Live {
            id: self.id.clone(),
            key: self.key,
            record,
            standing: self.standing,
        })
    }
}

fn done(base: Base) -> Result<Committed> {
    Ok(Committed {
        base: Some(base),
        error: None,
    })
}

impl Engine {
    async fn execute(&self, op: StoreOp, work: &Work, now: Timestamp) -> Result<Committed> {
        match (op, &work.base) {
            (StoreOp::RefuseGone, _) => Err(gone("saving a session")),
            (StoreOp::RefuseSent, _) => Err(Error::new(
                ErrorKind::ResponseSent,
                "saving a session under a new id: the response head is already sent, so the browser cannot learn it; do this before answering",
            )),
            (StoreOp::Create, _) => done(self.create(&work.changes, Ground::Same, now).await?),
            (StoreOp::Touch, Some(base)) => self.touch(base, now).await,
            (StoreOp::Replace, Some(base)) => done(self.replace(base, &work.changes, now).await?),
            (StoreOp::Rotate, Some(base)) => done(self.rotate(base, &work.changes, now).await?),
            (StoreOp::Delete, Some(base)) => {
                self.delete(base).await?;
                done(Base::Fresh)
            }
            (StoreOp::DeleteThenCreate, Some(base)) => {
                self.delete(base).await?;
                // The old session is gone whatever comes next.
                match self.create(&work.changes, Ground::Same, now).await {
                    Ok(base) => done(base),
                    Err(error) => Ok(Committed {
                        base: Some(Base::Fresh),
                        error: Some(error),
                    }),
                }
            }
            (StoreOp::Nothing, _) | (_, None) => Ok(Committed {
                base: None,
                error: None,
            }),
        }
    }

    async fn create(&self, changes: &Changes, ground: Ground, now: Timestamp) -> Result<Base> {
        for _ in 0..COLLISIONS {
            let id = SessionId::generate()?;
            let key = id.store_key();
            let record = self.next(None, changes, ground, now)?;
            match self.store().create(key, record.clone(), began(changes)).await? {
                Created::Stored => {
                    self.tell(Event::Created {
                        handle: record.handle(),
                    });
                    self.tell_login(&record, changes);
                    return Ok(Base::Live(Live {
                        id,
                        key,
                        record,
                        standing: Standing::Current,
                    }));
                }
                Created::Revoked => return Err(revoked()),
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
            let next = self.next(Some(&found), changes, ground(attempt), now)?;
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

    async fn rotate(&self, base: &Snapshot, changes: &Changes, now: Timestamp) -> Result<Base> {
        let mut found = base.record.clone();
        for attempt in 0..ATTEMPTS {
            let id = SessionId::generate()?;
            let new = id.store_key();
            let record = self.next(Some(&found), changes, ground(attempt), now)?;
            let rotation = Rotation {
                old: base.key,
                expected: found.revision(),
                new,
                record: record.clone(),
                began: began(changes),
                now,
            };
            match self.store().rotate(rotation).await? {
                Rotated::Stored => {
                    self.tell(Event::Renewed {
                        handle: record.handle(),
                    });
                    self.tell_login(&record, changes);
                    return Ok(Base::Live(Live {
                        id,
                        key: new,
                        record,
                        standing: Standing::Current,
                    }));
                }
                Rotated::Revoked => return Err(revoked()),
                // Credentials were checked, so this login stands; but nothing of the session that ended is carried over.
                Rotated::Gone if matches!(changes.identity, Identity::Login(_)) => {
                    {
                        return self.create(changes, Ground::Moved, now).await;
                    };
                }
                Rotated::Gone => return Err(gone("renewing a session")),
                Rotated::Conflict(current) => found = current,
                Rotated::Collision if attempt >= COLLISIONS => return Err(collided()),
                Rotated::Collision => {}
            }
            pause(attempt).await;
        }
        Err(lost())
    }

    async fn delete(&self, base: &Snapshot) -> Result<()> {
        if self.store().delete(base.key).await? == Deleted::Removed {
            self.tell(Event::Destroyed {
                handle: base.record.handle(),
            });
        }
        Ok(())
    }

    /// The record that results from changes, on top of one that is stored or of none.
    fn next(&self, base: Option<&Record>, changes: &Changes, ground: Ground, now: Timestamp) -> Result<Record> {
        let config = self.config();
        let mut record = match base {
            Some(base) => Record {
                revision: base.revision() + 1,
                ..base.clone().seen(now)
            },
            None => Record::new(Handle::generate()?, now, config.lifetime),
        };
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
        record.values = changes.apply(&record.values, ground, &config.limits)?;
        Ok(record)
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

fn ground(attempt: u32) -> Ground {
    if attempt == 0 { Ground::Same } else { Ground::Moved }
}

fn began(changes: &Changes) -> Epoch {
    match &changes.identity {
        Identity::Login(login) => login.began,
        Identity::Keep | Identity::Renew => Epoch::default(),
    }
}

/// Lets others go first for a random time that grows with every lost race, at most 16 ms.
async fn pause(attempt: u32) {
    let longest = Duration::from_millis(1 << attempt.min(4));
    let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    match attempt {
        0 => tokio::task::yield_now().await,
        _ => tokio::time::sleep(longest.mul_f64(chance)).await,
    }
}

fn revoked() -> Error {
    Error::new(
        ErrorKind::Revoked,
        "signing in: all sessions of this owner were revoked meanwhile; sign in again",
    )
}

fn collided() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "storing a session under a fresh id: it was taken several times over; the operating system's randomness is broken",
    )
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "saving a session: other requests changed it {ATTEMPTS} times in between; look for one that writes in a loop"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_after_the_head_is_not_worth_trying_again() {
        assert!(is_final(&Error::new(ErrorKind::ResponseSent, "x")));
        assert!(!is_final(&Error::new(ErrorKind::Unavailable, "x")));
    }
}
