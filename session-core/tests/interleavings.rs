//! Orders of threads, chosen by a scheduler: what is concurrent inside the memory store, the registry of revocations and the session's own
//! state. Runs only under `cfg(shuttle)`:
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p session-core --test interleavings --target-dir target/shuttle -- --nocapture
//! ```
//!
//! `SESSION_INTERLEAVINGS` multiplies the random schedules; of two operations
//! the orders are walked through one by one, up to a bound. Whoever waits for tokio's lock,
//! and the memory order of the processor, is not what is scheduled here: shuttle takes every access for sequentially consistent.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use session_core::conformance::browser::set_cookie;
use session_core::conformance::sample::{self, Sample, after, key};
use session_core::{
    Admission, Created, Engine, Epoch, ErrorKind, ManualClock, MemoryStore, Outbound, Outcome, OwnerIndex, Page,
    Record, Revoke, Rotation, Session, SigningKey, SigningKeys, Store, Timestamp,
};
use shuttle::future::block_on;
use shuttle::scheduler::{DfsScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

const START: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);
/// Orders of one pair of operations, from the first one on; some pairs have more.
const MOST: usize = 40;
const SEED: u64 = 0x5e55_1045;

fn times() -> usize {
    std::env::var("SESSION_INTERLEAVINGS").map_or(1, |times| times.parse().unwrap())
}

/// Runs it in so many random orders; answers how many.
fn at_random(iterations: usize, f: impl Fn() + Send + Sync + 'static) -> usize {
    let scheduler = RandomScheduler::new_from_seed(SEED, iterations * times());
    Runner::new(scheduler, Config::default()).run(f)
}

/// What happens to one session of alice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Replace,
    Rotate,
    Touch,
    Delete,
    Sweep,
    Load,
    RevokeAll,
    RevokeOne,
    /// Another session of hers; the login began before everything else.
    Login,
    /// The same, where there is room for one.
    LoginAlone,
}

const EVENTS: [Event; 10] = [
    Event::Replace,
    Event::Rotate,
    Event::Touch,
    Event::Delete,
    Event::Sweep,
    Event::Load,
    Event::RevokeAll,
    Event::RevokeOne,
    Event::Login,
    Event::LoginAlone,
];

/// What was answered, and what can be seen in the end.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    answers: Vec<String>,
    stored: Vec<Option<Record>>,
    listed: Vec<Record>,
    len: usize,
}

fn scene() -> (Arc<MemoryStore>, Record, Epoch) {
    let store = Arc::new(MemoryStore::new());
    let record = Sample::new(START).handle(1).owner("alice").idle(3600).build();
    let began = store.epoch();
    let created = block_on(store.create(key(0), record.clone(), began.into(), START)).unwrap();
    assert_eq!(created, Created::Stored);
    (store, record, began)
}

fn perform(store: &MemoryStore, record: &Record, began: Epoch, event: Event, place: u64) -> String {
    let at = |minutes: u64| after(START, 60 * minutes);
    let owner = sample::owner("alice");
    let next = Sample::of(record)
        .next_revision()
        .value("by", &place.to_le_bytes())
        .build();
    block_on(async {
        match event {
            Event::Replace => format!("{:?}", store.replace(key(0), 1, next, at(10)).await),
            Event::Rotate => {
                let rotation = Rotation::new(key(0), 1, key(10 + place), next, at(15));
                format!("{:?}", store.rotate(rotation).await)
            }
            Event::Touch => format!("{:?}", store.touch(key(0), at(20), at(80)).await),
            Event::Delete => format!("{:?}", store.delete(key(0)).await),
            // What is not touched has expired.
            Event::Sweep => format!("{:?}", store.sweep(at(60), 10).await),
            Event::Load => format!("{:?}", store.load(key(0), at(30)).await),
            Event::RevokeAll => format!("{:?}", store.revoke(&owner, Revoke::All, at(35)).await),
            Event::RevokeOne => format!("{:?}", store.revoke(&owner, Revoke::One(record.handle()), at(35)).await),
            Event::Login | Event::LoginAlone => {
                let fresh = Sample::new(at(16)).handle(20 + place).owner("alice").idle(3600).build();
                let mut admission = Admission::new(began);
                if event == Event::LoginAlone {
                    admission = admission.with_limit(session_core::OwnerLimit::end_oldest(1).unwrap());
                }
                format!("{:?}", store.create(key(20 + place), fresh, admission, at(16)).await)
            }
        }
    })
}

fn look(store: &MemoryStore, answers: Vec<String>) -> Seen {
    let now = after(START, 60 * 40);
    let keys = [0, 10, 11, 12, 20, 21, 22].map(key);
    block_on(async {
        let mut stored = Vec::new();
        for key in keys {
            stored.push(store.load(key, now).await.unwrap());
        }
        let page = Page { after: None, limit: 10 };
        let listed = store.list(&sample::owner("alice"), page, now).await.unwrap();
        let listed = listed.sessions.into_iter().map(|owned| owned.record).collect();
        Seen {
            answers,
            stored,
            listed,
            len: store.len(),
        }
    })
}

fn orders(many: usize) -> Vec<Vec<usize>> {
    if many == 0 {
        return vec![Vec::new()];
    }
    let longer = |shorter: Vec<usize>| {
        (0..many).map(move |position| {
            let mut order = shorter.clone();
            order.insert(position, many - 1);
            order
        })
    };
    orders(many - 1).into_iter().flat_map(longer).collect()
}

/// What one after the other may lead to, in any order; in a run of its own, so that schedules are not made longer by it.
fn explained(events: &[Event]) -> Arc<Vec<Seen>> {
    let (found, events) = (Arc::new(std::sync::Mutex::default()), events.to_vec());
    let kept = found.clone();
    let run = move || *kept.lock().unwrap() = Arc::new(in_any_order(&events));
    Runner::new(RandomScheduler::new_from_seed(SEED, 1), Config::default()).run(run);
    let explained: &Arc<Vec<Seen>> = &found.lock().unwrap();
    explained.clone()
}

fn in_any_order(events: &[Event]) -> Vec<Seen> {
    let one_order = |order: Vec<usize>| {
        let (store, record, began) = scene();
        let mut answers = vec![String::new(); events.len()];
        for place in order {
            answers[place] = perform(&store, &record, began, events[place], place as u64);
        }
        look(&store, answers)
    };
    orders(events.len()).into_iter().map(one_order).collect()
}

/// All at once, in the order of the scheduler: some order of whole operations explains what was answered and what is there.
fn at_once(events: &[Event], explained: &[Seen]) {
    let (store, record, began) = scene();
    let threads: Vec<_> = (0..)
        .zip(events)
        .map(|(place, event)| {
            let (store, record, event) = (store.clone(), record.clone(), *event);
            thread::spawn(move || perform(&store, &record, began, event, place))
        })
        .collect();
    let answers = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let seen = look(&store, answers);
    assert!(
        explained.contains(&seen),
        "{events:?} at once: no order explains {seen:?}\none of {explained:#?}"
    );
}

#[test]
fn two_operations_on_the_memory_store_in_the_orders_of_their_locks() {
    let (mut schedules, mut ended) = (0, 0);
    for (position, first) in EVENTS.iter().enumerate() {
        for second in &EVENTS[position..] {
            let events = [*first, *second];
            let runner = Runner::new(DfsScheduler::new(Some(MOST * times()), false), Config::default());
            let explained = explained(&events);
            let tried = runner.run(move || at_once(&events, &explained));
            ended += usize::from(tried < MOST * times());
            schedules += tried;
        }
    }
    println!("two operations: {schedules} schedules; of {ended} pairs of 55 all there are");
}

#[test]
fn three_operations_on_the_memory_store_in_random_orders_of_their_locks() {
    let mut schedules = 0;
    for (position, first) in EVENTS.iter().enumerate() {
        for (more, second) in EVENTS[position..].iter().enumerate() {
            for third in &EVENTS[position + more..] {
                let events = [*first, *second, *third];
                let explained = explained(&events);
                schedules += at_random(3, move || at_once(&events, &explained));
            }
        }
    }
    println!("three operations: {schedules} schedules, seed {SEED:#x}");
}

/// The cookie that a response sets; empty if it removes it.
fn cookie(outbound: Outbound) -> Option<String> {
    let set = set_cookie(outbound)?;
    let pair = set.split(';').next().unwrap().to_owned();
    Some(if pair.ends_with('=') { String::new() } else { pair })
}

fn engine() -> (Engine, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    let keys = SigningKeys::new(SigningKey::from_bytes(&[1; 32]).unwrap());
    let engine = Engine::builder(store.clone(), keys)
        .clock(Arc::new(ManualClock::default()))
        .build();
    (engine, store)
}

fn request(engine: &Engine, cookie: Option<&str>) -> (session_core::Inbound, Session) {
    let (inbound, access) = engine.begin();
    (inbound, block_on(access.session(cookie.map(str::as_bytes))).unwrap())
}

fn visits(engine: &Engine, cookie: &str) -> Option<u32> {
    request(engine, Some(cookie)).1.get("visits").unwrap()
}

/// A visitor whose session holds one visit.
fn visitor(engine: &Engine) -> String {
    let (inbound, session) = request(engine, None);
    session.insert("visits", 1_u32).unwrap();
    cookie(block_on(inbound.finish(Outcome::Success)).unwrap()).unwrap()
}

fn count(session: &Session) {
    session
        .update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)
        .unwrap();
}

#[test]
fn a_save_beside_a_finish_never_renews_what_the_browser_does_not_learn() {
    let schedules = at_random(1000, || {
        let (engine, _) = engine();
        let old = visitor(&engine);
        let (inbound, session) = request(&engine, Some(&old));
        let saving = thread::spawn(move || {
            session.renew();
            block_on(session.save())
        });
        let set = cookie(block_on(inbound.finish(Outcome::Success)).unwrap());
        // Either the finish has renewed, or the save, or nobody and the save says so.
        let saved = saving.join().unwrap();
        assert_eq!(visits(&engine, set.as_deref().unwrap_or(&old)), Some(1), "{saved:?}");
        assert_eq!(set.is_some(), visits(&engine, &old).is_none());
        if let Err(error) = saved {
            assert_eq!(error.kind(), ErrorKind::ResponseSent);
        }
    });
    println!("save beside finish: {schedules} schedules, seed {SEED:#x}");
}

#[test]
fn a_session_that_is_loaded_beside_a_finish_stores_nothing_without_a_cookie() {
    let schedules = at_random(1000, || {
        let (engine, store) = engine();
        let (inbound, access) = engine.begin();
        let handler = thread::spawn(move || {
            let session = block_on(access.session([])).unwrap();
            session.insert("visits", 1_u32).unwrap();
            block_on(session.save())
        });
        let set = cookie(block_on(inbound.finish(Outcome::Success)).unwrap());
        let saved = handler.join().unwrap();
        assert_eq!(store.len(), usize::from(set.is_some()), "{saved:?}");
        if let Err(error) = saved {
            assert_eq!(error.kind(), ErrorKind::ResponseSent);
        }
    });
    println!("load beside finish: {schedules} schedules, seed {SEED:#x}");
}

#[test]
fn a_session_that_is_asked_for_when_its_request_seems_unused_is_not_renewed_without_a_cookie() {
    let schedules = at_random(1000, || {
        let (engine, _) = engine();
        let old = visitor(&engine);
        let (inbound, access) = engine.begin();
        let asking = thread::spawn({
            let old = old.clone();
            move || {
                let session = block_on(access.session([old.as_bytes()])).unwrap();
                session.renew();
                block_on(session.save())
            }
        });
        let set = match inbound.if_used() {
            Some(inbound) => cookie(block_on(inbound.finish(Outcome::Success)).unwrap()),
            None => None,
        };
        let saved = asking.join().unwrap();
        assert_eq!(visits(&engine, set.as_deref().unwrap_or(&old)), Some(1), "{saved:?}");
    });
    println!("asking beside an unused request: {schedules} schedules, seed {SEED:#x}");
}

#[test]
fn two_loads_at_once_beside_a_finish_give_one_session_that_stores_nothing_without_a_cookie() {
    let schedules = at_random(1000, || {
        let (engine, store) = engine();
        let (inbound, access) = engine.begin();
        let handlers = ["one", "two"].map(|name| {
            let access = access.clone();
            thread::spawn(move || {
                let session = block_on(access.session([])).unwrap();
                session.insert(name, 1_u32).unwrap();
                block_on(session.save())
            })
        });
        let set = cookie(block_on(inbound.finish(Outcome::Success)).unwrap());
        let saved = handlers.map(|handler| handler.join().unwrap());
        assert_eq!(store.len(), usize::from(set.is_some()), "{saved:?}");
        match set {
            Some(set) => assert_eq!(request(&engine, Some(&set)).1.keys(), ["one", "two"], "{saved:?}"),
            None => assert!(saved.iter().any(|save| save.is_err()), "{saved:?}"),
        }
    });
    println!("two loads beside finish: {schedules} schedules, seed {SEED:#x}");
}

#[test]
fn clones_of_a_session_lose_no_update_of_each_other() {
    let schedules = at_random(1000, || {
        let (engine, _) = engine();
        let old = visitor(&engine);
        let (inbound, session) = request(&engine, Some(&old));
        let threads = [(); 2].map(|()| {
            let session = session.clone();
            thread::spawn(move || {
                count(&session);
                block_on(session.save()).unwrap();
                count(&session);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        drop(block_on(inbound.finish(Outcome::Success)).unwrap());
        assert_eq!(visits(&engine, &old), Some(5));
    });
    println!("clones: {schedules} schedules, seed {SEED:#x}");
}

/// What a request does, and what may be true afterwards.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    Count,
    WriteOther,
    Renew,
    Login,
    Logout,
    RevokeAll,
}

const WISHES: [Wish; 6] = [
    Wish::Count,
    Wish::WriteOther,
    Wish::Renew,
    Wish::Login,
    Wish::Logout,
    Wish::RevokeAll,
];

#[test]
fn two_and_three_requests_on_one_session_keep_the_promises_in_random_orders() {
    let renewals = Arc::new(AtomicUsize::new(0));
    let mut schedules = 0;
    for (position, first) in WISHES.iter().enumerate() {
        for (more, second) in WISHES[position..].iter().enumerate() {
            let mut groups = vec![vec![*first, *second]];
            groups.extend(
                WISHES[position + more..]
                    .iter()
                    .map(|third| vec![*first, *second, *third]),
            );
            for wishes in groups {
                let renewals = renewals.clone();
                schedules += at_random(20, move || {
                    renewals.fetch_add(requests(&wishes), Ordering::Relaxed);
                });
            }
        }
    }
    assert!(renewals.load(Ordering::Relaxed) > 0);
    println!("requests: {schedules} schedules, seed {SEED:#x}");
}

/// Begins all requests, then lets them finish at once. Answers how many renewed.
fn requests(wishes: &[Wish]) -> usize {
    let (engine, store) = engine();
    let (inbound, session) = request(&engine, None);
    session.insert("visits", 1_u32).unwrap();
    session.login("alice").unwrap();
    let old = cookie(block_on(inbound.finish(Outcome::Success)).unwrap()).unwrap();
    // All hold the session before the first one goes on.
    let held: Vec<_> = wishes
        .iter()
        .map(|wish| (*wish, request(&engine, Some(&old))))
        .collect();
    let finish = |(wish, (inbound, session)): (Wish, (session_core::Inbound, Session))| {
        match wish {
            Wish::Count => count(&session),
            Wish::WriteOther => session.insert("other", 1).unwrap(),
            Wish::Renew => session.renew(),
            Wish::Login => session.login("alice").unwrap(),
            Wish::Logout => session.logout(),
            Wish::RevokeAll => {}
        }
        let engine = engine.clone();
        thread::spawn(move || {
            if wish == Wish::RevokeAll {
                let alice = sample::owner("alice");
                block_on(engine.sessions().unwrap().revoke_all(&alice)).unwrap();
            }
            let finished = block_on(inbound.finish(Outcome::Success));
            finished.map(cookie).map_err(|error| error.kind())
        })
    };
    // Intent first: a login begins before a revocation does.
    let threads: Vec<_> = held.into_iter().map(finish).collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let has = |wish| wishes.contains(&wish);
    let done = |wish| {
        let of = wishes
            .iter()
            .zip(&answers)
            .filter(|(of, answer)| **of == wish && answer.is_ok());
        of.count()
    };
    let issued: Vec<&String> = answers
        .iter()
        .flatten()
        .flatten()
        .filter(|set| !set.is_empty())
        .collect();
    let mut alive: Vec<&String> = issued
        .iter()
        .copied()
        .filter(|cookie| visits(&engine, cookie).is_some())
        .collect();
    alive.extend(Some(&old).filter(|cookie| visits(&engine, cookie).is_some()));
    let story = format!("{wishes:?} answered {answers:?}");
    for answer in &answers {
        let expected = matches!(answer, Ok(_) | Err(ErrorKind::Gone | ErrorKind::Revoked));
        assert!(expected, "{story}");
    }
    // P7, P6: a renewal has one winner, after which the old id is dead; nobody holds a token that others do not account for.
    if !issued.is_empty() {
        assert!(!alive.contains(&&old), "{story}");
    }
    if !has(Wish::Login) {
        assert!(issued.len() <= 1, "two renewed one session: {story}");
        assert!(store.len() <= 1, "{story}");
    }
    // P6, P11, P12: what was ended is over. A login that begins before is refused by a revocation, and stands beside a logout.
    if has(Wish::RevokeAll) {
        assert!(alive.is_empty() && store.is_empty(), "revoked, and alive: {story}");
    } else if has(Wish::Logout) && !has(Wish::Login) {
        assert!(alive.is_empty() && store.is_empty(), "ended, and alive: {story}");
    } else if !has(Wish::Logout) && !has(Wish::Login) {
        // P5: what was acknowledged is there.
        assert_eq!(alive.len(), 1, "{story}");
        let session = request(&engine, Some(alive[0])).1;
        assert_eq!(
            session.get("visits").unwrap(),
            Some(1 + done(Wish::Count) as u32),
            "{story}"
        );
        assert_eq!(session.contains("other"), done(Wish::WriteOther) > 0, "{story}");
    }
    done(Wish::Renew)
}
