//! Every order of every two and three operations on one session, one after the other and all at once, against the [`Model`].

use std::fmt::Write as _;

use crate::clock::Timestamp;
use crate::conformance::sample::{self, Sample, after, handle, just_before, key};
use crate::conformance::store::model::{Answer, Model, Op, Sweeping};
use crate::conformance::store::steps::race;
use crate::conformance::store::test_store::{Expiry, TestStore};
use crate::id::StoreKey;
use crate::record::Record;
use crate::store::Revoke;

/// What happens to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Replace,
    Rotate,
    Touch,
    Delete,
    Sweep,
    Load,
    RevokeOne,
}

const EVENTS: [Event; 7] = [
    Event::Replace,
    Event::Rotate,
    Event::Touch,
    Event::Delete,
    Event::Sweep,
    Event::Load,
    Event::RevokeOne,
];

/// One session, fresh in every round: it ends an hour after `start` unless it is touched.
struct Scene {
    start: Timestamp,
    round: u64,
    record: Record,
    model: Model,
}

impl Scene {
    async fn set(store: &TestStore, start: Timestamp, round: u64) -> Self {
        let record = Sample::new(start).handle(round).owner("alice").idle(3600).build();
        let mut model = Model::new(Sweeping::Removes);
        let began = model.begin(store);
        let create = Op::Create {
            key: key(100 * round),
            record: record.clone(),
            began,
            limit: None,
            now: start,
        };
        model.apply(&create);
        store.put(key(100 * round), &record).await;
        Self {
            start,
            round,
            record,
            model,
        }
    }

    /// The call for an event; `place` tells several of one kind apart.
    fn op(&self, event: Event, place: u64, store: &TestStore) -> Op {
        let key = self.key();
        let at = |minutes| after(self.start, 60 * minutes);
        let next = Sample::of(&self.record)
            .next_revision()
            .value("by", &place.to_le_bytes())
            .build();
        match event {
            Event::Replace => Op::Replace {
                key,
                expected: 1,
                record: next,
                now: at(10),
            },
            Event::Rotate => Op::Rotate {
                old: key,
                new: self.new_key(place),
                expected: 1,
                record: next,
                began: self.model.begin(store),
                limit: None,
                now: at(15),
            },
            Event::Touch => Op::Touch {
                key,
                record: self.record.clone(),
                seen_at: at(20 + place),
            },
            Event::Delete => Op::Delete { key, now: at(25) },
            Event::Sweep => Op::Sweep { now: at(60) },
            Event::Load => Op::Load { key, now: at(30) },
            Event::RevokeOne => Op::Revoke {
                owner: sample::owner("alice"),
                which: Revoke::One(handle(self.round)),
                now: at(35),
            },
        }
    }

    fn key(&self) -> StoreKey {
        key(100 * self.round)
    }

    fn new_key(&self, place: u64) -> StoreKey {
        key(100 * self.round + 1 + place)
    }

    /// What can be seen of the session in the end: under every key, early and late, and in the list.
    fn looks(&self, store: &TestStore) -> Vec<Op> {
        let keys = [self.key(), self.new_key(0), self.new_key(1), self.new_key(2)];
        let mut looks = Vec::new();
        for now in [
            after(self.start, 60 * 40),
            just_before(after(self.start, 3600)),
            after(self.start, 3600),
        ] {
            looks.extend(keys.map(|key| Op::Load { key, now }));
            if store.store.owner_index().is_some() {
                let owner = sample::owner("alice");
                looks.push(Op::List { owner, limit: 2, now });
            }
        }
        looks
    }

    async fn clear(self, store: &TestStore) {
        for key in [self.key(), self.new_key(0), self.new_key(1), self.new_key(2)] {
            store.delete(key).await;
        }
    }

    /// The models that a store may follow: if the engine expires by itself, a sweep may or may not remove.
    fn models(&self, store: &TestStore) -> Vec<Model> {
        let mut models = vec![self.model.clone()];
        if store.expiry == Expiry::ByTheEngine {
            models.push(self.model.clone().sweeping(Sweeping::FindsNothing));
        }
        models
    }
}

fn events(store: &TestStore) -> Vec<Event> {
    let has_index = store.store.owner_index().is_some();
    let all = EVENTS.into_iter();
    all.filter(|event| *event != Event::RevokeOne || has_index).collect()
}

/// Whether a model explains what was answered: the calls in this order, then the looks.
fn explains(mut model: Model, calls: &[(Op, Answer)], order: &[usize], looks: &[(Op, Answer)]) -> bool {
    let calls = order.iter().map(|position| &calls[*position]);
    calls.chain(looks).all(|(op, real)| model.apply(op).allows(real))
}

fn orders(many: usize) -> Vec<Vec<usize>> {
    if many == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(many - 1) {
        for position in 0..many {
            let mut order = shorter.clone();
            order.insert(position, many - 1);
            all.push(order);
        }
    }
    all
}

fn story(calls: &[(Op, Answer)], looks: &[(Op, Answer)]) -> String {
    let mut story = String::new();
    for (op, answer) in calls {
        let _ = write!(story, "\n  {op:?}\n    answered {answer:?}");
    }
    story.push_str("\nand afterwards");
    for (op, answer) in looks {
        let _ = write!(story, "\n  {op:?}\n    answered {answer:?}");
    }
    story
}

async fn look(scene: &Scene, store: &TestStore) -> Vec<(Op, Answer)> {
    let mut looks = Vec::new();
    for op in scene.looks(store) {
        let answer = store.apply(&op).await;
        looks.push((op, answer));
    }
    looks
}

async fn one_after_the_other(store: TestStore, sequences: Vec<Vec<Event>>) {
    let start = sample::now();
    for (round, sequence) in (0..).zip(sequences) {
        let scene = Scene::set(&store, start, round).await;
        let mut calls = Vec::new();
        for (place, event) in (0..).zip(&sequence) {
            let op = scene.op(*event, place, &store);
            let answer = store.apply(&op).await;
            calls.push((op, answer));
        }
        let looks = look(&scene, &store).await;
        let order: Vec<usize> = (0..calls.len()).collect();
        assert!(
            scene
                .models(&store)
                .into_iter()
                .any(|model| explains(model, &calls, &order, &looks)),
            "after {sequence:?} on one session the store does not answer as the contract says (P6, P7, P9):{}",
            story(&calls, &looks)
        );
        scene.clear(&store).await;
    }
}

async fn all_at_once(store: TestStore, groups: Vec<Vec<Event>>) {
    let start = sample::now();
    for (round, group) in (0..).zip(groups) {
        let scene = Scene::set(&store, start, round).await;
        let ops: Vec<Op> = (0..)
            .zip(&group)
            .map(|(place, event)| scene.op(*event, place, &store))
            .collect();
        let answers = race(ops.iter().cloned().map(|op| {
            let store = store.clone();
            async move { store.apply(&op).await }
        }))
        .await;
        let calls: Vec<(Op, Answer)> = ops.into_iter().zip(answers).collect();
        let looks = look(&scene, &store).await;
        let explained = orders(calls.len()).iter().any(|order| {
            let mut models = scene.models(&store).into_iter();
            models.any(|model| explains(model, &calls, order, &looks))
        });
        assert!(
            explained,
            "after {group:?} at once on one session no order of them explains what the store answered: one of them is not atomic (P7):{}",
            story(&calls, &looks)
        );
        scene.clear(&store).await;
    }
}

/// Every sequence of two events, with repetition.
fn pairs(events: &[Event]) -> Vec<Vec<Event>> {
    let pair = |first: &Event| events.iter().map(|second| vec![*first, *second]).collect::<Vec<_>>();
    events.iter().flat_map(pair).collect()
}

/// Every sequence of three events, with repetition.
fn triples(events: &[Event]) -> Vec<Vec<Event>> {
    let mut all = Vec::new();
    for pair in pairs(events) {
        all.extend(events.iter().map(|third| [pair.as_slice(), &[*third]].concat()));
    }
    all
}

pub(in super::super) async fn two_operations_in_every_order(store: TestStore) {
    let events = events(&store);
    one_after_the_other(store, pairs(&events)).await;
}

pub(in super::super) async fn three_operations_in_every_order(store: TestStore) {
    let events = events(&store);
    one_after_the_other(store, triples(&events)).await;
}

pub(in super::super) async fn two_operations_at_once_happen_in_some_order(store: TestStore) {
    let events = events(&store);
    let groups = std::iter::repeat_n(pairs(&events), 4).flatten();
    all_at_once(store, groups.collect()).await;
}

pub(in super::super) async fn three_operations_at_once_happen_in_some_order(store: TestStore) {
    let events = events(&store);
    all_at_once(store, triples(&events)).await;
}
