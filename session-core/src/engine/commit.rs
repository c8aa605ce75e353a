//! One commit of a session: gathers the facts, has the [plan](super::plan) carried out, and settles what the session knows
//! afterwards. What is done to the store is [`execute`](super::execute)'s.

use std::sync::Arc;

use super::outbound::Outbound;
use super::plan::{
    BaseFact, CookieDeadline, CookieOp, Data, Facts, Holding, IdentityFact, Outcome, Plan, StoreOp, Token, Touch, plan,
};
use super::work::{Committed, Work};
use crate::clock::Timestamp;
use crate::config::OnServerError;
use crate::cookie::Standing;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Handle;
use crate::record::Persistence;
use crate::session::changes::{Changes, Identity};
use crate::session::state::{Base, CookieDuty, Head, Live, State};
use crate::session::{Session, Slot};

/// When a commit happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The handler asked for it.
    Save,
    /// The handler is done.
    Finish(Outcome),
}

impl Session {
    /// Stores what was changed so far.
    pub(crate) async fn commit(&self) -> Result<()> {
        let _turn = self.turn().lock().await;
        self.commit_in_turn(Moment::Save).await
    }

    /// Stores what was changed, and closes the head in the same turn: no save comes between.
    pub(super) async fn finish(&self, outcome: Outcome) -> Result<Outbound> {
        let _turn = self.turn().lock().await;
        let committed = self.commit_in_turn(Moment::Finish(outcome)).await;
        let outbound = self.slot().outbound(&mut self.state());
        committed.map(|()| outbound)
    }

    /// Decides what has to be done and does it.
    async fn commit_in_turn(&self, moment: Moment) -> Result<()> {
        let engine = self.engine();
        let now = engine.now();
        let (plan, work, wakes) = {
            let mut state = self.state();
            let wanted = std::mem::take(&mut state.changes);
            let changes = match moment {
                Moment::Finish(Outcome::ServerError) if engine.config().on_server_error == OnServerError::DropData => {
                    Arc::new(wanted.into_changes().without_data())
                }
                _ => wanted.into_shared(),
            };
            let plan = plan(facts(&state, &changes, moment, now));
            let moves = matches!(
                plan.store,
                StoreOp::Rotate | StoreOp::Delete | StoreOp::DeleteThenCreate
            );
            let affects = moves || changes.lifetime.is_some();
            let wakes = state.base.live().filter(|_| affects).map(|live| live.record.handle());
            let unanswered = std::mem::take(&mut state.unanswered);
            let work = Work::new(&state.base, changes, unanswered);
            state.in_flight = Some(work.changes.clone());
            (plan, work, wakes)
        };
        let guard = PutBack {
            session: self,
            wakes,
            work: &work,
            changes: Some(work.changes.clone()),
        };
        let committed = engine.execute(plan.store, &work, now).await;
        guard.settle(plan, committed)
    }
}

impl Slot {
    /// As [`Session::finish`] for a request that wanted nothing, if nothing else is due: there is nothing to wait for then. Most requests end
    /// here.
    ///
    /// It takes no turn. A save that has not taken its changes yet comes after it, and finds the head closed.
    pub(super) fn finish_unchanged(&self, outcome: Outcome) -> Option<Outbound> {
        let mut state = self.state();
        if state.in_flight.is_some() || !state.changes.are_none() {
            return None;
        }
        let facts = facts(&state, &state.changes, Moment::Finish(outcome), self.engine().now());
        let nothing = Plan {
            store: StoreOp::Nothing,
            cookie: CookieOp::Nothing,
        };
        (plan(facts) == nothing).then(|| self.outbound(&mut state))
    }
}

/// Returns the changes to the session if the commit is cancelled or fails for a reason that may pass.
struct PutBack<'a> {
    session: &'a Session,
    /// The session, if the commit takes it from its key or moves its deadline.
    wakes: Option<Handle>,
    work: &'a Work,
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
        let changes = self.changes.take();
        let mut state = self.session.state();
        state.in_flight = None;
        // A session that the store has not just confirmed may have moved on, and its cookie with it.
        let confirmed = committed.base.is_some();
        if let Some(base) = committed.base {
            state.base = base;
            state.rebase();
        }
        if let Some(error) = committed.error {
            // Half of it was done: the old session is ended.
            if state.head == Head::Open && plan.store == StoreOp::DeleteThenCreate {
                state.cookie = CookieDuty::Remove;
            }
            if let (false, Some(changes)) = (is_final(&error), changes) {
                let later = std::mem::take(&mut state.changes);
                let changes = Arc::unwrap_or_clone(changes).after_ending();
                state.changes = changes.then(later.into_changes()).into();
            }
            return Err(error);
        }
        match (plan.cookie, &state.base) {
            (CookieOp::Issue, Base::Live(_)) if confirmed => state.cookie = CookieDuty::Issue,
            (CookieOp::Remove, _) => state.cookie = CookieDuty::Remove,
            _ => {}
        }
        Ok(())
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        let mut state = self.session.state();
        state.unanswered = self.work.take_unanswered();
        if let Some(changes) = self.changes.take() {
            state.in_flight = None;
            let later = std::mem::take(&mut state.changes);
            state.changes = Arc::unwrap_or_clone(changes).then(later.into_changes()).into();
        }
        drop(state);
        // Only now can those who wait for its end tell an end from a renewal by this very session. Also after an error: it may be done.
        if let Some(handle) = self.wakes {
            self.session.engine().watchers().wake(handle);
        }
    }
}

/// Whether trying the same changes again cannot help.
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Gone | ErrorKind::Revoked | ErrorKind::TooManySessions | ErrorKind::ResponseSent
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_after_the_head_is_not_worth_trying_again() {
        assert!(is_final(&Error::new(ErrorKind::ResponseSent, "x")));
        assert!(!is_final(&Error::new(ErrorKind::Unavailable, "x")));
    }
}
