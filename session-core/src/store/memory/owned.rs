//! [`OwnedSessions`]: the sessions of one owner, newest first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use crate::clock::Timestamp;
use crate::id::{Handle, StoreKey};
use crate::record::Record;

/// Where a session stands in its owner's list.
pub(super) type Place = (Reverse<Timestamp>, Handle);

pub(super) fn place(record: &Record) -> Place {
    (Reverse(record.created_at()), record.handle())
}

/// An entry may be stale after its session has ended, for a moment; none is missing.
#[derive(Debug, Default)]
pub(super) enum OwnedSessions {
    #[default]
    None,
    /// Most owners have one, which needs no allocation; the first one in a tree takes 640 bytes.
    One(Place, StoreKey),
    Many(BTreeMap<Place, StoreKey>),
}

impl OwnedSessions {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(..) => 1,
            Self::Many(sessions) => sessions.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&mut self, place: Place, key: StoreKey) {
        match std::mem::take(self) {
            Self::One(other, its_key) if other != place => {
                *self = Self::Many(BTreeMap::from([(other, its_key), (place, key)]));
            }
            Self::Many(mut sessions) => {
                sessions.insert(place, key);
                *self = Self::Many(sessions);
            }
            Self::None | Self::One(..) => *self = Self::One(place, key),
        }
    }

    /// Removes a session, unless another one has taken its place.
    pub(super) fn remove(&mut self, place: &Place, key: StoreKey) {
        match self {
            Self::One(taken, other) if taken == place && *other == key => *self = Self::None,
            Self::Many(sessions) if sessions.get(place) == Some(&key) => {
                sessions.remove(place);
            }
            _ => {}
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Place, &StoreKey) -> bool) {
        match self {
            Self::None => {}
            Self::One(place, key) => {
                if !keep(place, key) {
                    *self = Self::None;
                }
            }
            Self::Many(sessions) => sessions.retain(|place, key| keep(place, key)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &StoreKey)> {
        self.starting(Bound::Unbounded)
    }

    /// From a place on.
    pub(super) fn starting(&self, start: Bound<Place>) -> impl Iterator<Item = (&Place, &StoreKey)> {
        let range = (start, Bound::Unbounded);
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(place, key) => (Some((place, key)).filter(|(place, _)| range.contains(place)), None),
            Self::Many(sessions) => (None, Some(sessions.range(range))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
