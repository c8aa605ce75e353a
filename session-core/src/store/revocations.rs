//! [`Revocations`]: the [`Epoch`] bookkeeping of a store whose owners all live in one process. A store shared by several machines
//! keeps its own.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::{Epoch, Revoke};
use crate::id::{Handle, Owner};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Remembers which owners were revoked when, so that a login which began before can be refused (P12).
///
/// A revocation runs [`begin`](Self::begin), ends the sessions, then [`publish`](Self::publish)es and answers; the store runs one
/// revocation after the other, or publishes a group of them at once. Until it is published, every login of that owner counts as
/// having begun before it.
#[derive(Debug)]
pub struct Revocations {
    published: AtomicU64,
    raised: Mutex<Raised>,
}

#[derive(Debug, Default)]
struct Raised {
    latest: u64,
    by_owner: HashMap<Owner, Revoked>,
    /// Logins that began before this are refused whoever they are for: what stands in for forgotten owners.
    floor: Epoch,
}

/// What the revocations of an owner refuse.
#[derive(Debug)]
struct Revoked {
    /// The latest one: it refuses logins that began before, to any session but the one that it spared.
    at: Epoch,
    spared: Option<Handle>,
    /// The latest one that did not spare that session: it refuses logins that began before, to whichever session.
    all_at: Epoch,
}

impl Revoked {
    fn refuse(&self, handle: Handle, began: Epoch) -> bool {
        began < self.all_at || (self.spared != Some(handle) && began < self.at)
    }
}

/// Owners remembered before they are folded into the floor. Only logins that are under way at that moment are refused by it.
const MOST_OWNERS: usize = 10_000;

impl Revocations {
    /// No owner was revoked yet.
    pub fn new() -> Self {
        Self {
            published: AtomicU64::new(0),
            raised: Mutex::default(),
        }
    }

    /// What a login that begins now is to pass on.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.published.load(Ordering::SeqCst))
    }

    /// From now on every login of this owner that is under way is refused, but for that of the session which is spared.
    /// [`Revoke::One`] ends no login; do not begin it.
    pub fn begin(&self, owner: &Owner, which: Revoke) -> Epoch {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.latest += 1;
        let epoch = Epoch(raised.latest);
        if raised.by_owner.len() >= MOST_OWNERS {
            raised.floor = Epoch(raised.latest - 1);
            raised.by_owner.clear();
        }
        let spared = match which {
            Revoke::Others(kept) => Some(kept),
            Revoke::All | Revoke::One(_) => None,
        };
        let all_at = match (spared, raised.by_owner.get(owner)) {
            (None, _) => epoch,
            (Some(_), None) => Epoch::default(),
            (Some(_), Some(before)) if before.spared == spared => before.all_at,
            (Some(_), Some(before)) => before.at,
        };
        let revoked = Revoked {
            at: epoch,
            spared,
            all_at,
        };
        raised.by_owner.insert(owner.clone(), revoked);
        epoch
    }

    /// From now on every login that is under way is refused, whoever it is for: everything is about to be cleared.
    pub fn begin_all(&self) -> Epoch {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.latest += 1;
        let epoch = Epoch(raised.latest);
        raised.floor = epoch;
        // What was spared earlier is not spared now.
        raised.by_owner.clear();
        epoch
    }

    /// The sessions are gone (or the revocation failed): logins that begin from now on are not affected by it.
    pub fn publish(&self, epoch: Epoch) {
        self.published.fetch_max(epoch.0, Ordering::SeqCst);
    }

    /// Whether a login of this owner, to a session of that handle, is to be refused if it began then.
    pub fn refuse(&self, owner: &Owner, handle: Handle, began: Epoch) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let revoked = raised.by_owner.get(owner);
        began < raised.floor || revoked.is_some_and(|revoked| revoked.refuse(handle, began))
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: Handle = Handle::from_bytes([1; 15]);

    fn owner(name: &str) -> Owner {
        Owner::new(name).unwrap()
    }

    #[test]
    fn a_login_is_refused_until_a_revocation_is_published() {
        let revocations = Revocations::new();
        let before = revocations.epoch();
        let epoch = revocations.begin(&owner("alice"), Revoke::All);
        assert!(revocations.refuse(&owner("alice"), HANDLE, before));
        assert!(revocations.refuse(&owner("alice"), HANDLE, revocations.epoch()));
        assert!(!revocations.refuse(&owner("bob"), HANDLE, before));
        revocations.publish(epoch);
        assert!(revocations.refuse(&owner("alice"), HANDLE, before));
        assert!(!revocations.refuse(&owner("alice"), HANDLE, revocations.epoch()));
    }

    #[test]
    fn the_session_that_is_spared_may_sign_in() {
        let revocations = Revocations::new();
        let before = revocations.epoch();
        revocations.publish(revocations.begin(&owner("alice"), Revoke::Others(HANDLE)));
        assert!(!revocations.refuse(&owner("alice"), HANDLE, before));
        assert!(revocations.refuse(&owner("alice"), Handle::from_bytes([2; 15]), before));
        revocations.publish(revocations.begin(&owner("alice"), Revoke::All));
        assert!(revocations.refuse(&owner("alice"), HANDLE, before));
    }

    #[test]
    fn a_later_revocation_spares_nobody_whom_an_earlier_one_refuses() {
        let other = Handle::from_bytes([2; 15]);
        for earlier in [Revoke::All, Revoke::Others(other)] {
            let revocations = Revocations::new();
            let before = revocations.epoch();
            revocations.publish(revocations.begin(&owner("alice"), earlier));
            let between = revocations.epoch();
            for _ in 0..2 {
                revocations.publish(revocations.begin(&owner("alice"), Revoke::Others(HANDLE)));
            }
            assert!(revocations.refuse(&owner("alice"), HANDLE, before), "{earlier:?}");
            assert!(!revocations.refuse(&owner("alice"), HANDLE, between), "{earlier:?}");
            assert!(revocations.refuse(&owner("alice"), other, between), "{earlier:?}");
        }
    }

    #[test]
    fn clearing_refuses_every_login_that_is_under_way() {
        let revocations = Revocations::new();
        revocations.publish(revocations.begin(&owner("alice"), Revoke::Others(HANDLE)));
        let before = revocations.epoch();
        let epoch = revocations.begin_all();
        for name in ["alice", "bob"] {
            assert!(revocations.refuse(&owner(name), HANDLE, before), "{name}");
            assert!(revocations.refuse(&owner(name), HANDLE, revocations.epoch()), "{name}");
        }
        revocations.publish(epoch);
        assert!(revocations.refuse(&owner("alice"), HANDLE, before));
        assert!(!revocations.refuse(&owner("alice"), HANDLE, revocations.epoch()));
    }

    #[test]
    fn a_forgotten_owner_is_still_refused() {
        let revocations = Revocations::new();
        let before = revocations.epoch();
        for number in 0..=MOST_OWNERS {
            let epoch = revocations.begin(&owner(&format!("user {number}")), Revoke::All);
            revocations.publish(epoch);
        }
        assert!(revocations.raised.lock().unwrap().by_owner.len() < MOST_OWNERS);
        assert!(revocations.refuse(&owner("user 0"), HANDLE, before));
        assert!(!revocations.refuse(&owner("user 0"), HANDLE, revocations.epoch()));
    }
}
