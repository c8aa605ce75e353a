//! Waiting for the end of a session. Tokio's time is paused: it jumps when everything waits, so "at once" can be told from "at the next look".

use std::sync::Arc;
use std::time::Duration;

use session_core::conformance::store::Operation;
use session_core::{
    Clock, Engine, FlashLevel, Handle, Lifetime, MemoryStore, Outcome, Owner, OwnerLimit, Session, SessionConfig,
    SigningKeys, Timestamp,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::site::{Site, VISITS, set_cookie};

const AT_ONCE: Duration = Duration::ZERO;
const RECHECK: Duration = Duration::from_secs(30);

fn alice() -> Owner {
    Owner::new("alice").unwrap()
}

async fn sign_in(site: &Site) -> Option<String> {
    site.clock.advance(Duration::from_secs(1));
    site.handle(None, async |session| session.login("alice").unwrap()).await
}

/// A socket that was opened with this cookie: its session, after the response has gone out.
async fn socket(site: &Site, cookie: Option<&str>) -> Session {
    let (inbound, session) = site.request(cookie).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    session
}

/// Waits in a task of its own, which stands at its wait when this returns; answers how long it took.
async fn wait(session: &Session) -> JoinHandle<Duration> {
    let session = session.clone();
    let waiting = tokio::spawn(async move {
        let start = Instant::now();
        session.ended().await;
        start.elapsed()
    });
    settle().await;
    waiting
}

/// Lets every task go on for as long as it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

async fn handle_of(site: &Site, cookie: Option<&str>) -> Handle {
    site.request(cookie).await.1.handle().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_a_session_is_noticed_at_once() {
    let config = SessionConfig::builder().owner_limit(OwnerLimit::end_oldest(2).unwrap());
    let ways = [
        "one",
        "others",
        "all",
        "by its handle alone",
        "everyone",
        "logout",
        "room",
        "room for a visitor",
        "somebody else",
        "renewal elsewhere",
    ];
    for way in ways {
        let site = Site::with(config.clone().build().unwrap());
        let cookie = sign_in(&site).await;
        let other = sign_in(&site).await;
        let session = socket(&site, cookie.as_deref()).await;
        let waiting = wait(&session).await;
        assert!(!waiting.is_finished(), "{way}: it waits");
        let sessions = site.engine.sessions().unwrap();
        let cookie = cookie.as_deref();
        match way {
            "one" => {
                let handle = handle_of(&site, cookie).await;
                assert!(sessions.revoke(&alice(), handle).await.unwrap());
            }
            "others" => {
                let keep = handle_of(&site, other.as_deref()).await;
                sessions.revoke_others(&alice(), keep).await.unwrap();
            }
            "all" => drop(sessions.revoke_all(&alice()).await.unwrap()),
            "by its handle alone" => {
                let handle = handle_of(&site, cookie).await;
                assert!(sessions.revoke_handle(handle).await.unwrap());
            }
            "everyone" => drop(sessions.revoke_everyone().await.unwrap()),
            "logout" => drop(site.handle(cookie, async |session| session.logout()).await),
            "room" => drop(sign_in(&site).await),
            "room for a visitor" => {
                let guest = site
                    .handle(None, async |session| session.insert(VISITS, 1).unwrap())
                    .await;
                site.handle(guest.as_deref(), async |session| session.login("alice").unwrap())
                    .await;
            }
            "somebody else" => drop(site.handle(cookie, async |session| session.login("bob").unwrap()).await),
            _ => drop(site.handle(cookie, async |session| session.renew()).await),
        }
        assert_eq!(waiting.await.unwrap(), AT_ONCE, "{way}");
        assert!(!session.is_live().await.unwrap(), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_by_the_session_itself_is_noticed_at_once() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let waiting = wait(&session).await;
    session.logout();
    session.save().await.unwrap();
    assert_eq!(waiting.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_noticed_also_if_the_same_request_begins_another_session() {
    let ways: [fn(&Session); 2] = [
        |session| {
            session.logout();
            session.flash(FlashLevel::Info, "bye").unwrap();
        },
        |session| session.login("bob").unwrap(),
    ];
    for begin_another in ways {
        let site = Site::new();
        let cookie = sign_in(&site).await;
        let (inbound, session) = site.request(cookie.as_deref()).await;
        let waiting = wait(&session).await;
        begin_another(&session);
        drop(inbound.finish(Outcome::Success).await.unwrap());
        let noticed = tokio::time::timeout(RECHECK, waiting).await;
        assert_eq!(
            noticed.expect("it goes on waiting for another session").unwrap(),
            AT_ONCE
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_whose_caller_went_away_is_noticed_at_once() {
    for way in ["all", "by its handle alone", "everyone"] {
        let site = Site::new();
        let cookie = sign_in(&site).await;
        let session = socket(&site, cookie.as_deref()).await;
        let handle = session.handle().unwrap();
        let waiting = wait(&session).await;
        let sessions = site.engine.sessions().unwrap();
        let owner = alice();
        let gate = site.faults.hold_answer(match way {
            "everyone" => Operation::Clear,
            _ => Operation::Revoke,
        });
        tokio::select! {
            biased;
            _ = sessions.revoke_all(&owner), if way == "all" => panic!("the answer is held"),
            _ = sessions.revoke_handle(handle), if way == "by its handle alone" => panic!("the answer is held"),
            _ = sessions.revoke_everyone(), if way == "everyone" => panic!("the answer is held"),
            () = gate.arrived() => {}
        }
        assert!(!session.is_live().await.unwrap(), "{way}");
        assert_eq!(waiting.await.unwrap(), AT_ONCE, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_visitor_s_session_whose_caller_went_away_is_noticed_at_once() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let session = socket(&site, cookie.as_deref()).await;
    let handle = session.handle().unwrap();
    let waiting = wait(&session).await;
    let sessions = site.engine.sessions().unwrap();
    let gate = site.faults.hold_answer(Operation::Delete);
    tokio::select! {
        biased;
        _ = sessions.revoke_handle(handle) => panic!("the answer is held"),
        () = gate.arrived() => {}
    }
    assert_eq!(waiting.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_another_request_brings_forward_is_noticed_when_it_passes() {
    let site = Site::built(SessionConfig::default(), |builder| {
        builder.clock(TokioClock(Instant::now()))
    });
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let waiting = wait(&session).await;
    let short = Lifetime::sliding(Duration::from_secs(5)).unwrap();
    site.handle(cookie.as_deref(), async |session| session.remember_for(short))
        .await;
    assert_eq!(waiting.await.unwrap(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_or_was_never_stored_is_not_waited_for() {
    let site = Site::new();
    let visitor = socket(&site, None).await;
    assert_eq!(wait(&visitor).await.await.unwrap(), AT_ONCE);
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    assert_eq!(wait(&session).await.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn what_ends_nothing_wakes_nobody() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let other = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let waiting = wait(&session).await;
    let before = site.counted.counts().load;
    let other = handle_of(&site, other.as_deref()).await;
    let sessions = site.engine.sessions().unwrap();
    sessions.revoke(&alice(), other).await.unwrap();
    sessions.revoke_all(&Owner::new("bob").unwrap()).await.unwrap();
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 1).unwrap())
        .await;
    settle().await;
    assert_eq!(site.counted.counts().load - before, 2, "those of the two requests");
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_renewal_by_the_session_itself_is_no_end() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let waiting = wait(&session).await;
    session.renew();
    let renewed = set_cookie(inbound.finish(Outcome::Success).await.unwrap());
    assert!(renewed.is_some());
    settle().await;
    assert!(!waiting.is_finished());
    site.engine.sessions().unwrap().revoke_all(&alice()).await.unwrap();
    assert_eq!(waiting.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_by_the_session_itself_while_it_is_looked_for_is_no_end() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let look = site.faults.hold_next(Operation::Load);
    let waiting = wait(&session).await;
    look.arrived().await;
    session.renew();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    look.open();
    settle().await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn an_end_between_the_look_and_the_wait_is_not_missed() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let look = site.faults.hold_answer(Operation::Load);
    let waiting = wait(&session).await;
    look.arrived().await;
    site.engine.sessions().unwrap().revoke_all(&alice()).await.unwrap();
    look.open();
    assert_eq!(waiting.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_commit_under_way_leaves_the_question_open_until_it_is_through() {
    let site = Arc::new(Site::new());
    let cookie = sign_in(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let waiting = wait(&session).await;
    session.renew();
    let gate = site.faults.hold_next(Operation::Rotate);
    let committing = tokio::spawn(inbound.finish(Outcome::Success));
    gate.arrived().await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    settle().await;
    assert!(!waiting.is_finished());
    gate.open();
    assert!(committing.await.unwrap().is_err());
    assert_eq!(waiting.await.unwrap(), AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn a_save_beside_a_wait_that_nobody_polls_goes_through() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let look = site.faults.hold_next(Operation::Load);
    let mut ended = std::pin::pin!(session.ended());
    tokio::select! {
        biased;
        () = &mut ended => panic!("the session has not ended"),
        () = look.arrived() => {}
    }
    session.insert(VISITS, 1).unwrap();
    let saved = tokio::time::timeout(RECHECK, session.save()).await;
    saved.expect("the save waits for a future that nobody polls").unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_another_engine_ends_is_noticed_at_the_next_look() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let elsewhere = Engine::builder(site.counted.clone(), SigningKeys::generate().unwrap())
        .clock(site.clock.clone())
        .build();
    let waiting = wait(&session).await;
    let before = site.counted.counts().load;
    elsewhere.sessions().unwrap().revoke_all(&alice()).await.unwrap();
    settle().await;
    assert!(!waiting.is_finished());
    assert_eq!(waiting.await.unwrap(), RECHECK);
    assert_eq!(site.counted.counts().load - before, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_one_load_every_30_seconds_and_writes_nothing() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let before = site.counted.counts();
    let waiting = wait(&session).await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    let cost = site.counted.counts() - before;
    assert_eq!(cost.load, 10);
    assert_eq!(cost.writes() - cost.sweep, 0);
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_ends_no_session() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    site.faults.go_down();
    let waiting = wait(&session).await;
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    assert!(!waiting.is_finished());
    site.faults.recover();
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    assert_eq!(waiting.await.unwrap(), Duration::from_millis(10_500));
}

/// Tells the time as tokio does, pauses and jumps included.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000).saturating_add(self.0.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_noticed_when_it_passes_and_waiting_does_not_move_it() {
    let idle = Duration::from_millis(100_700);
    let config = SessionConfig::builder().lifetime(Lifetime::sliding(idle).unwrap());
    let engine = Engine::builder(Arc::new(MemoryStore::new()), SigningKeys::generate().unwrap())
        .config(config.build().unwrap())
        .clock(TokioClock(Instant::now()))
        .build();
    let (inbound, access) = engine.begin();
    let session = access.session(None).await.unwrap();
    session.login("alice").unwrap();
    let pair = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    let cookie = pair.split(';').next().unwrap().to_owned();
    let waiting = wait(&session).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (inbound, access) = engine.begin();
    let request = access.session([cookie.as_bytes()]).await.unwrap();
    assert_eq!(request.owner(), Some(alice()));
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(waiting.await.unwrap(), Duration::from_secs(60) + idle);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_by_a_clock_of_its_own_is_noticed_at_the_next_look() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let session = socket(&site, cookie.as_deref()).await;
    let waiting = wait(&session).await;
    site.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(waiting.await.unwrap(), RECHECK);
}
