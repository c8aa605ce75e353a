//! Random load on a store, and the model that knows what must be there after it. A lane is one owner with its sessions and some that are
//! nobody's; its operations come one after the other, so that its history is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use session_core::{
    Admission, Created, Deleted, Owner, OwnerIndex, Page, Record, Replaced, Result, Revoke, Rotated, Rotation, Store,
    Touched,
};
use session_fjall::FjallStore;

use crate::Chance;
use crate::support::{HOUR, SECOND, START, Sample, at, key, sample};

/// When everything is read. Sessions that are created expired have ended by then.
pub(crate) const NOW: u64 = START + 10 * SECOND;

/// What is done to a session, named by the number of its key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Create(u64),
    CreateExpired(u64),
    Replace(u64),
    Rotate(u64, u64),
    /// And when it was seen.
    Touch(u64, u64),
    Delete(u64),
    RevokeAll,
    RevokeOthers(u64),
    RevokeOne(u64),
    Sweep,
}

impl Op {
    /// Whether it survives power loss once it is acknowledged.
    pub(crate) fn is_durable(self) -> bool {
        !matches!(
            self,
            Self::Create(_) | Self::CreateExpired(_) | Self::Replace(_) | Self::Touch(..) | Self::Sweep
        )
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(n) => write!(f, "create {n}"),
            Self::CreateExpired(n) => write!(f, "create-expired {n}"),
            Self::Replace(n) => write!(f, "replace {n}"),
            Self::Rotate(old, new) => write!(f, "rotate {old} {new}"),
            Self::Touch(n, seen) => write!(f, "touch {n} {seen}"),
            Self::Delete(n) => write!(f, "delete {n}"),
            Self::RevokeAll => f.write_str("revoke-all"),
            Self::RevokeOthers(n) => write!(f, "revoke-others {n}"),
            Self::RevokeOne(n) => write!(f, "revoke-one {n}"),
            Self::Sweep => f.write_str("sweep"),
        }
    }
}

impl FromStr for Op {
    type Err = ();

    /// From what `Display` wrote; the last line of a killed process may be cut off.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut words = text.split(' ');
        let what = words.next();
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(());
        Ok(match what.ok_or(())? {
            "create" => Self::Create(number()?),
            "create-expired" => Self::CreateExpired(number()?),
            "replace" => Self::Replace(number()?),
            "rotate" => Self::Rotate(number()?, number()?),
            "touch" => Self::Touch(number()?, number()?),
            "delete" => Self::Delete(number()?),
            "revoke-all" => Self::RevokeAll,
            "revoke-others" => Self::RevokeOthers(number()?),
            "revoke-one" => Self::RevokeOne(number()?),
            "sweep" => Self::Sweep,
            _ => return Err(()),
        })
    }
}

/// What a lane's sessions are.
#[derive(Clone)]
pub(crate) struct Lane {
    owner: String,
    /// Its keys begin here.
    base: u64,
    /// Bytes in a value.
    payload: usize,
    live: BTreeMap<u64, Sample>,
    used: BTreeSet<u64>,
    seen: u64,
}

impl Lane {
    pub(crate) fn new(number: u64, payload: usize) -> Self {
        Self {
            owner: format!("lane {number}"),
            base: number << 20,
            payload,
            live: BTreeMap::new(),
            used: BTreeSet::new(),
            seen: NOW,
        }
    }

    /// Something that is possible now.
    pub(crate) fn choose(&self, chance: &mut Chance) -> Op {
        let fresh = self.base + self.used.len() as u64;
        let live: Vec<_> = self.live.keys().copied().collect();
        let owned: Vec<_> = live.iter().copied().filter(|n| self.live[n].owner.is_some()).collect();
        let what = chance.below(100);
        match what {
            0..3 => Op::Sweep,
            3..8 => Op::CreateExpired(fresh),
            8..10 => Op::RevokeAll,
            10..13 if !owned.is_empty() => Op::RevokeOthers(chance.pick(&owned)),
            13..17 if !owned.is_empty() => Op::RevokeOne(chance.pick(&owned)),
            17..50 if !live.is_empty() => Op::Replace(chance.pick(&live)),
            50..62 if !live.is_empty() => Op::Rotate(chance.pick(&live), fresh),
            62..75 if !live.is_empty() => Op::Touch(chance.pick(&live), self.seen + 10),
            75..80 if !live.is_empty() => Op::Delete(chance.pick(&live)),
            _ => Op::Create(fresh),
        }
    }

    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::Create(n) => {
                self.used.insert(n);
                self.live.insert(n, self.fresh(n));
            }
            Op::CreateExpired(n) => {
                self.used.insert(n);
            }
            Op::Replace(n) => {
                let next = self.next(n);
                self.live.insert(n, next);
            }
            Op::Rotate(old, new) => {
                let next = self.next(old);
                self.used.insert(new);
                self.live.remove(&old);
                self.live.insert(new, next);
            }
            Op::Touch(n, seen) => {
                self.seen = seen;
                self.live.get_mut(&n).unwrap().seen_at = seen;
            }
            Op::Delete(n) | Op::RevokeOne(n) => {
                self.live.remove(&n);
            }
            Op::RevokeAll => self.live.retain(|_, sample| sample.owner.is_none()),
            Op::RevokeOthers(n) => self.live.retain(|other, sample| *other == n || sample.owner.is_none()),
            Op::Sweep => {}
        }
    }

    fn fresh(&self, n: u64) -> Sample {
        let mut fresh = sample(n);
        fresh.owner = Some(self.owner.clone()).filter(|_| n % 4 != 3);
        self.filled(fresh)
    }

    fn next(&self, n: u64) -> Sample {
        let mut next = self.live[&n].clone();
        next.revision += 1;
        self.filled(next)
    }

    /// The value names the revision that it belongs to.
    fn filled(&self, sample: Sample) -> Sample {
        let word = format!("revision {} ", sample.revision);
        let text = word.repeat(self.payload.div_ceil(word.len()));
        sample.text(&text)
    }

    /// Does it to a store, and checks that the store does as the model expects.
    pub(crate) async fn perform(&self, store: &FjallStore, op: Op) -> Result<()> {
        let owner = Owner::new(&self.owner)?;
        let record = |n: u64| self.live[&n].record();
        let now = at(START);
        match op {
            Op::Create(n) | Op::CreateExpired(n) => {
                let mut fresh = self.fresh(n);
                if let Op::CreateExpired(_) = op {
                    fresh.idle = Some(SECOND);
                }
                let admission = Admission::new(store.epoch());
                assert_eq!(
                    store.create(key(n), fresh.record(), admission, now).await?,
                    Created::Stored
                );
            }
            Op::Replace(n) => {
                let next = self.next(n).record();
                let replaced = store.replace(key(n), record(n).revision(), next, at(NOW)).await?;
                assert_eq!(replaced, Replaced::Stored);
            }
            Op::Rotate(old, new) => {
                let next = self.next(old).record();
                let rotation = Rotation::new(key(old), record(old).revision(), key(new), next, at(NOW));
                assert_eq!(store.rotate(rotation).await?, Rotated::Stored);
            }
            Op::Touch(n, seen) => {
                let touched = store.touch(key(n), at(seen), at(seen + HOUR)).await?;
                assert_eq!(touched, Touched::Recorded);
            }
            Op::Delete(n) => assert_eq!(store.delete(key(n)).await?, Deleted::Removed),
            Op::RevokeAll => {
                store.revoke(&owner, Revoke::All, at(NOW)).await?;
            }
            Op::RevokeOthers(n) => {
                store
                    .revoke(&owner, Revoke::Others(record(n).handle()), at(NOW))
                    .await?;
            }
            Op::RevokeOne(n) => {
                let revoked = store.revoke(&owner, Revoke::One(record(n).handle()), at(NOW)).await?;
                assert_eq!(revoked, 1);
            }
            Op::Sweep => {
                let _ = store.sweep(at(NOW), 1000).await?;
            }
        }
        Ok(())
    }

    /// What must be found, by the number of the key.
    pub(crate) fn expected(&self) -> BTreeMap<u64, Record> {
        let record = |(n, sample): (&u64, &Sample)| (*n, sample.record());
        self.live.iter().map(record).collect()
    }

    /// What is found under all keys that were ever used, after checking that the owner's list says the same.
    pub(crate) async fn found(&self, store: &FjallStore, used: &BTreeSet<u64>) -> Result<BTreeMap<u64, Record>> {
        let mut found = BTreeMap::new();
        for n in used {
            if let Some(record) = store.load(key(*n), at(NOW)).await? {
                found.insert(*n, record);
            }
        }
        let mut listed = BTreeMap::new();
        let mut page = Page { after: None, limit: 7 };
        loop {
            let owner = Owner::new(&self.owner)?;
            let part = store.list(&owner, page, at(NOW)).await?;
            listed.extend(
                part.sessions
                    .into_iter()
                    .map(|owned| (*owned.key.as_bytes(), owned.record)),
            );
            match part.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let owned = found.iter().filter(|(_, record)| record.owner().is_some());
        let owned: BTreeMap<_, _> = owned.map(|(n, record)| (*key(*n).as_bytes(), record.clone())).collect();
        assert!(owned == listed, "{}: the list and the records disagree", self.owner);
        Ok(found)
    }

    /// All keys that it has used.
    pub(crate) fn used(&self) -> &BTreeSet<u64> {
        &self.used
    }
}
