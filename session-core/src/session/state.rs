//! [`State`]: what one request knows of its session: what the store had, what a commit is storing, and what is wanted since.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::changes::{Changes, ENTRY_OVERHEAD, Ending, Identity, Lookup};
use super::pending::Pending;
use crate::clock::Timestamp;
use crate::cookie::Standing;
use crate::error::Result;
use crate::id::{Owner, SessionId, StoreKey};
use crate::record::{Limits, Persistence, Record, StoredValue, Values};

pub(crate) struct State {
    pub(crate) base: Base,
    /// What a commit that is under way is storing.
    pub(crate) in_flight: Option<Arc<Changes>>,
    pub(crate) changes: Pending,
    /// Ids that a commit has asked the store for and got no answer: one of them may be where the session is by now.
    pub(crate) unanswered: Vec<SessionId>,
    pub(crate) head: Head,
    pub(crate) cookie: CookieDuty,
}

/// What the store had, or has been given.
pub(crate) enum Base {
    /// Nothing is stored for this visitor.
    Fresh,
    Live(Live),
    /// It ended while this request held it: nothing may be stored any more (P6).
    Gone,
}

pub(crate) struct Live {
    pub(crate) id: SessionId,
    pub(crate) key: StoreKey,
    pub(crate) record: Record,
    pub(crate) standing: Standing,
}

/// Whether the response head is on its way: afterwards no cookie can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Open,
    Sent,
}

/// What the response head has to say, from all commits of this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieDuty {
    Nothing,
    Issue,
    Remove,
}

/// When whoever is signed in did so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginAge {
    /// Nobody is.
    Never,
    At(Timestamp),
    /// It is wanted, and not committed yet.
    InThisRequest,
}

impl Base {
    pub(crate) fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Fresh | Self::Gone => None,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

impl State {
    pub(crate) fn new(base: Base) -> Self {
        Self {
            base,
            in_flight: None,
            changes: Pending::default(),
            unanswered: Vec::new(),
            head: Head::Open,
            cookie: CookieDuty::Nothing,
        }
    }

    /// The wanted changes from the top down.
    fn layers(&self) -> impl Iterator<Item = &Changes> {
        self.changes.get().into_iter().chain(self.in_flight.as_deref())
    }

    pub(crate) fn value(&self, name: &str) -> Option<StoredValue<'_>> {
        for layer in self.layers() {
            match layer.lookup(name) {
                Lookup::Value(value) => return Some(value),
                Lookup::Absent => return None,
                Lookup::Below => {}
            }
        }
        self.base.live()?.record.values().get(name)
    }

    /// Whether a value that is not stored yet could only be stored under an id that the browser cannot learn any more.
    pub(crate) fn is_too_late_to_begin(&self) -> bool {
        let new_id = |layer: &Changes| layer.ending == Ending::End || !matches!(layer.identity, Identity::Keep);
        self.head == Head::Sent && (self.base.live().is_none() || self.layers().any(new_id))
    }

    /// Whether this request has changes for a name that are not stored yet.
    pub(crate) fn is_changed(&self, name: &str) -> bool {
        self.layers().any(|layer| !matches!(layer.lookup(name), Lookup::Below))
    }

    /// Whether this request has changes of any value that are not stored yet.
    pub(crate) fn has_changed_values(&self) -> bool {
        self.layers().any(Changes::change_values)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if let Some(live) = self.base.live() {
            names.extend(live.record.values().iter().map(|(name, _)| name));
        }
        if let Some(in_flight) = &self.in_flight {
            in_flight.overlay(&mut names);
        }
        self.changes.overlay(&mut names);
        names.into_iter().map(str::to_owned).collect()
    }

    /// The base has changed under changes that are not committed yet.
    pub(crate) fn rebase(&mut self) {
        if !self.changes.change_values() {
            return;
        }
        let visible = self.base.live().filter(|_| !self.changes.hides_below());
        self.changes
            .rebase(visible.map_or(Values::none(), |live| live.record.values()));
    }

    pub(crate) fn owner(&self) -> Option<&Owner> {
        for layer in self.layers() {
            if let Identity::Login(login) = &layer.identity {
                return Some(&login.owner);
            }
            if layer.ending == Ending::End {
                return None;
            }
        }
        self.base.live()?.record.owner()
    }

    pub(crate) fn login(&self) -> LoginAge {
        for layer in self.layers() {
            if let Identity::Login(_) = &layer.identity {
                return LoginAge::InThisRequest;
            }
            if layer.ending == Ending::End {
                return LoginAge::Never;
            }
        }
        let stored = self.base.live().map(|live| &live.record);
        let signed_in = stored.filter(|record| record.owner().is_some());
        signed_in
            .and_then(Record::authenticated_at)
            .map_or(LoginAge::Never, LoginAge::At)
    }

    pub(crate) fn label(&self) -> Option<&str> {
        for layer in self.layers() {
            if let Some(label) = &layer.label {
                return Some(label);
            }
            if layer.ending == Ending::End {
                return None;
            }
        }
        self.base.live()?.record.label()
    }

    pub(crate) fn persistence(&self) -> Persistence {
        for layer in self.layers() {
            if let Some((_, persistence)) = layer.lifetime {
                return persistence;
            }
            if layer.ending == Ending::End {
                return Persistence::Browser;
            }
        }
        self.base
            .live()
            .map_or(Persistence::Browser, |live| live.record.persistence())
    }

    /// Refuses one more value if the record would become too large; counts exactly only when it comes close.
    pub(crate) fn check_room(&self, limits: &Limits, name: &str, bytes: usize) -> Result<()> {
        let stored = self.base.live().map_or(0, |live| live.record.values().encoded_len());
        let wanted: usize = self.layers().map(Changes::size).sum();
        let more = name.len() + bytes + ENTRY_OVERHEAD;
        if stored + wanted + more <= limits.record {
            return Ok(());
        }
        let base = self.base.live().map_or(Values::none(), |live| live.record.values());
        let pending = match &self.in_flight {
            Some(in_flight) => (**in_flight).clone().then((*self.changes).clone()),
            None => (*self.changes).clone(),
        };
        let base = if pending.ending == Ending::End {
            Values::none()
        } else {
            base
        };
        let mut without = pending;
        without.remove(name);
        let rest = without.apply(base, limits)?.encoded_len();
        limits.check_record(rest + more)
    }
}
