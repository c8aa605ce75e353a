//! [`Watchers`]: who waits for the end of a session in this process. A wake-up says "look again", never "it has ended": the store alone
//! knows that.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::id::{Handle, Owner};
use crate::sync::{Mutex, MutexGuard};

/// Holds an entry for each session that somebody waits for, and only as long as they do.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<HashMap<Handle, Waiting>>,
}

struct Waiting {
    /// As far as those who wait know.
    owner: Option<Owner>,
    notify: Arc<Notify>,
    watches: usize,
}

/// Whose sessions something happens to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    One(Handle),
    Owner(&'a Owner),
    Everybody,
}

/// Wakes when it is dropped: whatever the store answers, and also if nobody waits for its answer any more, it may be done.
#[must_use = "it wakes when it is dropped"]
pub(crate) struct Wake<'a> {
    watchers: &'a Watchers,
    whose: Whose<'a>,
}

/// Somebody who waits.
pub(crate) struct Watch<'a> {
    watchers: &'a Watchers,
    handle: Handle,
    notify: Arc<Notify>,
}

impl Watchers {
    pub(crate) fn watch(&self, handle: Handle, owner: Option<Owner>) -> Watch<'_> {
        let mut waiting = self.waiting();
        let entry = waiting.entry(handle).or_insert_with(|| Waiting {
            owner: None,
            notify: Arc::default(),
            watches: 0,
        });
        entry.watches += 1;
        // Under one handle a visitor may sign in, and nothing else changes: another owner's session has another handle.
        entry.owner = owner.or(entry.owner.take());
        Watch {
            watchers: self,
            handle,
            notify: entry.notify.clone(),
        }
    }

    /// The store is about to be asked to do something to these sessions.
    pub(crate) fn wake_after<'a>(&'a self, whose: Whose<'a>) -> Wake<'a> {
        Wake { watchers: self, whose }
    }

    /// Something has happened to this session.
    pub(crate) fn wake(&self, handle: Handle) {
        if let Some(waiting) = self.waiting().get(&handle) {
            waiting.notify.notify_waiters();
        }
    }

    /// Something has happened to sessions of this owner. Looks at everybody who waits: revocations are rare.
    fn wake_owner(&self, owner: &Owner) {
        for waiting in self.waiting().values() {
            if waiting.owner.as_ref() == Some(owner) {
                waiting.notify.notify_waiters();
            }
        }
    }

    /// Something has happened to every session.
    fn wake_everybody(&self) {
        for waiting in self.waiting().values() {
            waiting.notify.notify_waiters();
        }
    }

    /// Nothing under this lock panics.
    fn waiting(&self) -> MutexGuard<'_, HashMap<Handle, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        match self.whose {
            Whose::One(handle) => self.watchers.wake(handle),
            Whose::Owner(owner) => self.watchers.wake_owner(owner),
            Whose::Everybody => self.watchers.wake_everybody(),
        }
    }
}

impl Watch<'_> {
    /// Ends with the first wake-up after this call, whenever it is first polled. So call it before looking, and wait afterwards.
    pub(crate) fn woken(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.watchers.waiting();
        if let Some(entry) = waiting.get_mut(&self.handle) {
            entry.watches -= 1;
            if entry.watches == 0 {
                waiting.remove(&self.handle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const ONE: Handle = Handle::from_bytes([1; 15]);
    const TWO: Handle = Handle::from_bytes([2; 15]);

    fn owner(name: &str) -> Option<Owner> {
        Some(Owner::new(name).unwrap())
    }

    fn is_ready(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_wake_up_between_looking_and_waiting_is_not_missed() {
        let watchers = Watchers::default();
        let watch = watchers.watch(ONE, None);
        let woken = watch.woken();
        watchers.wake(ONE);
        assert!(is_ready(woken));
        assert!(!is_ready(watch.woken()), "it wakes once");
    }

    #[test]
    fn everybody_who_waits_for_a_session_is_woken_and_nobody_else() {
        let watchers = Watchers::default();
        let watches = [ONE, ONE, TWO].map(|handle| watchers.watch(handle, None));
        let woken = watches.each_ref().map(Watch::woken);
        watchers.wake(ONE);
        assert_eq!(woken.map(is_ready), [true, true, false]);
    }

    #[test]
    fn an_owner_s_sessions_are_woken_and_no_others() {
        let watchers = Watchers::default();
        let before = watchers.watch(ONE, None);
        let watches = [
            watchers.watch(ONE, owner("alice")),
            watchers.watch(ONE, None),
            watchers.watch(TWO, owner("bob")),
        ];
        let woken = watches.each_ref().map(Watch::woken);
        watchers.wake_owner(&owner("alice").unwrap());
        assert_eq!(woken.map(is_ready), [true, true, false]);
        drop(before);
    }

    #[test]
    fn nothing_is_left_when_nobody_waits() {
        let watchers = Watchers::default();
        for _ in 0..100 {
            let one = watchers.watch(ONE, owner("alice"));
            let again = watchers.watch(ONE, None);
            drop(one);
            assert_eq!(watchers.waiting().len(), 1);
            drop(again);
        }
        assert!(watchers.waiting().is_empty());
    }
}
