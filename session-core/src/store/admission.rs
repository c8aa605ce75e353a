//! [`Admission`]: on what terms a login is let in, and [`OwnerLimit`]: how many sessions one owner may have.

use super::Epoch;
use crate::error::{Error, ErrorKind, Result};

/// On what terms a login is let in: what [`Store::create`](super::Store::create) and [`Store::rotate`](super::Store::rotate) are
/// given with the record. It concerns records with an owner only; the default lets everybody in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// When the login began in the store's history of revocations.
    pub began: Epoch,
    /// How many live sessions the owner may have, the new one included; `None` means any number.
    pub limit: Option<OwnerLimit>,
}

/// A login that began then, without a limit.
impl From<Epoch> for Admission {
    fn from(began: Epoch) -> Self {
        Self::new(began)
    }
}

impl Admission {
    /// For a login that began then, without a limit.
    pub const fn new(began: Epoch) -> Self {
        Self { began, limit: None }
    }

    /// The same, with another limit, or with none.
    #[must_use]
    pub fn with_limit(self, limit: impl Into<Option<OwnerLimit>>) -> Self {
        Self {
            limit: limit.into(),
            ..self
        }
    }

    /// What has to happen so that a login finds room beside the owner's other live sessions.
    ///
    /// ```
    /// use session_core::{Admission, Epoch, OwnerLimit, Room};
    ///
    /// let admission = Admission::new(Epoch::default()).with_limit(OwnerLimit::end_oldest(3)?);
    /// assert_eq!(admission.room(2), Room::Free);
    /// assert_eq!(admission.room(4), Room::AfterEnding(2));
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn room(&self, others: usize) -> Room {
        let Some(OwnerLimit { most, policy }) = self.limit else {
            return Room::Free;
        };
        match (others.saturating_add(1).saturating_sub(most), policy) {
            (0, _) => Room::Free,
            (_, Policy::Refuse) => Room::None,
            (excess, Policy::EndOldest) => Room::AfterEnding(excess),
        }
    }
}

/// Whether one more session of an owner has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It has.
    Free,
    /// It has, once this many are ended: those that began first.
    AfterEnding(usize),
    /// It has none: the login is refused.
    None,
}

/// How many live sessions one owner may have, and what happens to a login beyond that (OWASP ASVS 5.0 V7.1.2).
///
/// ```
/// use session_core::{OwnerLimit, SessionConfig};
///
/// let config = SessionConfig::builder().owner_limit(OwnerLimit::end_oldest(5)?).build()?;
/// # let _ = config;
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerLimit {
    /// At least 1.
    most: usize,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Refuse,
    EndOldest,
}

impl OwnerLimit {
    /// A login beyond `most` sessions fails with [`ErrorKind::TooManySessions`]: the user has to end one elsewhere first. Somebody
    /// who has lost a device may then be locked out until a session expires; offer another way to end sessions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if `most` is 0.
    pub fn refuse(most: usize) -> Result<Self> {
        Self::new(most, Policy::Refuse)
    }

    /// A login beyond `most` sessions ends those that began first: the user is signed out where they signed in longest ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if `most` is 0.
    pub fn end_oldest(most: usize) -> Result<Self> {
        Self::new(most, Policy::EndOldest)
    }

    fn new(most: usize, policy: Policy) -> Result<Self> {
        if most == 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "limiting the sessions of an owner to 0: nobody could sign in; allow at least 1",
            ));
        }
        Ok(Self { most, policy })
    }

    /// The most live sessions that one owner may have; at least 1.
    pub fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(limit: Result<OwnerLimit>, others: usize) -> Room {
        let limit = Some(limit.unwrap());
        let began = Epoch::default();
        Admission { began, limit }.room(others)
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        assert_eq!(Admission::default().room(usize::MAX), Room::Free);
    }

    #[test]
    fn the_new_session_counts_too() {
        assert_eq!(room(OwnerLimit::refuse(2), 1), Room::Free);
        assert_eq!(room(OwnerLimit::refuse(2), 2), Room::None);
        assert_eq!(room(OwnerLimit::end_oldest(2), 1), Room::Free);
        assert_eq!(room(OwnerLimit::end_oldest(2), 2), Room::AfterEnding(1));
    }

    #[test]
    fn a_limit_that_was_lowered_ends_as_many_as_it_takes() {
        assert_eq!(room(OwnerLimit::end_oldest(1), 7), Room::AfterEnding(7));
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        for limit in [OwnerLimit::refuse(0), OwnerLimit::end_oldest(0)] {
            assert_eq!(limit.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
