//! What an [`Epoch`] of this store is, and how one is compared with a revocation on another machine's clock.
//!
//! A login takes the monotonic time of its process when it begins. A revocation is remembered by the time of the server that keeps the
//! owner's list. When the login is listed there, the server answers its time: so it is known how far the two clocks are apart, give or
//! take the way there and back. Clocks of two machines are never taken for equal.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use session_core::{Epoch, Handle};

/// Microseconds since this process first asked, at least 1: 0 is [`Epoch::default`], which began before everything.
pub(crate) fn present() -> Epoch {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let micros = u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
    Epoch::new(micros + 1)
}

/// How long a server remembers a revocation.
pub(crate) const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// A login that takes longer than this is refused: its revocation may be forgotten.
const LONGEST_LOGIN: Duration = Duration::from_secs(12 * 3600);
/// A revocation answers this much later than it was remembered, at least; so a login that begins afterwards is told apart from it even
/// if a look at the server's clock takes a while.
pub(crate) const REVOCATION: Duration = Duration::from_millis(5);
/// Two clocks run apart by less than one part in this many: NTP slews by 500 ppm at most.
const DRIFT: i128 = 2000;

/// When an owner's sessions were revoked: microseconds by the server's clock, 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) all: u64,
    pub(crate) others: u64,
    /// Whom the revocation of all others has spared.
    pub(crate) spared: Option<Handle>,
}

impl Revoked {
    /// The last revocation that a session of this handle was not spared by; 0 if there was none.
    fn latest(self, handle: Handle) -> u64 {
        if self.spared == Some(handle) {
            self.all
        } else {
            self.all.max(self.others)
        }
    }
}

/// One look at a server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) sent: Epoch,
    /// Microseconds, at some moment between sending and answering.
    pub(crate) server: u64,
    pub(crate) answered: Epoch,
}

/// How far a server's clock is ahead of ours, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    least: i128,
    most: i128,
    /// When that was known.
    at: Epoch,
}

impl Ahead {
    fn of(reading: Reading) -> Self {
        Self {
            least: i128::from(reading.server) - i128::from(reading.answered.number()),
            most: i128::from(reading.server) - i128::from(reading.sent.number()),
            at: reading.answered,
        }
    }

    /// What it may have become, or has been, at another time.
    fn at(self, at: Epoch) -> Self {
        let drift = i128::from(self.at.number().abs_diff(at.number())) / DRIFT + 1;
        Self {
            least: self.least - drift,
            most: self.most + drift,
            at,
        }
    }

    /// Both hold. If they exclude each other, a clock was set or the server is another one: then only this one does.
    fn with(self, earlier: Self) -> Self {
        let earlier = earlier.at(self.at);
        let (least, most) = (self.least.max(earlier.least), self.most.min(earlier.most));
        if least > most {
            self
        } else {
            Self { least, most, ..self }
        }
    }
}

/// What is known of the clocks of servers: a slow look is made good by a fast one shortly before.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    by_server: Mutex<HashMap<String, Ahead>>,
}

impl Clocks {
    pub(crate) fn learn(&self, server: String, reading: Reading) -> Ahead {
        let mut known = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead = Ahead::of(reading);
        if let Some(earlier) = known.get(&server) {
            ahead = ahead.with(*earlier);
        }
        known.insert(server, ahead);
        ahead
    }
}

/// Whether a login began after the revocation of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    After,
    Before,
    /// Within what is not known of the clocks.
    Unclear,
}

pub(crate) fn order(revoked: Revoked, handle: Handle, began: Epoch, ahead: Ahead) -> Order {
    let latest = i128::from(revoked.latest(handle));
    let age = Duration::from_micros(ahead.at.number().saturating_sub(began.number()));
    if began != Epoch::default() && age > LONGEST_LOGIN {
        return Order::Before;
    }
    if latest == 0 {
        return Order::After;
    }
    if began == Epoch::default() {
        return Order::Before;
    }
    let then = ahead.at(began);
    let began = i128::from(began.number());
    if latest < began + then.least {
        Order::After
    } else if latest > began + then.most {
        Order::Before
    } else {
        Order::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: Handle = Handle::from_bytes([1; 15]);
    const OTHER: Handle = Handle::from_bytes([2; 15]);
    /// How far the server is ahead.
    const SERVER: u64 = 1_000_000;

    /// There and back takes that long.
    fn reading(at: u64, takes: u64) -> Reading {
        Reading {
            sent: Epoch::new(at),
            server: SERVER + at + takes / 2,
            answered: Epoch::new(at + takes),
        }
    }

    fn ahead(at: u64) -> Ahead {
        Ahead::of(reading(at, 20))
    }

    fn all(at: u64) -> Revoked {
        Revoked {
            all: SERVER + at,
            ..Revoked::default()
        }
    }

    #[test]
    fn the_order_is_known_outside_the_time_of_the_way() {
        let began = Epoch::new(500);
        assert_eq!(order(all(400), HANDLE, began, ahead(700)), Order::After);
        assert_eq!(order(all(600), HANDLE, began, ahead(700)), Order::Before);
        assert_eq!(order(all(500), HANDLE, began, ahead(700)), Order::Unclear);
    }

    #[test]
    fn who_was_never_revoked_comes_after() {
        for began in [Epoch::new(5), Epoch::default()] {
            assert_eq!(order(Revoked::default(), HANDLE, began, ahead(7)), Order::After);
        }
    }

    #[test]
    fn a_login_without_a_beginning_came_before_every_revocation() {
        assert_eq!(order(all(1), HANDLE, Epoch::default(), ahead(700)), Order::Before);
    }

    #[test]
    fn the_one_that_was_spared_is_compared_with_older_revocations_only() {
        let revoked = Revoked {
            all: SERVER + 100,
            others: SERVER + 600,
            spared: Some(HANDLE),
        };
        assert_eq!(order(revoked, HANDLE, Epoch::new(500), ahead(700)), Order::After);
        assert_eq!(order(revoked, OTHER, Epoch::new(500), ahead(700)), Order::Before);
        assert_eq!(order(revoked, HANDLE, Epoch::new(50), ahead(700)), Order::Before);
    }

    #[test]
    fn a_login_that_outlives_the_memory_is_refused() {
        let late = u64::try_from(LONGEST_LOGIN.as_micros()).unwrap() + 10;
        assert_eq!(
            order(Revoked::default(), HANDLE, Epoch::new(1), ahead(late)),
            Order::Before
        );
    }

    #[test]
    fn a_long_login_is_given_no_benefit_of_drifting_clocks() {
        let hour = 3_600_000_000;
        assert_eq!(order(all(5), HANDLE, Epoch::new(1000), ahead(hour)), Order::Unclear);
    }

    #[test]
    fn a_slow_look_is_made_good_by_a_fast_one_before() {
        let clocks = Clocks::default();
        clocks.learn("one".to_owned(), reading(100, 20));
        let began = Epoch::new(500);
        let slow = reading(700, 10_000);
        assert_eq!(order(all(400), HANDLE, began, Ahead::of(slow)), Order::Unclear);
        assert_eq!(
            order(all(400), HANDLE, began, clocks.learn("two".to_owned(), slow)),
            Order::Unclear
        );
        assert_eq!(
            order(all(400), HANDLE, began, clocks.learn("one".to_owned(), slow)),
            Order::After
        );
    }

    #[test]
    fn what_was_known_of_a_clock_is_forgotten_when_it_is_set() {
        let clocks = Clocks::default();
        clocks.learn("one".to_owned(), reading(100, 20));
        let mut set = reading(700, 20);
        set.server += 5_000_000;
        assert_eq!(clocks.learn("one".to_owned(), set), Ahead::of(set));
    }
}
