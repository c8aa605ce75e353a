//! Random sequences of operations over a few sessions and owners, with a time that moves on, against the [`Model`].
//!
//! The seed is fixed, so that a run says the same twice; `PROPTEST_CASES`, `PROPTEST_RNG_SEED` and the like override it, and
//! `SESSION_MODEL_STEPS` says how long a sequence may be. A long run needs a longer `SESSION_CONTRACT_PATIENCE`. What such a run finds is
//! [kept](kept), and played to every store from then on.

mod kept;

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use tokio::runtime::Handle as Runtime;

use crate::clock::Timestamp;
use crate::conformance::sample::{self, Sample, after, handle, key};
use crate::conformance::store::model::{Answer, Began, Model, Op, Sweeping};
use crate::conformance::store::test_store::{Expiry, TestStore};
use crate::id::{Owner, StoreKey};
use crate::record::Record;
use crate::store::{Created, OwnerLimit, Revoke, Rotated};

const CASES: u32 = 64;
const STEPS: usize = 48;

/// One step; numbers choose among what there is by then.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    Create {
        owner: Option<u8>,
        login: Login,
        limit: Limit,
        minutes: u8,
        onto: Onto,
    },
    Load {
        session: u8,
    },
    Replace {
        session: u8,
        knows: Knows,
        minutes: u8,
    },
    Rotate {
        session: u8,
        knows: Knows,
        owner: Whose,
        login: Login,
        limit: Limit,
        onto: Onto,
    },
    Touch {
        session: u8,
        ago: u8,
    },
    Delete {
        session: u8,
    },
    Sweep,
    List {
        owner: u8,
        limit: u8,
    },
    Revoke {
        owner: u8,
        which: Which,
    },
    Wait {
        minutes: u8,
    },
}

#[derive(Clone, Copy, Debug)]
enum Login {
    BeginsNow,
    Began(u8),
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    No,
    Refuse(u8),
    EndOldest(u8),
}

impl Limit {
    fn limit(self) -> Option<OwnerLimit> {
        match self {
            Self::No => None,
            Self::Refuse(most) => OwnerLimit::refuse(most.into()).ok(),
            Self::EndOldest(most) => OwnerLimit::end_oldest(most.into()).ok(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Onto {
    FreshKey,
    /// A key that a session is at, if there is one.
    TakenKey(u8),
}

#[derive(Clone, Copy, Debug)]
enum Knows {
    Current,
    Older,
}

#[derive(Clone, Copy, Debug)]
enum Whose {
    Same,
    Other(Option<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    Others(u8),
    One(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let owner = 0..2_u8;
    let login = || prop_oneof![1 => Just(Login::BeginsNow), 1 => any::<u8>().prop_map(Login::Began)];
    let limit = || {
        prop_oneof![
            2 => Just(Limit::No),
            1 => (1..4_u8).prop_map(Limit::Refuse),
            1 => (1..4_u8).prop_map(Limit::EndOldest),
        ]
    };
    let onto = || prop_oneof![8 => Just(Onto::FreshKey), 1 => any::<u8>().prop_map(Onto::TakenKey)];
    let knows = || prop_oneof![4 => Just(Knows::Current), 1 => Just(Knows::Older)];
    let whose = prop_oneof![1 => Just(Whose::Same), 1 => proptest::option::of(owner.clone()).prop_map(Whose::Other)];
    let which = prop_oneof![
        Just(Which::All),
        any::<u8>().prop_map(Which::Others),
        any::<u8>().prop_map(Which::One)
    ];
    prop_oneof![
        2 => Just(Step::Begin),
        4 => (proptest::option::of(owner.clone()), login(), limit(), 1..30_u8, onto())
            .prop_map(|(owner, login, limit, minutes, onto)| Step::Create { owner, login, limit, minutes, onto }),
        3 => any::<u8>().prop_map(|session| Step::Load { session }),
        4 => (any::<u8>(), knows(), 1..30_u8)
            .prop_map(|(session, knows, minutes)| Step::Replace { session, knows, minutes }),
        4 => (any::<u8>(), knows(), whose, login(), limit(), onto())
            .prop_map(|(session, knows, owner, login, limit, onto)| {
                Step::Rotate { session, knows, owner, login, limit, onto }
            }),
        4 => (any::<u8>(), 0..10_u8).prop_map(|(session, ago)| Step::Touch { session, ago }),
        2 => any::<u8>().prop_map(|session| Step::Delete { session }),
        2 => Just(Step::Sweep),
        2 => (owner.clone(), 1..4_u8).prop_map(|(owner, limit)| Step::List { owner, limit }),
        2 => (owner, which).prop_map(|(owner, which)| Step::Revoke { owner, which }),
        4 => (1..20_u8).prop_map(|minutes| Step::Wait { minutes }),
    ]
}

/// One sequence: the store beside the model.
struct Run {
    store: TestStore,
    model: Model,
    now: Timestamp,
    /// Every key that was ever used in this run, and the last record known there.
    known: Vec<(StoreKey, Record)>,
    logins: Vec<Began>,
    /// Numbers of keys and handles go on from run to run, so that none is used twice.
    next: u64,
    /// Tells the owners of one run from those of another.
    number: u64,
    story: String,
}

impl Run {
    fn new(store: TestStore, number: u64) -> Self {
        let sweeping = match store.expiry {
            Expiry::Swept => Sweeping::Removes,
            Expiry::ByTheEngine => Sweeping::FindsNothing,
        };
        Self {
            store,
            model: Model::new(sweeping),
            now: sample::now(),
            known: Vec::new(),
            logins: Vec::new(),
            next: number * 1_000_000,
            number,
            story: String::new(),
        }
    }

    fn owner_name(&self, owner: u8) -> String {
        format!("owner {owner} of run {}", self.number)
    }

    fn owner(&self, owner: u8) -> Owner {
        sample::owner(&self.owner_name(owner))
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn pick(&self, session: u8) -> Option<(StoreKey, Record)> {
        // Mostly one of the youngest, so that several steps meet on one session; now and then any, dead ones included.
        const YOUNG: usize = 3;
        let choices = if session < 200 {
            self.known.len().min(YOUNG)
        } else {
            self.known.len()
        };
        let position = usize::from(session).checked_rem(choices)?;
        let (key, last) = &self.known[self.known.len() - 1 - position];
        Some((*key, self.model.stored(*key).unwrap_or(last).clone()))
    }

    fn key_onto(&mut self, onto: Onto) -> StoreKey {
        let taken = match onto {
            Onto::TakenKey(session) => self.pick(session),
            Onto::FreshKey => None,
        };
        // Only a key whose session is live is surely taken: dead keys are never created again.
        match taken {
            Some((key, _))
                if self
                    .model
                    .stored(key)
                    .is_some_and(|record| !record.is_expired(self.now)) =>
            {
                key
            }
            _ => key(self.fresh()),
        }
    }

    fn login(&self, login: Login) -> Began {
        let now = self.model.begin(&self.store);
        match login {
            Login::BeginsNow => now,
            Login::Began(which) => usize::from(which)
                .checked_rem(self.logins.len())
                .map_or(now, |position| self.logins[position]),
        }
    }

    /// A store without an index cannot count.
    fn limit(&self, limit: Limit) -> Option<OwnerLimit> {
        limit.limit().filter(|_| self.store.store.owner_index().is_some())
    }

    fn record(&self, sample: Sample, owner: Option<u8>) -> Record {
        match owner {
            Some(owner) => sample.owner(&self.owner_name(owner)),
            None => sample.without_owner(),
        }
        .build()
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let has_index = self.store.store.owner_index().is_some();
        let op = match step {
            Step::Begin => {
                let began = self.model.begin(&self.store);
                self.logins.push(began);
                return Ok(());
            }
            Step::Wait { minutes } => {
                self.now = after(self.now, 60 * u64::from(*minutes));
                let _ = write!(self.story, "\n  {minutes} minutes pass");
                return Ok(());
            }
            Step::List { .. } | Step::Revoke { .. } if !has_index => return Ok(()),
            step => match self.op(step) {
                Some(op) => op,
                None => return Ok(()),
            },
        };
        let answer = self.check(&op).await?;
        self.remember(&op, &answer);
        Ok(())
    }

    fn op(&mut self, step: &Step) -> Option<Op> {
        let now = self.now;
        Some(match step {
            Step::Begin | Step::Wait { .. } => return None,
            Step::Create {
                owner,
                login,
                limit,
                minutes,
                onto,
            } => {
                let key = self.key_onto(*onto);
                let sample = Sample::new(now).handle(self.fresh()).idle(60 * u64::from(*minutes));
                let record = self.record(sample, *owner);
                let began = self.login(*login);
                Op::Create {
                    key,
                    record,
                    began,
                    limit: self.limit(*limit),
                    now,
                }
            }
            Step::Load { session } => Op::Load {
                key: self.pick(*session)?.0,
                now,
            },
            Step::Replace {
                session,
                knows,
                minutes,
            } => {
                let (key, current) = self.pick(*session)?;
                let expected = expected(&current, *knows);
                // What a request loaded before others were seen: the store keeps the later sighting.
                let sample = Sample::of(&current)
                    .seen_at(current.created_at())
                    .revision(expected + 1)
                    .idle(60 * u64::from(*minutes));
                let record = sample.value("step", &self.next.to_le_bytes()).build();
                Op::Replace {
                    key,
                    expected,
                    record,
                    now,
                }
            }
            Step::Rotate {
                session,
                knows,
                owner,
                login,
                limit,
                onto,
            } => {
                let (old, current) = self.pick(*session)?;
                let expected = expected(&current, *knows);
                let sample = Sample::of(&current).revision(expected + 1);
                let record = match owner {
                    Whose::Same => sample.seen_at(current.created_at()).build(),
                    Whose::Other(owner) => self.record(sample.created_at(now).seen_at(now), *owner),
                };
                let began = self.login(*login);
                let new = match self.key_onto(*onto) {
                    new if new == old => key(self.fresh()),
                    new => new,
                };
                Op::Rotate {
                    old,
                    new,
                    expected,
                    record,
                    began,
                    limit: self.limit(*limit),
                    now,
                }
            }
            Step::Touch { session, ago } => {
                let (key, record) = self.pick(*session)?;
                let seen_at = Timestamp::from_unix_millis(now.unix_millis() - 60_000 * u64::from(*ago));
                Op::Touch { key, record, seen_at }
            }
            Step::Delete { session } => Op::Delete {
                key: self.pick(*session)?.0,
                now,
            },
            Step::Sweep => Op::Sweep { now },
            Step::List { owner, limit } => Op::List {
                owner: self.owner(*owner),
                limit: usize::from(*limit),
                now,
            },
            Step::Revoke { owner, which } => {
                let chosen = |session: &u8| self.pick(*session).map_or(handle(0), |(_, record)| record.handle());
                let which = match which {
                    Which::All => Revoke::All,
                    Which::Others(session) => Revoke::Others(chosen(session)),
                    Which::One(session) => Revoke::One(chosen(session)),
                };
                Op::Revoke {
                    owner: self.owner(*owner),
                    which,
                    now,
                }
            }
        })
    }

    async fn check(&mut self, op: &Op) -> Result<Answer, TestCaseError> {
        let expected = self.model.apply(op);
        let real = self.store.apply(op).await;
        let _ = write!(self.story, "\n  {op:?}\n    answered {real:?}");
        if expected.allows(&real) {
            return Ok(real);
        }
        let problem = format!(
            "the last answer should be {expected:?}, by what was done before:{}",
            self.story
        );
        Err(TestCaseError::fail(problem))
    }

    fn remember(&mut self, op: &Op, answer: &Answer) {
        match (op, answer) {
            (Op::Create { key, record, .. }, Answer::Created(Created::Stored | Created::Displaced(_)))
            | (Op::Rotate { new: key, record, .. }, Answer::Rotated(Rotated::Stored | Rotated::Displaced(_))) => {
                self.known.push((*key, record.clone()));
            }
            _ => {}
        }
    }

    /// In the end everything that can be seen agrees, now and when all has expired.
    async fn finish(&mut self) -> Result<(), TestCaseError> {
        for (key, _) in self.known.clone() {
            self.check(&Op::Load { key, now: self.now }).await?;
        }
        if self.store.store.owner_index().is_some() {
            for owner in 0..2 {
                let (owner, now) = (self.owner(owner), self.now);
                self.check(&Op::List { owner, limit: 3, now }).await?;
            }
        }
        let end = after(self.now, 86_400);
        self.check(&Op::Sweep { now: end }).await?;
        for (key, _) in self.known.clone() {
            self.check(&Op::Load { key, now: end }).await?;
        }
        Ok(())
    }

    async fn clear(&self) {
        for (key, _) in &self.known {
            self.store.delete(*key).await;
        }
    }
}

fn expected(current: &Record, knows: Knows) -> u64 {
    match knows {
        Knows::Current => current.revision(),
        Knows::Older => current.revision() - 1,
    }
}

async fn run(store: TestStore, number: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut run = Run::new(store, number);
    let mut outcome = Ok(());
    for step in &steps {
        outcome = run.step(step).await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = run.finish().await;
    }
    run.clear().await;
    outcome
}

fn config() -> Config {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(0x5e55_1045);
    }
    config
}

/// The longest sequence.
fn steps() -> usize {
    match std::env::var("SESSION_MODEL_STEPS") {
        Ok(steps) => steps.parse().expect("SESSION_MODEL_STEPS is a number"),
        Err(_) => STEPS,
    }
}

async fn play_kept(store: &TestStore) -> u64 {
    let mut number = 0;
    for (what, steps) in kept::sequences() {
        number += 1;
        if let Err(error) = run(store.clone(), number, steps).await {
            panic!("{what}: not answered as the contract says: {error}");
        }
    }
    number
}

pub(in super::super) async fn random_operations_follow_the_model(store: TestStore) {
    let kept = play_kept(&store).await;
    let runtime = Runtime::current();
    // The runner is synchronous: it waits for the store on a thread where waiting is allowed.
    let checked = tokio::task::spawn_blocking(move || {
        let number = std::cell::Cell::new(kept);
        let sequences = proptest::collection::vec(step(), 1..steps());
        TestRunner::new(config()).run(&sequences, |steps| {
            number.set(number.get() + 1);
            runtime.block_on(run(store.clone(), number.get(), steps))
        })
    });
    match checked.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("a sequence of operations is not answered as the contract says: {error}"),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
