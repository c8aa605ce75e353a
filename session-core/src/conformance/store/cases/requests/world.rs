//! [`World`]: a few sessions and what one request after the other does to them. It knows no store, no revision and no second attempt: what
//! concurrent requests answered and left must be what they would have, had each been alone in some order.

use super::site::Scene;
use super::wish::{Answer, Content, Did, Wish};
use crate::error::ErrorKind;
use crate::id::Owner;

/// Where the session is that requests meet at, in [`World::sessions`] and in what a script sees.
pub(super) const FIRST: usize = 0;
/// Where alice's other session is.
const ELSEWHERE: usize = 1;
/// Where the sessions are that requests begin, each in its place.
pub(super) const BEGUN: usize = 2;

/// What a script has seen happen.
pub(super) struct Done {
    pub(super) wish: Wish,
    pub(super) answer: Answer,
    /// The step in which it began, and that in which it was answered.
    pub(super) began: usize,
    pub(super) ended: usize,
    /// The step in which its handler ran.
    pub(super) handled: usize,
    /// The session that it began or moved, when it was answered.
    pub(super) begun: Option<Content>,
}

/// Whether the store can find an owner's sessions: a logout that a renewal overtakes needs that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Kept,
    None,
}

#[derive(Clone)]
struct World<'a> {
    scene: &'a Scene,
    lists: Lists,
    /// What each token opens.
    sessions: Vec<Option<Content>>,
    /// Whether all of alice's sessions were revoked.
    revoked_all: bool,
    /// Whether all but the first one were.
    revoked_others: bool,
    /// Whether counts of ended sessions tell anything: a revocation may count by the time before everything expired.
    counts: bool,
}

/// Whether some order of the requests, in which nobody who was answered comes behind somebody who began later, explains all their answers
/// and what they left behind every token.
pub(super) fn explains(scene: &Scene, lists: Lists, done: &[Done], left: &[Option<Content>]) -> bool {
    let mut sessions = vec![None; BEGUN + done.len()];
    sessions[FIRST] = Some(scene.at_first());
    sessions[ELSEWHERE] = Some(scene.elsewhere());
    let world = World {
        scene,
        lists,
        sessions,
        revoked_all: false,
        revoked_others: false,
        counts: done.iter().all(|done| done.wish != Wish::Expire),
    };
    explains_rest(&world, done, &mut Vec::new(), left)
}

fn explains_rest(world: &World<'_>, done: &[Done], order: &mut Vec<usize>, left: &[Option<Content>]) -> bool {
    if order.len() == done.len() {
        return world.sessions == left;
    }
    for place in 0..done.len() {
        let rest = (0..done.len()).filter(|other| *other != place && !order.contains(other));
        if order.contains(&place) || rest.into_iter().any(|other| must_precede(&done[other], &done[place])) {
            continue;
        }
        let mut next = world.clone();
        if next.allows(place, &done[place]) {
            order.push(place);
            if explains_rest(&next, done, order, left) {
                return true;
            }
            order.pop();
        }
    }
    false
}

fn must_precede(one: &Done, other: &Done) -> bool {
    let was_over = one.ended < other.began;
    // A login that began before a revocation was acknowledged does not outlive it, unless it is to the session that is spared (P12).
    let revokes = match (&other.wish, &one.begun) {
        (Wish::RevokeAll, Some(_)) => true,
        (Wish::RevokeOthers, Some(begun)) => begun.handle.is_none(),
        _ => false,
    };
    was_over || (revokes && one.wish == Wish::Login && one.handled < other.ended)
}

impl World<'_> {
    /// Does what the request does if it is alone, and says whether that is what it answered.
    fn allows(&mut self, place: usize, done: &Done) -> bool {
        let first = &self.sessions[FIRST];
        let saw = done.answer.saw.as_ref();
        let did = match &done.answer.did {
            Ok(did) => did,
            // It did nothing, because what it wanted to change had ended.
            Err(ErrorKind::Gone) => {
                let changes = matches!(done.wish, Wish::Count | Wish::Note | Wish::Renew);
                return changes && saw.is_some() && first.is_none();
            }
            Err(ErrorKind::Revoked) => return done.wish == Wish::Login && self.refuses_login(),
            Err(_) => return false,
        };
        match done.wish {
            Wish::Read => {
                // If it ended before its sighting was recorded, no cookie may be set: that is watched step by step.
                let said = matches!(did, Did::SameToken | Did::KeptQuiet);
                saw == first.as_ref() && if saw.is_some() { said } else { *did == Did::KeptQuiet }
            }
            Wish::Count => self.changes(place, saw, did, |content| {
                content.visits = Some(content.visits.unwrap_or(0) + 1);
            }),
            Wish::Note => self.changes(place, saw, did, |content| {
                content.note = u32::try_from(place).ok();
            }),
            Wish::Login => matches!(did, Did::NewToken(_)) && self.signs_in(place, saw),
            Wish::Renew => match did {
                Did::KeptQuiet => saw.is_none(),
                Did::NewToken(_) => {
                    self.sessions[BEGUN + place] = self.sessions[FIRST].take();
                    self.sessions[BEGUN + place].is_some()
                }
                _ => false,
            },
            Wish::Logout => match (saw, did) {
                (None, Did::KeptQuiet) => true,
                (Some(saw), Did::Forgot) => {
                    self.logs_out(saw);
                    true
                }
                _ => false,
            },
            Wish::RevokeAll => {
                self.revoked_all = true;
                let alice = self.scene.alice.clone();
                let ended = self.ends(|content| content.owner.as_ref() == Some(&alice));
                self.counts(did, ended)
            }
            Wish::RevokeOne => {
                let owner = self.scene.owner.as_ref().unwrap_or(&self.scene.alice).clone();
                let ended = self.ends_named(&owner);
                self.counts(did, ended)
            }
            Wish::RevokeOthers => {
                self.revoked_others = true;
                let alice = self.scene.alice.clone();
                let ended = self.ends(|content| content.owner.as_ref() == Some(&alice) && content.handle.is_none());
                self.counts(did, ended)
            }
            Wish::UpdateAll => {
                let alices = |content: &&mut Content| content.owner.as_ref() == Some(&self.scene.alice);
                for content in self.sessions.iter_mut().flatten().filter(alices) {
                    content.visits = Some(content.visits.unwrap_or(0) + 100);
                }
                *did == Did::Updated
            }
            Wish::StartOver => {
                if let Some(saw) = saw {
                    self.logs_out(saw);
                }
                self.sessions[BEGUN + place] = Some(Content {
                    note: u32::try_from(place).ok(),
                    ..Content::default()
                });
                self.sessions[FIRST].is_none() && matches!(did, Did::NewToken(_))
            }
            Wish::Sweep => *did == Did::Swept,
            Wish::Expire => {
                self.ends(|_| true);
                true
            }
        }
    }

    /// Changes the session, or begins one for a visitor who has none.
    fn changes(&mut self, place: usize, saw: Option<&Content>, did: &Did, change: impl Fn(&mut Content)) -> bool {
        match (&mut self.sessions[FIRST], saw, did) {
            (Some(content), Some(_), Did::SameToken) => {
                change(content);
                true
            }
            (None, None, Did::NewToken(_)) => {
                let mut content = Content::default();
                change(&mut content);
                self.sessions[BEGUN + place] = Some(content);
                true
            }
            _ => false,
        }
    }

    /// Moves the session to a new token. Of somebody else's session, and of one that has ended, nothing is taken along.
    fn signs_in(&mut self, place: usize, saw: Option<&Content>) -> bool {
        let first = self.sessions[FIRST].take();
        if saw.is_none() && first.is_some() {
            return false;
        }
        let kept = first.filter(|content| self.is_kept_by_login(content));
        self.sessions[BEGUN + place] = Some(Content {
            owner: Some(self.scene.alice.clone()),
            ..kept.unwrap_or_default()
        });
        true
    }

    /// Whether a login that began before the revocations is refused: the session that one of them spares may be signed in to.
    fn refuses_login(&self) -> bool {
        let first = self.sessions[FIRST].as_ref();
        let is_spared = first.is_some_and(|content| self.is_kept_by_login(content));
        self.revoked_all || (self.revoked_others && !is_spared)
    }

    /// Whether a login goes on with this session, and does not begin another one.
    fn is_kept_by_login(&self, content: &Content) -> bool {
        let owner = content.owner.as_ref();
        owner.is_none_or(|owner| *owner == self.scene.alice)
    }

    /// Ends the session, also one that a renewal has moved; that takes an owner to find it by.
    fn logs_out(&mut self, saw: &Content) {
        if self.sessions[FIRST].take().is_none()
            && self.lists == Lists::Kept
            && let Some(owner) = &saw.owner
        {
            self.ends_named(owner);
        }
    }

    /// Ends the session that has the handle of the first one, if it is this owner's.
    fn ends_named(&mut self, owner: &Owner) -> u64 {
        self.ends(|content| content.handle.is_some() && content.owner.as_ref() == Some(owner))
    }

    fn ends(&mut self, chosen: impl Fn(&Content) -> bool) -> u64 {
        let mut ended = 0;
        for session in &mut self.sessions {
            ended += u64::from(session.take_if(|content| chosen(content)).is_some());
        }
        ended
    }

    fn counts(&self, did: &Did, ended: u64) -> bool {
        matches!(did, Did::Revoked(_)) && (!self.counts || *did == Did::Revoked(ended))
    }
}
