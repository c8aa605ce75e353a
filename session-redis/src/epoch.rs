//! What an [`Epoch`] of this store is, and how one is compared with a revocation on another machine's clock.
//!
//! A login takes the monotonic time of its process when it begins. A revocation is remembered by the time of the server that keeps the
//! owner's list. When the login is listed there, the server answers its time; the age of the login then says when it began by the
//! server's clock, give or take the way there and back. Clocks of machines are never compared with each other.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use session_core::{Epoch, Handle};

/// Microseconds since this process first asked, at least 1: 0 is [`Epoch::default`], which began before everything.
pub(crate) fn present() -> Epoch {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let micros = u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
    Epoch(micros + 1)
}

/// How long a server remembers a revocation.
pub(crate) const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// A login that takes longer than this is refused: its revocation may be forgotten.
const LONGEST_LOGIN: Duration = Duration::from_secs(12 * 3600);

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

/// One look at the server's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) sent: Epoch,
    /// Microseconds, at some moment between sending and answering.
    pub(crate) server: u64,
    pub(crate) answered: Epoch,
}

/// Whether a login began after the revocation of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    After,
    Before,
    /// Within the time that the reading took; another one may be faster.
    Unclear,
}

pub(crate) fn order(revoked: Revoked, handle: Handle, began: Epoch, reading: Reading) -> Order {
    let latest = revoked.latest(handle);
    let age = |at: Epoch| at.0.saturating_sub(began.0);
    if began != Epoch::default() && u128::from(age(reading.answered)) > LONGEST_LOGIN.as_micros() {
        return Order::Before;
    }
    if latest == 0 {
        return Order::After;
    }
    if began == Epoch::default() {
        return Order::Before;
    }
    // Two clocks may run apart by a thousandth: NTP slews by half of that at most.
    let drift = age(reading.answered) / 1000;
    let earliest = reading.server.saturating_sub(age(reading.answered) + drift);
    let latest_possible = reading.server.saturating_sub(age(reading.sent)) + drift;
    if latest < earliest {
        Order::After
    } else if latest > latest_possible {
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

    /// The server's clock is a million ahead of ours; there and back takes 20 µs.
    fn reading(at: u64) -> Reading {
        Reading {
            sent: Epoch(at),
            server: 1_000_000 + at + 10,
            answered: Epoch(at + 20),
        }
    }

    fn all(at: u64) -> Revoked {
        Revoked {
            all: 1_000_000 + at,
            ..Revoked::default()
        }
    }

    #[test]
    fn the_order_is_known_outside_the_time_of_the_way() {
        let began = Epoch(500);
        assert_eq!(order(all(400), HANDLE, began, reading(700)), Order::After);
        assert_eq!(order(all(600), HANDLE, began, reading(700)), Order::Before);
        assert_eq!(order(all(500), HANDLE, began, reading(700)), Order::Unclear);
    }

    #[test]
    fn who_was_never_revoked_comes_after() {
        assert_eq!(order(Revoked::default(), HANDLE, Epoch(5), reading(7)), Order::After);
        assert_eq!(
            order(Revoked::default(), HANDLE, Epoch::default(), reading(7)),
            Order::After
        );
    }

    #[test]
    fn a_login_without_a_beginning_came_before_every_revocation() {
        assert_eq!(order(all(1), HANDLE, Epoch::default(), reading(700)), Order::Before);
    }

    #[test]
    fn the_one_that_was_spared_is_compared_with_older_revocations_only() {
        let revoked = Revoked {
            all: 1_000_000 + 100,
            others: 1_000_000 + 600,
            spared: Some(HANDLE),
        };
        assert_eq!(order(revoked, HANDLE, Epoch(500), reading(700)), Order::After);
        assert_eq!(order(revoked, OTHER, Epoch(500), reading(700)), Order::Before);
        assert_eq!(order(revoked, HANDLE, Epoch(50), reading(700)), Order::Before);
    }

    #[test]
    fn a_login_that_outlives_the_memory_is_refused() {
        let late = u64::try_from(LONGEST_LOGIN.as_micros()).unwrap() + 10;
        assert_eq!(
            order(Revoked::default(), HANDLE, Epoch(1), reading(late)),
            Order::Before
        );
    }

    /// A thousandth of an hour is more than three seconds: clocks that drift apart do not let a login slip through.
    #[test]
    fn a_long_login_is_given_no_benefit_of_drifting_clocks() {
        let hour = 3_600_000_000;
        assert_eq!(order(all(5), HANDLE, Epoch(1000), reading(hour)), Order::Unclear);
    }
}
