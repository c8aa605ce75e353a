//! Time as a value that is passed in: [`Timestamp`], the [`Clock`] it comes from, and a clock that tests move by hand.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, ErrorKind, Result};

/// A point in time: UTC, milliseconds since the Unix epoch.
///
/// Shown as RFC 3339, for example `2026-11-23T19:16:06Z`; converts into [`SystemTime`] and [`OffsetDateTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Timestamp(u64); // at most `MAX`

impl Timestamp {
    /// The latest time that can be stored (in the year 9999), so that arithmetic and display never fail.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the Unix epoch; what lies behind [`MAX`](Self::MAX) is `MAX`.
    pub const fn from_unix_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// This time plus a span, at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// The span since an earlier time; zero if `earlier` is not earlier.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<Timestamp> for u64 {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl TryFrom<u64> for Timestamp {
    type Error = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] behind [`Timestamp::MAX`].
    fn try_from(millis: u64) -> Result<Self> {
        if millis > Self::MAX.0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "reading a time: it lies behind the year 9999",
            ));
        }
        Ok(Self(millis))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(at.0)
    }
}

impl From<SystemTime> for Timestamp {
    /// What lies before the epoch is the epoch.
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::default().saturating_add(since)
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(at: Timestamp) -> Self {
        OffsetDateTime::UNIX_EPOCH + Duration::from_millis(at.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from(*self).format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Where the library takes the time from. One clock serves the engine, the cleaner and the registry.
pub trait Clock: Send + Sync + 'static {
    /// The present time. It must never go backwards within one process.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The operating system's clock, kept from going backwards or standing still.
///
/// A wall clock that is set back must not extend a session, so the time is the wall clock's *or* the latest wall time seen plus
/// what the monotonic clock has counted since, whichever is later.
#[derive(Debug)]
pub struct SystemClock {
    /// By a clock that nobody sets, and that most systems have in memory to be read: 6 ns where the exact one takes 25, and a request asks
    /// two to four times. It is behind by one tick of the kernel, 1 to 10 ms on Linux; timeouts are kept to the second.
    started: coarsetime::Instant,
    /// Wall time at `started`, in milliseconds; it only grows, when the wall clock is found ahead.
    origin: AtomicU64,
    /// When the wall clock is to be looked at again, in milliseconds since `started`.
    next_look: AtomicU64,
    /// Unix time, as somebody may set it.
    wall: fn() -> SystemTime,
}

/// A wall clock that was set forward is followed after this time at the latest. In between it is not read, which would cost 25 ns, four times
/// as much as the other clock.
const LOOKS_EVERY: u64 = 20;

impl SystemClock {
    /// A clock that starts from the present wall time.
    pub fn new() -> Self {
        Self::reading(SystemTime::now)
    }

    /// The same over another wall clock: for tests, to see what an application does when its machine's clock jumps.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use session_core::{Clock, SystemClock};
    ///
    /// let hour = Duration::from_secs(3600);
    /// let ahead = SystemClock::reading(|| SystemTime::now() + Duration::from_secs(3600));
    /// assert!(ahead.now().saturating_since(SystemClock::new().now()) > hour / 2);
    /// ```
    pub fn reading(wall: fn() -> SystemTime) -> Self {
        Self {
            started: coarsetime::Instant::now(),
            origin: AtomicU64::new(Timestamp::from(wall()).unix_millis()),
            next_look: AtomicU64::new(0),
            wall,
        }
    }

    fn at(&self, elapsed: Duration, wall: impl FnOnce() -> Timestamp) -> Timestamp {
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if elapsed >= self.next_look.load(Ordering::Relaxed) {
            self.next_look
                .store(elapsed.saturating_add(LOOKS_EVERY), Ordering::Relaxed);
            let origin = wall().unix_millis().saturating_sub(elapsed);
            self.origin.fetch_max(origin, Ordering::Relaxed);
        }
        let origin = self.origin.load(Ordering::Relaxed);
        Timestamp::from_unix_millis(origin.saturating_add(elapsed))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = coarsetime::Instant::now_without_cache_update();
        self.at(now.duration_since(self.started).into(), || (self.wall)().into())
    }
}

/// A clock that stands still until it is moved: for tests, which never sleep.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicU64::new(start.unix_millis()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().saturating_add(span));
    }

    /// Sets the clock, backwards too: what a misconfigured machine does.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Starts at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_unix_millis(1_767_225_600_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_wall_clock_set_back_does_not_slow_the_time_down() {
        let clock = SystemClock::new();
        let start = Timestamp::from_unix_millis(clock.origin.load(Ordering::Relaxed));
        let before = clock.at(SECOND, || start.saturating_add(SECOND));
        let set_back = Timestamp::from_unix_millis(start.unix_millis() - 3_600_000);
        let after = clock.at(2 * SECOND, || set_back);
        assert_eq!(after.saturating_since(before), SECOND);
    }

    #[test]
    fn a_wall_clock_set_forward_is_followed_and_never_taken_back() {
        let clock = SystemClock::new();
        let start = Timestamp::from_unix_millis(clock.origin.load(Ordering::Relaxed));
        let jumped = clock.at(SECOND, || start.saturating_add(HOUR));
        assert_eq!(jumped, start.saturating_add(HOUR));
        let corrected = clock.at(2 * SECOND, || start.saturating_add(2 * SECOND));
        assert_eq!(corrected, jumped.saturating_add(SECOND));
    }

    #[test]
    fn the_wall_clock_is_looked_at_now_and_then() {
        let clock = SystemClock::new();
        let start = Timestamp::from_unix_millis(clock.origin.load(Ordering::Relaxed));
        clock.at(SECOND, || start.saturating_add(SECOND));
        let between = SECOND + Duration::from_millis(LOOKS_EVERY - 1);
        assert_eq!(
            clock.at(between, || panic!("it was looked at a moment ago")),
            start.saturating_add(between)
        );
        let later = SECOND + Duration::from_millis(LOOKS_EVERY);
        assert_eq!(
            clock.at(later, || start.saturating_add(HOUR)),
            start.saturating_add(HOUR)
        );
    }

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        assert_eq!(ManualClock::default().now().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_timestamp_saturates_instead_of_overflowing() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert!(Timestamp::MAX.to_string().starts_with("9999-12-31"));
    }
}
