//! How long a session lives: idle and absolute timeouts, the presets, and the window in which a read need not be recorded.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest timeout: 400 days, what browsers cap a cookie's lifetime at (RFC 6265bis §5.5).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// When a session ends by itself: after a span without a request (idle), after a span since it began (absolute), or both.
///
/// ```
/// use session_core::Lifetime;
/// use std::time::Duration;
///
/// let lifetime = Lifetime::sliding(Duration::from_secs(3600))?.with_absolute(Duration::from_secs(12 * 3600))?;
/// assert_eq!(lifetime.idle(), Some(Duration::from_secs(3600)));
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    // At least one is present; each lies between 1 s and 400 days. Milliseconds, as stored.
    idle: Option<u64>,
    absolute: Option<u64>,
}

impl Lifetime {
    /// Ends after `idle` without a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] unless `idle` lies between one second and 400 days.
    pub fn sliding(idle: Duration) -> Result<Self> {
        Ok(Self {
            idle: Some(millis(idle)?),
            absolute: None,
        })
    }

    /// Ends `absolute` after it began, however busy it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] unless `absolute` lies between one second and 400 days.
    pub fn fixed(absolute: Duration) -> Result<Self> {
        Ok(Self {
            idle: None,
            absolute: Some(millis(absolute)?),
        })
    }

    /// Adds or changes the idle timeout.
    ///
    /// # Errors
    ///
    /// As [`sliding`](Self::sliding).
    pub fn with_idle(self, idle: Duration) -> Result<Self> {
        Ok(Self {
            idle: Some(millis(idle)?),
            ..self
        })
    }

    /// Adds or changes the absolute timeout.
    ///
    /// # Errors
    ///
    /// As [`fixed`](Self::fixed).
    pub fn with_absolute(self, absolute: Duration) -> Result<Self> {
        Ok(Self {
            absolute: Some(millis(absolute)?),
            ..self
        })
    }

    /// NIST SP 800-63B-4 §2.1.3, authentication assurance level 1: re-authentication at least every 30 days.
    pub const fn aal1() -> Self {
        Self::preset(None, 30 * DAY.as_secs())
    }

    /// NIST SP 800-63B-4 §2.2.3, authentication assurance level 2: 24 hours, or one hour without activity.
    pub const fn aal2() -> Self {
        Self::preset(Some(HOUR.as_secs()), DAY.as_secs())
    }

    /// NIST SP 800-63B-4 §2.3.3, authentication assurance level 3: 12 hours, or 15 minutes without activity.
    pub const fn aal3() -> Self {
        Self::preset(Some(15 * MINUTE.as_secs()), 12 * HOUR.as_secs())
    }

    const fn preset(idle: Option<u64>, absolute: u64) -> Self {
        let idle = match idle {
            Some(seconds) => Some(seconds * 1000),
            None => None,
        };
        Self {
            idle,
            absolute: Some(absolute * 1000),
        }
    }

    /// The idle timeout.
    pub fn idle(&self) -> Option<Duration> {
        self.idle.map(Duration::from_millis)
    }

    /// The absolute timeout.
    pub fn absolute(&self) -> Option<Duration> {
        self.absolute.map(Duration::from_millis)
    }

    /// When a session that began at `created` and was last seen at `seen` ends.
    pub fn deadline(&self, created: Timestamp, seen: Timestamp) -> Timestamp {
        let after = |start: Timestamp, timeout: Option<u64>| match timeout {
            Some(timeout) => Timestamp::from_unix_millis(start.unix_millis().saturating_add(timeout)),
            None => Timestamp::MAX,
        };
        after(seen, self.idle).min(after(created, self.absolute))
    }

    /// The least time between two recorded sightings: `max(idle / 100, 1 s)`, at most ten minutes.
    ///
    /// A read within the window writes nothing, so an idle session may end earlier by that much, never later. Without an idle
    /// timeout no deadline depends on the last sighting; it is recorded every ten minutes, for people to see.
    pub fn touch_window(&self) -> Duration {
        const LONGEST_WINDOW: Duration = Duration::from_secs(600);
        self.idle().map_or(LONGEST_WINDOW, |idle| {
            (idle / 100).clamp(Duration::from_secs(1), LONGEST_WINDOW)
        })
    }

    /// Whether stored numbers satisfy what the constructors enforce.
    pub(crate) fn is_valid(&self) -> bool {
        let valid = |span: Option<u64>| span.is_none_or(|span| millis(Duration::from_millis(span)).is_ok());
        (self.idle.is_some() || self.absolute.is_some()) && valid(self.idle) && valid(self.absolute)
    }
}

impl Default for Lifetime {
    /// 24 hours without a request, 30 days in all.
    fn default() -> Self {
        Self::preset(Some(DAY.as_secs()), 30 * DAY.as_secs())
    }
}

fn millis(span: Duration) -> Result<u64> {
    if (Duration::from_secs(1)..=LONGEST).contains(&span) {
        Ok(u64::try_from(span.as_millis()).expect("400 days of milliseconds fit"))
    } else {
        Err(Error::new(
            ErrorKind::Invalid,
            format!("setting a session lifetime of {span:?}: choose between one second and 400 days"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    #[test]
    fn the_earlier_deadline_counts() {
        let lifetime = Lifetime::sliding(Duration::from_secs(10))
            .and_then(|lifetime| lifetime.with_absolute(Duration::from_secs(60)))
            .unwrap();
        assert_eq!(lifetime.deadline(at(0), at(5)), at(15));
        assert_eq!(lifetime.deadline(at(0), at(55)), at(60));
    }

    #[test]
    fn the_touch_window_is_a_hundredth_of_the_idle_timeout_within_bounds() {
        let window = |seconds| Lifetime::sliding(Duration::from_secs(seconds)).unwrap().touch_window();
        assert_eq!(window(2), Duration::from_secs(1));
        assert_eq!(window(3600), Duration::from_secs(36));
        assert_eq!(window(30 * 24 * 3600), Duration::from_secs(600));
    }

    #[test]
    fn a_timeout_has_bounds() {
        for span in [
            Duration::ZERO,
            Duration::from_millis(999),
            LONGEST + Duration::from_millis(1),
        ] {
            assert_eq!(Lifetime::fixed(span).unwrap_err().kind(), ErrorKind::Invalid);
            assert_eq!(Lifetime::sliding(span).unwrap_err().kind(), ErrorKind::Invalid);
        }
        assert!(Lifetime::fixed(Duration::from_secs(34_560_000)).is_ok());
    }

    #[test]
    fn one_timeout_is_changed_without_the_other() {
        let lifetime = Lifetime::aal3().with_idle(Duration::from_secs(7)).unwrap();
        assert_eq!(lifetime.idle(), Some(Duration::from_secs(7)));
        assert_eq!(lifetime.absolute(), Lifetime::aal3().absolute());
        let lifetime = Lifetime::aal3().with_absolute(Duration::from_secs(7)).unwrap();
        assert_eq!(lifetime.idle(), Lifetime::aal3().idle());
        assert_eq!(lifetime.absolute(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn stored_numbers_are_held_to_the_same_bounds() {
        let valid = |idle, absolute| Lifetime { idle, absolute }.is_valid();
        assert!(valid(Some(1000), None) && valid(None, Some(1000)) && valid(Some(1000), Some(1000)));
        assert!(!valid(None, None));
        assert!(!valid(Some(999), Some(1000)));
        assert!(!valid(Some(1000), Some(999)));
    }

    #[test]
    fn presets_follow_nist() {
        assert_eq!(Lifetime::aal2().idle(), Some(HOUR));
        assert_eq!(Lifetime::aal2().absolute(), Some(DAY));
        assert_eq!(Lifetime::aal3().idle(), Some(Duration::from_secs(900)));
        assert_eq!(Lifetime::aal3().absolute(), Some(12 * HOUR));
        assert!(
            [
                Lifetime::aal1(),
                Lifetime::aal2(),
                Lifetime::aal3(),
                Lifetime::default()
            ]
            .iter()
            .all(Lifetime::is_valid)
        );
    }
}
