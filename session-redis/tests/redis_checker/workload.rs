//! What one client does to a store, and how an operation of the store becomes an outcome. [`Mode`] makes a client that does it wrong, so
//! that the checker can show that it finds it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use session_core::conformance::sample::{self, Sample, after, handle};
use session_core::{
    Admission, Created, Deleted, Error, ErrorKind, OwnerIndex, Page, Record, Replaced, Revoke, Rotated, Rotation,
    Store, StoreKey, Touched,
};
use session_redis::RedisStore;

use crate::history::{Listed, Op, Outcome, Recorder, Which};
use crate::random::Random;

/// How an application works, rightly or wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Right,
    /// Says that it has deleted, and has not.
    DeletesNothing,
    /// Does an increment again whose outcome it does not know.
    RetriesBlindly,
    /// Meets a conflict by overwriting what the other has written.
    Overwrites,
    /// Renews by storing a copy.
    Copies,
    /// Takes an error for "there is no such session".
    TakesErrorsForNone,
    /// Takes the time at which a login is stored for the time at which it began.
    BeginsLate,
    /// Leaves out the last session of a list.
    ListsShort,
}

impl Mode {
    pub(crate) const ALL: [Self; 8] = [
        Self::Right,
        Self::DeletesNothing,
        Self::RetriesBlindly,
        Self::Overwrites,
        Self::Copies,
        Self::TakesErrorsForNone,
        Self::BeginsLate,
        Self::ListsShort,
    ];
}

/// Few, so that clients of all processes meet at the same sessions.
pub(crate) const OWNERS: u64 = 4;
/// More sessions than this that a process knows of are deleted rather than added to.
const MOST: usize = 32;
/// Keys that are dead, for which it goes on asking.
const REMEMBERED: usize = 128;
const ATTEMPTS: usize = 8;

/// What one process knows of sessions: its own, and those of others that lists have shown.
#[derive(Default)]
pub(crate) struct Pool {
    live: Vec<Known>,
    ended: VecDeque<Known>,
    /// Keys that this process has given out.
    given: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) key: u64,
    session: u64,
    owner: Option<u64>,
}

impl Pool {
    fn add(&mut self, known: Known) {
        let has = |key| key == known.key;
        if !self.live.iter().any(|one| has(one.key)) && !self.ended.iter().any(|one| has(one.key)) {
            self.live.push(known);
        }
    }

    fn remove(&mut self, key: u64) {
        if let Some(at) = self.live.iter().position(|known| known.key == key) {
            self.ended.push_back(self.live.swap_remove(at));
            if self.ended.len() > REMEMBERED {
                self.ended.pop_front();
            }
        }
    }

    fn remove_owned(&mut self, owner: u64, chosen: impl Fn(u64) -> bool) {
        let keys = self
            .live
            .iter()
            .filter(|known| known.owner == Some(owner) && chosen(known.session));
        for key in keys.map(|known| known.key).collect::<Vec<_>>() {
            self.remove(key);
        }
    }
}

/// A number as a key of a store.
pub(crate) fn store_key(number: u64) -> StoreKey {
    let mut bytes = [0; StoreKey::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    StoreKey::from_bytes(bytes)
}

fn number_of(key: StoreKey) -> u64 {
    let first = key.as_bytes()[..8].try_into().expect("eight bytes");
    u64::from_be_bytes(first)
}

fn number_in(record: &Record, name: &str) -> u64 {
    let value = record.values().get(name).expect("each of our records has it");
    u64::from_be_bytes(value.bytes.try_into().expect("eight bytes"))
}

fn counting(record: &Record, count: u64) -> Sample {
    Sample::of(record).value("count", &count.to_be_bytes())
}

fn owner_name(owner: u64) -> String {
    format!("owner {owner}")
}

pub(crate) struct Client<'a> {
    pub(crate) store: &'a RedisStore,
    pub(crate) recorder: &'a Recorder,
    pub(crate) pool: &'a Mutex<Pool>,
    pub(crate) mode: Mode,
    /// The first key that this process may give out.
    pub(crate) first: u64,
    pub(crate) random: Random,
}

/// An error before anything was sent that changes something, or behind it.
enum Stage {
    Reading,
    Writing,
}

impl Client<'_> {
    /// Does one operation, and writes down what it was and what came of it.
    pub(crate) async fn step(&mut self) {
        let (op, known) = self.choose();
        // A login begins before its call is written down.
        let admission: Admission = self.store.epoch().into();
        let number = self.recorder.called(op);
        let outcome = self.carry_out(op, known, admission).await;
        self.recorder.answered(number, &outcome);
        self.learn(op, known, &outcome);
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().expect("no client panics")
    }

    /// An operation, and what is known of the key that it is for.
    fn choose(&mut self) -> (Op, Option<Known>) {
        let dice = self.random.below(100);
        let (live, known) = {
            let pool = self.pool.lock().expect("no client panics");
            let ended: Vec<Known> = pool.ended.iter().copied().collect();
            let asks_for_the_dead = self.random.one_in(6);
            let from = if asks_for_the_dead { &ended } else { &pool.live };
            (pool.live.len(), self.random.choose(from).copied())
        };
        let owner = self.random.below(OWNERS);
        let Some(one) = known else {
            return (self.creation(Some(owner)), None);
        };
        let key = one.key;
        let op = match dice {
            0..14 if live > MOST => Op::Delete { key },
            0..11 => return (self.creation(Some(owner)), None),
            11..14 => return (self.creation(None), None),
            14..36 => Op::Load { key },
            36..62 => Op::Increment { key },
            62..76 => Op::Rotate {
                old: key,
                new: self.fresh(),
                login: one.owner.is_none().then_some(owner),
            },
            76..82 => Op::Touch { key },
            82..86 => Op::Delete { key },
            86..90 => {
                let owner = one.owner.unwrap_or(owner);
                let which = match self.random.below(4) {
                    0 => Which::All,
                    1 => Which::Others(one.session),
                    _ => Which::One(one.session),
                };
                return (Op::Revoke { owner, which }, None);
            }
            _ => return (Op::List { owner }, None),
        };
        (op, known)
    }

    fn fresh(&self) -> u64 {
        let mut pool = self.pool();
        pool.given += 1;
        self.first + pool.given
    }

    fn creation(&self, owner: Option<u64>) -> Op {
        let key = self.fresh();
        Op::Create { key, owner }
    }

    fn learn(&self, op: Op, known: Option<Known>, outcome: &Outcome) {
        let mut pool = self.pool();
        match (op, outcome) {
            (Op::Create { key, owner }, Outcome::Done) => pool.add(Known {
                key,
                session: key,
                owner,
            }),
            (Op::Rotate { old, new, login }, Outcome::Done) => {
                pool.remove(old);
                if let Some(known) = known {
                    pool.add(Known {
                        key: new,
                        session: known.session,
                        owner: login.or(known.owner),
                    });
                }
            }
            (
                Op::Load { key }
                | Op::Increment { key }
                | Op::Touch { key }
                | Op::Delete { key }
                | Op::Rotate { old: key, .. },
                Outcome::Absent,
            )
            | (Op::Delete { key }, Outcome::Done) => pool.remove(key),
            (Op::Revoke { owner, which }, Outcome::Done) => pool.remove_owned(owner, |session| match which {
                Which::All => true,
                Which::Others(kept) => session != kept,
                Which::One(one) => session == one,
            }),
            (Op::List { owner }, Outcome::Listed(all)) => {
                for one in all {
                    pool.add(Known {
                        key: one.key,
                        session: one.session,
                        owner: Some(owner),
                    });
                }
            }
            _ => {}
        }
    }

    async fn carry_out(&mut self, op: Op, known: Option<Known>, admission: Admission) -> Outcome {
        let done = match op {
            Op::Create { key, owner } => self.create(key, owner, admission).await,
            Op::Load { key } => self.load(key, known).await,
            Op::Increment { key } => self.increment(key, known).await,
            Op::Rotate { old, new, login } => self.rotate(old, new, login, known, admission).await,
            Op::Touch { key } => self.touch(key).await,
            Op::Delete { key } => self.delete(key).await,
            Op::Revoke { owner, which } => self.revoke(owner, which).await,
            Op::List { owner } => self.list(owner).await,
        };
        match done {
            Ok(outcome) => outcome,
            Err((stage, error)) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{op:?}: {error:?}");
                match stage {
                    _ if self.mode == Mode::TakesErrorsForNone => Outcome::Absent,
                    Stage::Reading => Outcome::Failed,
                    Stage::Writing => Outcome::Unknown,
                }
            }
        }
    }

    async fn create(&mut self, key: u64, owner: Option<u64>, admission: Admission) -> Result<Outcome, (Stage, Error)> {
        let admission = self.takes_its_time(admission).await;
        let now = sample::now();
        let record = Sample::new(now)
            .handle(key)
            .value("session", &key.to_be_bytes())
            .value("count", &0_u64.to_be_bytes());
        let record = match owner {
            Some(owner) => record.owner(&owner_name(owner)).build(),
            None => record.build(),
        };
        let created = self.store.create(store_key(key), record, admission, now).await;
        match created.map_err(writing)? {
            Created::Stored => Ok(Outcome::Done),
            Created::Revoked => Ok(Outcome::Revoked),
            other => panic!("{other:?} for a new key, without a limit"),
        }
    }

    /// People type passwords.
    async fn takes_its_time(&mut self, admission: Admission) -> Admission {
        if self.random.one_in(2) {
            tokio::time::sleep(Duration::from_millis(self.random.below(40))).await;
        }
        if self.mode == Mode::BeginsLate {
            return self.store.epoch().into();
        }
        admission
    }

    /// The record; that of another session would be the worst of all.
    async fn read(&self, key: u64, known: Option<Known>) -> Result<Option<Record>, (Stage, Error)> {
        let loaded = self.store.load(store_key(key), sample::now()).await;
        let record = loaded.map_err(|error| (Stage::Reading, error))?;
        if let (Some(record), Some(known)) = (&record, known) {
            assert_eq!(
                number_in(record, "session"),
                known.session,
                "another session is answered"
            );
        }
        Ok(record)
    }

    async fn load(&self, key: u64, known: Option<Known>) -> Result<Outcome, (Stage, Error)> {
        let record = self.read(key, known).await?;
        Ok(record.map_or(Outcome::Absent, |record| Outcome::Found(number_in(&record, "count"))))
    }

    async fn increment(&self, key: u64, known: Option<Known>) -> Result<Outcome, (Stage, Error)> {
        let Some(mut current) = self.read(key, known).await? else {
            return Ok(Outcome::Absent);
        };
        let mut next = number_in(&current, "count") + 1;
        for _ in 0..ATTEMPTS {
            let record = counting(&current, next).next_revision().build();
            let replaced = self
                .store
                .replace(store_key(key), current.revision(), record, sample::now());
            match replaced.await {
                Ok(Replaced::Stored) => return Ok(Outcome::Counted(next)),
                Ok(Replaced::Gone) => return Ok(Outcome::Absent),
                Ok(Replaced::Conflict(other)) => {
                    if self.mode != Mode::Overwrites {
                        next = number_in(&other, "count") + 1;
                    }
                    current = other;
                }
                Err(_) if self.mode == Mode::RetriesBlindly => {
                    if let Ok(Some(other)) = self.read(key, known).await {
                        next = number_in(&other, "count") + 1;
                        current = other;
                    }
                }
                Err(error) => return Err(writing(error)),
            }
        }
        if self.mode == Mode::RetriesBlindly {
            return Ok(Outcome::Unknown);
        }
        Ok(Outcome::Failed)
    }

    async fn rotate(
        &mut self,
        old: u64,
        new: u64,
        login: Option<u64>,
        known: Option<Known>,
        admission: Admission,
    ) -> Result<Outcome, (Stage, Error)> {
        let admission = if login.is_some() {
            self.takes_its_time(admission).await
        } else {
            admission
        };
        let Some(mut current) = self.read(old, known).await? else {
            return Ok(Outcome::Absent);
        };
        for _ in 0..ATTEMPTS {
            let record = Sample::of(&current).next_revision();
            let record = match login {
                Some(owner) => record.owner(&owner_name(owner)).build(),
                None => record.build(),
            };
            if self.mode == Mode::Copies {
                let copied = self.store.create(store_key(new), record, admission, sample::now());
                return match copied.await.map_err(writing)? {
                    Created::Stored => Ok(Outcome::Done),
                    _ => Ok(Outcome::Revoked),
                };
            }
            let rotation = Rotation::new(
                store_key(old),
                current.revision(),
                store_key(new),
                record,
                sample::now(),
            );
            let rotated = self.store.rotate(rotation.with_admission(admission)).await;
            match rotated.map_err(writing)? {
                Rotated::Stored => return Ok(Outcome::Done),
                Rotated::Gone => return Ok(Outcome::Absent),
                Rotated::Revoked => return Ok(Outcome::Revoked),
                Rotated::Conflict(other) => current = other,
                other => panic!("{other:?} for a new key, without a limit"),
            }
        }
        Ok(Outcome::Failed)
    }

    async fn touch(&self, key: u64) -> Result<Outcome, (Stage, Error)> {
        let now = sample::now();
        let touched = self
            .store
            .touch(store_key(key), now, after(now, sample::IDLE.as_secs()));
        match touched.await.map_err(writing)? {
            Touched::Recorded => Ok(Outcome::Done),
            Touched::Gone => Ok(Outcome::Absent),
        }
    }

    async fn delete(&self, key: u64) -> Result<Outcome, (Stage, Error)> {
        if self.mode == Mode::DeletesNothing {
            return Ok(Outcome::Done);
        }
        match self.store.delete(store_key(key)).await.map_err(writing)? {
            Deleted::Removed => Ok(Outcome::Done),
            Deleted::Absent => Ok(Outcome::Absent),
        }
    }

    async fn revoke(&self, owner: u64, which: Which) -> Result<Outcome, (Stage, Error)> {
        let which = match which {
            Which::All => Revoke::All,
            Which::Others(kept) => Revoke::Others(handle(kept)),
            Which::One(one) => Revoke::One(handle(one)),
        };
        let owner = sample::owner(&owner_name(owner));
        let revoked = self.store.revoke(&owner, which, sample::now());
        revoked.await.map_err(writing)?;
        Ok(Outcome::Done)
    }

    async fn list(&mut self, owner: u64) -> Result<Outcome, (Stage, Error)> {
        let limit = if self.random.one_in(2) { 3 } else { 100 };
        let owner = sample::owner(&owner_name(owner));
        let mut all = Vec::new();
        let mut page = Page { after: None, limit };
        loop {
            let listed = self.store.list(&owner, page, sample::now());
            let listed = listed.await.map_err(|error| (Stage::Reading, error))?;
            all.extend(listed.sessions.iter().map(|owned| Listed {
                key: number_of(owned.key),
                session: number_in(&owned.record, "session"),
                count: number_in(&owned.record, "count"),
            }));
            match listed.next {
                Some(cursor) => page.after = Some(cursor),
                None => break,
            }
        }
        if self.mode == Mode::ListsShort {
            all.pop();
        }
        Ok(Outcome::Listed(all))
    }

    /// After everything: looks at one key. Whether there was an answer.
    pub(crate) async fn look(&self, key: u64) -> bool {
        let number = self.recorder.called(Op::Load { key });
        let outcome = self.load(key, None).await.unwrap_or(Outcome::Failed);
        self.recorder.answered(number, &outcome);
        outcome != Outcome::Failed
    }

    /// The same for an owner.
    pub(crate) async fn look_at_list(&mut self, owner: u64) -> bool {
        let number = self.recorder.called(Op::List { owner });
        let outcome = self.list(owner).await.unwrap_or(Outcome::Failed);
        self.recorder.answered(number, &outcome);
        outcome != Outcome::Failed
    }
}

fn writing(error: Error) -> (Stage, Error) {
    (Stage::Writing, error)
}
