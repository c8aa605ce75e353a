//! [`Model`]: the contract as a map, one operation after the other. What a store answers is compared with what this answers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::test_store::TestStore;
use crate::clock::Timestamp;
use crate::id::{Handle, Owner, StoreKey};
use crate::record::{Record, Revision};
use crate::store::{Admission, Created, Deleted, Epoch, OwnerLimit, Replaced, Revoke, Room, Rotated, Touched};

/// One call, with all its arguments.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create {
        key: StoreKey,
        record: Record,
        began: Began,
        limit: Option<OwnerLimit>,
        now: Timestamp,
    },
    Load {
        key: StoreKey,
        now: Timestamp,
    },
    Replace {
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    },
    Rotate {
        old: StoreKey,
        new: StoreKey,
        expected: Revision,
        record: Record,
        began: Began,
        limit: Option<OwnerLimit>,
        now: Timestamp,
    },
    Touch {
        key: StoreKey,
        record: Record,
        seen_at: Timestamp,
    },
    /// The time is for the model alone: what has expired may count as there or not.
    Delete {
        key: StoreKey,
        now: Timestamp,
    },
    Sweep {
        now: Timestamp,
    },
    List {
        owner: Owner,
        limit: usize,
        now: Timestamp,
    },
    Revoke {
        owner: Owner,
        which: Revoke,
        now: Timestamp,
    },
}

/// When a login began, in the terms of the store and of the model; both are taken at the same moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    store: Epoch,
    model: u64,
}

impl Began {
    fn admission(self, limit: Option<OwnerLimit>) -> Admission {
        Admission {
            began: self.store,
            limit,
        }
    }
}

type Terms = (Began, Option<OwnerLimit>);

/// What a call answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Created(Created),
    Loaded(Option<Record>),
    Replaced(Replaced),
    Rotated(Rotated),
    Touched(Touched),
    Deleted(Deleted),
    /// The model's answer if an expired record is concerned.
    DeletedOrNot,
    /// The model's answer is the most that may be removed: a store may have dropped what it found expired before.
    Swept(usize),
    Listed(Vec<Record>),
    Revoked(u64),
}

/// What a sweep does in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweeping {
    Removes,
    /// The engine expires by its own clock, which no case moves.
    FindsNothing,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    sessions: BTreeMap<StoreKey, Record>,
    revocations: u64,
    /// When, and whom it spared.
    revoked: HashMap<Owner, Vec<(u64, Option<Handle>)>>,
    sweeping: Sweeping,
}

impl Model {
    pub(super) fn new(sweeping: Sweeping) -> Self {
        Self {
            sessions: BTreeMap::new(),
            revocations: 0,
            revoked: HashMap::new(),
            sweeping,
        }
    }

    pub(super) fn sweeping(mut self, sweeping: Sweeping) -> Self {
        self.sweeping = sweeping;
        self
    }

    pub(super) fn begin(&self, store: &TestStore) -> Began {
        Began {
            store: store.epoch(),
            model: self.revocations,
        }
    }

    /// What is stored under a key, expired or not.
    pub(super) fn stored(&self, key: StoreKey) -> Option<&Record> {
        self.sessions.get(&key)
    }

    pub(super) fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Create {
                key,
                record,
                began,
                limit,
                now,
            } => Answer::Created(self.create(*key, record, (*began, *limit), *now)),
            Op::Load { key, now } => Answer::Loaded(self.live(*key, *now).cloned()),
            Op::Replace {
                key,
                expected,
                record,
                now,
            } => Answer::Replaced(self.replace(*key, *expected, record, *now)),
            Op::Rotate {
                old,
                new,
                expected,
                record,
                began,
                limit,
                now,
            } => Answer::Rotated(self.rotate((*old, *new), *expected, record, (*began, *limit), *now)),
            Op::Touch { key, seen_at, .. } => Answer::Touched(self.touch(*key, *seen_at)),
            Op::Delete { key, now } => match self.sessions.remove(key) {
                Some(record) if record.is_expired(*now) => Answer::DeletedOrNot,
                Some(_) => Answer::Deleted(Deleted::Removed),
                None => Answer::Deleted(Deleted::Absent),
            },
            Op::Sweep { now } => Answer::Swept(self.sweep(*now)),
            Op::List { owner, now, .. } => Answer::Listed(self.list(owner, *now)),
            Op::Revoke { owner, which, now } => Answer::Revoked(self.revoke(owner, *which, *now)),
        }
    }

    fn live(&self, key: StoreKey, now: Timestamp) -> Option<&Record> {
        self.sessions.get(&key).filter(|record| !record.is_expired(now))
    }

    fn refuses(&self, record: &Record, began: Began) -> bool {
        let revoked = record.owner().and_then(|owner| self.revoked.get(owner));
        revoked.is_some_and(|revoked| {
            let refuses = |(at, spared): &(u64, Option<Handle>)| began.model < *at && *spared != Some(record.handle());
            revoked.iter().any(refuses)
        })
    }

    fn create(&mut self, key: StoreKey, record: &Record, (began, limit): Terms, now: Timestamp) -> Created {
        if self.refuses(record, began) {
            return Created::Revoked;
        }
        let Some(oldest) = self.make_room(record, limit, now) else {
            return Created::Full;
        };
        if self.sessions.contains_key(&key) {
            return Created::Collision;
        }
        self.end(&oldest);
        self.sessions.insert(key, record.clone());
        if oldest.is_empty() {
            Created::Stored
        } else {
            Created::Displaced(oldest)
        }
    }

    /// The handles of those that have to end, in the order of the list.
    fn make_room(&self, record: &Record, limit: Option<OwnerLimit>, now: Timestamp) -> Option<Vec<Handle>> {
        let Some(owner) = record.owner() else {
            return Some(Vec::new());
        };
        let mut others = self.list(owner, now);
        let began = Epoch::default();
        let excess = match (Admission { began, limit }).room(others.len()) {
            Room::Free => 0,
            Room::AfterEnding(excess) => excess,
            Room::None => return None,
        };
        let oldest = others.split_off(others.len() - excess);
        Some(oldest.iter().map(Record::handle).collect())
    }

    fn end(&mut self, handles: &[Handle]) {
        self.sessions.retain(|_, record| !handles.contains(&record.handle()));
    }

    fn replace(&mut self, key: StoreKey, expected: Revision, record: &Record, now: Timestamp) -> Replaced {
        let Some(current) = self.live(key, now) else {
            return Replaced::Gone;
        };
        if current.revision() != expected {
            return Replaced::Conflict(current.clone());
        }
        let record = record.clone().seen(current.seen_at());
        self.sessions.insert(key, record);
        Replaced::Stored
    }

    fn rotate(
        &mut self,
        (old, new): (StoreKey, StoreKey),
        expected: Revision,
        record: &Record,
        (began, limit): Terms,
        now: Timestamp,
    ) -> Rotated {
        let Some(current) = self.live(old, now) else {
            return Rotated::Gone;
        };
        if current.revision() != expected {
            return Rotated::Conflict(current.clone());
        }
        let mut oldest = Vec::new();
        if current.owner() != record.owner() {
            if self.refuses(record, began) {
                return Rotated::Revoked;
            }
            match self.make_room(record, limit, now) {
                Some(chosen) => oldest = chosen,
                None => return Rotated::Full,
            }
        }
        if self.sessions.contains_key(&new) {
            return Rotated::Collision;
        }
        let record = record.clone().seen(current.seen_at());
        self.sessions.remove(&old);
        self.end(&oldest);
        self.sessions.insert(new, record);
        if oldest.is_empty() {
            Rotated::Stored
        } else {
            Rotated::Displaced(oldest)
        }
    }

    fn touch(&mut self, key: StoreKey, seen_at: Timestamp) -> Touched {
        let Some(current) = self.live(key, seen_at) else {
            return Touched::Gone;
        };
        let record = current.clone().seen(seen_at);
        self.sessions.insert(key, record);
        Touched::Recorded
    }

    fn sweep(&mut self, now: Timestamp) -> usize {
        if self.sweeping == Sweeping::FindsNothing {
            return 0;
        }
        let before = self.sessions.len();
        self.sessions.retain(|_, record| !record.is_expired(now));
        before - self.sessions.len()
    }

    fn list(&self, owner: &Owner, now: Timestamp) -> Vec<Record> {
        let of_owner = |record: &&Record| record.owner() == Some(owner) && !record.is_expired(now);
        let mut listed: Vec<Record> = self.sessions.values().filter(of_owner).cloned().collect();
        listed.sort_by_key(|record| (Reverse(record.created_at()), record.handle()));
        listed
    }

    fn revoke(&mut self, owner: &Owner, which: Revoke, now: Timestamp) -> u64 {
        let spared = match which {
            Revoke::All => Some(None),
            Revoke::Others(kept) => Some(Some(kept)),
            Revoke::One(_) => None,
        };
        if let Some(spared) = spared {
            self.revocations += 1;
            let revoked = self.revoked.entry(owner.clone()).or_default();
            revoked.push((self.revocations, spared));
        }
        let mut ended = 0;
        self.sessions.retain(|_, record| {
            let chosen = record.owner() == Some(owner)
                && match which {
                    Revoke::All => true,
                    Revoke::Others(kept) => record.handle() != kept,
                    Revoke::One(one) => record.handle() == one,
                };
            ended += u64::from(chosen && !record.is_expired(now));
            !chosen
        });
        ended
    }
}

fn in_order(handles: &[Handle]) -> Vec<Handle> {
    let mut handles = handles.to_vec();
    handles.sort();
    handles
}

impl Answer {
    /// Whether a store that answered `real` keeps to what the model answered.
    pub(super) fn allows(&self, real: &Self) -> bool {
        match (self, real) {
            (Self::DeletedOrNot, Self::Deleted(_)) => true,
            (Self::Swept(most), Self::Swept(removed)) => removed <= most,
            (Self::Created(Created::Displaced(model)), Self::Created(Created::Displaced(real)))
            | (Self::Rotated(Rotated::Displaced(model)), Self::Rotated(Rotated::Displaced(real))) => {
                in_order(model) == in_order(real)
            }
            (model, real) => model == real,
        }
    }
}

impl TestStore {
    /// Carries out one call on the store; a sweep and a list go on until their end.
    pub(super) async fn apply(&self, op: &Op) -> Answer {
        match op {
            Op::Create {
                key,
                record,
                began,
                limit,
                now,
            } => {
                let created = self.create_on(*key, record, began.admission(*limit), *now);
                Answer::Created(created.await)
            }
            Op::Load { key, now } => Answer::Loaded(self.load(*key, *now).await),
            Op::Replace {
                key,
                expected,
                record,
                now,
            } => Answer::Replaced(self.replace(*key, *expected, record, *now).await),
            Op::Rotate {
                old,
                new,
                expected,
                record,
                began,
                limit,
                now,
            } => {
                let rotated = self.rotate_on((*old, *new), *expected, record, *now, began.admission(*limit));
                Answer::Rotated(rotated.await)
            }
            Op::Touch { key, record, seen_at } => Answer::Touched(self.touch(*key, record, *seen_at).await),
            Op::Delete { key, .. } => Answer::Deleted(self.delete(*key).await),
            Op::Sweep { now } => Answer::Swept(self.sweep_all(*now, 2).await),
            Op::List { owner, limit, now } => Answer::Listed(self.list(owner, *limit, *now).await),
            Op::Revoke { owner, which, now } => Answer::Revoked(self.revoke(owner, *which, *now).await),
        }
    }
}
