//! Sessions that change under a request that holds them: what it wanted still counts, and what it says is still true.

use std::sync::Arc;
use std::time::Duration;

use session_core::conformance::sample::Sample;
use session_core::conformance::store::Operation;
use session_core::{
    CleanerPolicy, Clock, Created, Deleted, Engine, ErrorKind, FlashLevel, Lifetime, MemoryStore, Outcome, Session,
    SessionConfig, SigningKey, SigningKeys, Store,
};

use crate::site::{Site, VISITS, set_cookie};

fn plus(more: u32) -> impl Fn(Option<u32>) -> u32 + Send + Sync + 'static {
    move |visits| visits.unwrap_or(0) + more
}

#[tokio::test]
async fn an_update_counts_on_what_a_reload_found() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 5).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.update(VISITS, plus(1)).unwrap();
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 100).unwrap())
        .await;
    session.reload().await.unwrap();
    assert_eq!(
        session.get(VISITS).unwrap(),
        Some(101),
        "a read shows what a commit would store"
    );
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(101));
}

#[tokio::test]
async fn an_update_counts_on_what_a_save_left_that_met_a_conflict() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 5).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.update(VISITS, plus(1)).unwrap();
    let gate = site.faults.hold_next(Operation::Replace);
    let saving = session.clone();
    let save = tokio::spawn(async move { saving.save().await });
    gate.arrived().await;
    session.update(VISITS, plus(10)).unwrap();
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 100).unwrap())
        .await;
    gate.open();
    save.await.unwrap().unwrap();
    assert_eq!(session.get(VISITS).unwrap(), Some(111));
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(111));
}

#[tokio::test]
async fn a_slow_read_under_an_old_key_does_not_push_a_fresh_token_out_of_the_browser() {
    let store = Arc::new(MemoryStore::new());
    let [old, new] = [1, 2].map(|byte| SigningKey::from_bytes(&[byte; 32]).unwrap());
    let before = Engine::new(store.clone(), SigningKeys::new(old.clone()));
    let (inbound, access) = before.begin();
    access.session([]).await.unwrap().insert(VISITS, 1).unwrap();
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    let cookie = set.split(';').next().unwrap().as_bytes();

    let after = Engine::new(store, SigningKeys::new(new).and_verify(old));
    let (slow, access) = after.begin();
    access.session([cookie]).await.unwrap();
    let (login, access) = after.begin();
    access.session([cookie]).await.unwrap().login("alice").unwrap();
    assert!(set_cookie(login.finish(Outcome::Success).await.unwrap()).is_some());
    assert_eq!(set_cookie(slow.finish(Outcome::Success).await.unwrap()), None);
}

#[tokio::test]
async fn a_read_whose_sighting_fails_sets_no_cookie() {
    let sliding = Lifetime::sliding(Duration::from_secs(86_400)).unwrap();
    let site = Site::with(SessionConfig::builder().remember_lifetime(sliding).build().unwrap());
    let cookie = site
        .handle(None, async |session| {
            session.login("alice").unwrap();
            session.remember();
        })
        .await;
    site.clock.advance(Duration::from_secs(3600));
    let (slow, _session) = site.request(cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.renew()).await;
    site.faults.fail_next(Operation::Touch, 1);
    assert_eq!(set_cookie(slow.finish(Outcome::Success).await.unwrap()), None);
}

#[tokio::test]
async fn a_request_that_is_dropped_cannot_renew_any_more() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    drop(inbound);
    session.renew();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
    assert_eq!(
        site.visits(cookie.as_deref()).await,
        Some(1),
        "the browser's token still opens the session"
    );
}

#[tokio::test]
async fn a_finish_that_is_cancelled_closes_the_head() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.renew();
    let gate = site.faults.hold_next(Operation::Rotate);
    tokio::select! {
        biased;
        _ = inbound.finish(Outcome::Success) => panic!("the store holds it"),
        () = gate.arrived() => {}
    }
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
}

/// It has changes of its own no more, as the save has taken them; the head must not leave before the save has brought the token.
#[tokio::test]
async fn a_finish_waits_for_a_save_that_is_under_way() {
    let site = Site::new();
    let (inbound, session) = site.request(None).await;
    session.insert(VISITS, 1).unwrap();
    let gate = site.faults.hold_next(Operation::Create);
    let save = tokio::spawn(async move { session.save().await });
    gate.arrived().await;
    let finish = tokio::spawn(inbound.finish(Outcome::Success));
    tokio::task::yield_now().await;
    assert!(!finish.is_finished(), "the head leaves without the token");
    gate.open();
    save.await.unwrap().unwrap();
    assert!(set_cookie(finish.await.unwrap().unwrap()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_beside_a_finish_never_renews_what_the_browser_holds() {
    let site = Site::new();
    for _ in 0..2000 {
        let (inbound, session) = site.request(None).await;
        session.insert(VISITS, 1).unwrap();
        let finishing = tokio::spawn(async move { inbound.finish(Outcome::Success).await.map(set_cookie) });
        let saving = tokio::spawn(async move {
            session.renew();
            session.save().await
        });
        let set = finishing.await.unwrap().unwrap();
        if saving.await.unwrap().is_ok() {
            let cookie = set.as_deref().and_then(|set| set.split(';').next());
            assert_eq!(
                site.visits(cookie).await,
                Some(1),
                "renewed, and the browser was not told"
            );
        }
    }
}

#[tokio::test]
async fn a_renewal_during_a_login_that_is_cancelled_keeps_the_login() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.login("alice").unwrap();
            let gate = site.faults.hold_next(Operation::Create);
            let saving = session.clone();
            let save = tokio::spawn(async move { saving.save().await });
            gate.arrived().await;
            session.renew();
            save.abort();
            assert!(save.await.unwrap_err().is_cancelled());
        })
        .await;
    assert!(site.request(cookie.as_deref()).await.1.owner().is_some());
}

#[tokio::test]
async fn a_logout_and_login_whose_second_half_fails_is_tried_again() {
    let site = Site::new();
    let bob = site.handle(None, async |session| session.login("bob").unwrap()).await;
    let alice = site
        .handle(bob.as_deref(), async |session| {
            session.destroy();
            session.login("alice").unwrap();
            site.faults.fail_next(Operation::Create, 1);
            assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
        })
        .await;
    let owner = site.request(alice.as_deref()).await.1.owner();
    assert_eq!(owner.map(|owner| owner.to_string()).as_deref(), Some("alice"));
    assert!(site.request(bob.as_deref()).await.1.is_new());
}

#[tokio::test]
async fn a_login_may_end_the_owner_s_other_sessions_in_the_same_request() {
    let site = Site::new();
    let elsewhere = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let visitor = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let here = site
        .handle(visitor.as_deref(), async |session| {
            session.login("alice").unwrap();
            let (owner, handle) = (session.owner().unwrap(), session.handle().unwrap());
            let ended = site.engine.sessions().unwrap().revoke_others(&owner, handle).await;
            assert_eq!(ended.unwrap(), 1);
        })
        .await;
    assert!(site.request(here.as_deref()).await.1.owner().is_some());
    assert!(site.request(elsewhere.as_deref()).await.1.is_new());
}

#[tokio::test]
async fn revoking_all_ends_a_login_under_way_also_if_others_are_revoked_after_it() {
    let site = Site::new();
    let visitor = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(visitor.as_deref()).await;
    session.login("alice").unwrap();
    let (alice, sessions) = (session.owner().unwrap(), site.engine.sessions().unwrap());
    sessions.revoke_all(&alice).await.unwrap();
    sessions.revoke_others(&alice, session.handle().unwrap()).await.unwrap();
    let refused = inbound.finish(Outcome::Success).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Revoked);
}

fn minus_one(visits: Option<u32>) -> Option<u32> {
    visits?.checked_sub(1).filter(|left| *left > 0)
}

#[tokio::test]
async fn removing_and_clearing_count_also_after_an_update_that_left_nothing() {
    let ways: [fn(&Session); 3] = [
        |session| session.remove(VISITS),
        Session::clear,
        |session| {
            session.update_or_remove("other", minus_one).unwrap();
            session.clear();
        },
    ];
    for remove in ways {
        let site = Site::new();
        let cookie = site
            .handle(None, async |session| session.insert(VISITS, 1).unwrap())
            .await;
        let (inbound, session) = site.request(cookie.as_deref()).await;
        assert_eq!(session.update_or_remove(VISITS, minus_one).unwrap(), None);
        remove(&session);
        site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 5).unwrap())
            .await;
        drop(inbound.finish(Outcome::Success).await.unwrap());
        assert_eq!(site.visits(cookie.as_deref()).await, None);
    }
}

/// Why an emptied session stays stored: deleting it would lose what a request beside it stores (P5).
#[tokio::test]
async fn a_request_that_empties_a_session_costs_another_one_nothing() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.flash(FlashLevel::Info, "hello").unwrap())
        .await;
    let (slow, session) = site.request(cookie.as_deref()).await;
    let shown = site.handle(cookie.as_deref(), async |session| {
        assert_eq!(session.take_flashes().unwrap().len(), 1);
    });
    assert_eq!(shown.await, cookie, "the browser keeps its token");
    session.insert(VISITS, 1).unwrap();
    drop(slow.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(1));
}

/// Nobody gets there by counting: it takes a damaged store, or one that was written to from outside.
#[tokio::test]
async fn a_record_of_the_last_revision_can_be_read_and_ended_and_changing_it_is_an_error() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let (key, record) = site.faults.inventory().unwrap().page(None, 1).await.unwrap().records[0].clone();
    assert_eq!(site.faults.delete(key).await.unwrap(), Deleted::Removed);
    let last = Sample::of(&record).revision(u64::MAX).build();
    let epoch = site.faults.owner_index().unwrap().epoch();
    let created = site.faults.create(key, last, epoch.into(), site.clock.now()).await;
    assert_eq!(created.unwrap(), Created::Stored);

    let changes: [fn(&Session); 2] = [|session| session.insert(VISITS, 1).unwrap(), Session::renew];
    for change in changes {
        let (inbound, session) = site.request(cookie.as_deref()).await;
        change(&session);
        let refused = inbound.finish(Outcome::Success).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
    }
    let (alice, sessions) = (record.owner().unwrap(), site.engine.sessions().unwrap());
    let refused = sessions.update_all(alice, VISITS, |_| 1).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    assert!(site.request(cookie.as_deref()).await.1.is_new());
}

#[tokio::test]
async fn a_cleaner_s_period_has_bounds() {
    for period in [Duration::ZERO, Duration::MAX] {
        let config = SessionConfig::builder()
            .cleaner(CleanerPolicy::every(period))
            .build()
            .unwrap();
        let site = Site::with(config);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(site.engine.cleaner_status().is_some_and(|status| status.runs == 0));
    }
}

#[tokio::test]
async fn thousands_of_names_are_listed_in_no_time() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            for number in 0..8000 {
                session.insert(&format!("c{number}"), ()).unwrap();
            }
        })
        .await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    let start = std::time::Instant::now();
    assert_eq!(session.keys().len(), 8000);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}: not linear in the number of names",
        start.elapsed()
    );
}
