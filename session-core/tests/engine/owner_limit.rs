//! A limit on an owner's sessions, from the configuration to the handler.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Engine, ErrorKind, FlashLevel, Outcome, Owner, OwnerLimit, Result, Session, SessionConfig, SigningKeys, Store,
};

use crate::site::{Site, VISITS, set_cookie};
use crate::without_index::WithoutIndex;

fn limited(limit: Result<OwnerLimit>) -> Site {
    let config = SessionConfig::builder().owner_limit(limit.unwrap());
    Site::with(config.build().unwrap())
}

async fn sign_in(site: &Site) -> Option<String> {
    site.clock.advance(Duration::from_secs(1));
    site.handle(None, async |session| session.login("alice").unwrap()).await
}

async fn is_signed_in(site: &Site, cookie: Option<&str>) -> bool {
    site.request(cookie).await.1.owner().is_some()
}

async fn count(site: &Site) -> usize {
    let alice = Owner::new("alice").unwrap();
    site.engine.sessions().unwrap().count(&alice).await.unwrap()
}

#[tokio::test]
async fn a_login_beyond_the_limit_fails_with_a_conflict_and_changes_nothing() {
    let site = limited(OwnerLimit::refuse(2));
    let (first, second) = (sign_in(&site).await, sign_in(&site).await);
    let guest = site
        .handle(None, async |session| session.insert(VISITS, 3).unwrap())
        .await;
    let (inbound, session) = site.request(guest.as_deref()).await;
    session.login("alice").unwrap();
    let refused = inbound.finish(Outcome::Success).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.status_code()),
        (ErrorKind::TooManySessions, 409)
    );
    for cookie in [first, second] {
        assert!(is_signed_in(&site, cookie.as_deref()).await);
    }
    let (_inbound, session) = site.request(guest.as_deref()).await;
    assert_eq!((session.owner(), session.get(VISITS).unwrap()), (None, Some(3)));
}

#[tokio::test]
async fn a_handler_may_answer_a_login_beyond_the_limit_with_a_page_of_its_own() {
    let site = limited(OwnerLimit::refuse(1));
    sign_in(&site).await;
    let (inbound, session) = site.request(None).await;
    session.login("alice").unwrap();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooManySessions);
    assert_eq!(session.owner(), None, "the login is not wanted any more");
    let outbound = inbound.finish(Outcome::Success).await.unwrap();
    assert_eq!(set_cookie(outbound), None, "there is nothing to forget either");
    assert_eq!(count(&site).await, 1);
}

#[tokio::test]
async fn a_login_that_was_refused_is_not_looked_for_later() {
    let site = limited(OwnerLimit::refuse(1));
    sign_in(&site).await;
    let guest = site
        .handle(None, async |session| session.insert(VISITS, 3).unwrap())
        .await;
    for (cookie, deletes) in [(guest.as_deref(), 1), (None, 0)] {
        let (inbound, session) = site.request(cookie).await;
        session.login("alice").unwrap();
        session.save().await.unwrap_err();
        let before = site.counted.counts();
        session.logout();
        session.insert(VISITS, 4).unwrap();
        drop(inbound.finish(Outcome::Success).await.unwrap());
        let asked = site.counted.counts() - before;
        assert_eq!((asked.load, asked.delete, asked.create), (0, deletes, 1));
    }
}

#[tokio::test]
async fn a_login_beyond_the_limit_ends_the_oldest_and_observers_hear_of_it() {
    let site = limited(OwnerLimit::end_oldest(2));
    let (first, second) = (sign_in(&site).await, sign_in(&site).await);
    let third = sign_in(&site).await;
    assert!(!is_signed_in(&site, first.as_deref()).await);
    assert!(is_signed_in(&site, second.as_deref()).await);
    assert!(is_signed_in(&site, third.as_deref()).await);
    let heard = site.event_kinds().into_iter().filter(|kind| kind == "Displaced");
    assert_eq!(heard.count(), 1);
}

#[tokio::test]
async fn a_login_from_a_visitor_s_session_is_limited_too() {
    let site = limited(OwnerLimit::end_oldest(1));
    let first = sign_in(&site).await;
    let guest = site
        .handle(None, async |session| session.insert(VISITS, 3).unwrap())
        .await;
    let signed_in = site
        .handle(guest.as_deref(), async |session| session.login("alice").unwrap())
        .await;
    assert!(!is_signed_in(&site, first.as_deref()).await);
    assert_eq!(site.visits(signed_in.as_deref()).await, Some(3));
    assert!(site.event_kinds().contains(&"Displaced".to_owned()));
}

#[tokio::test]
async fn signing_in_again_and_renewing_need_no_room() {
    let site = limited(OwnerLimit::refuse(1));
    let mut cookie = sign_in(&site).await;
    let again: [fn(&Session); 3] = [
        |session| session.login("alice").unwrap(),
        Session::renew,
        |session| {
            session.logout();
            session.login("alice").unwrap();
        },
    ];
    for handler in again {
        cookie = site.handle(cookie.as_deref(), async |session| handler(session)).await;
        assert!(is_signed_in(&site, cookie.as_deref()).await);
    }
    assert_eq!(count(&site).await, 1);
}

#[tokio::test]
async fn a_refused_login_leaves_a_session_to_work_with_also_if_the_visitor_s_was_renewed_elsewhere() {
    let site = limited(OwnerLimit::refuse(1));
    sign_in(&site).await;
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let told = site
        .handle(cookie.as_deref(), async |session| {
            session.login("alice").unwrap();
            site.handle(cookie.as_deref(), async |session| session.renew()).await;
            assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::TooManySessions);
            session.flash(FlashLevel::Error, "too many").unwrap();
        })
        .await;
    let (_, session) = site.request(told.as_deref()).await;
    assert_eq!(session.take_flashes().unwrap().len(), 1);
    assert_eq!(session.owner(), None);
}

#[tokio::test]
async fn an_expired_session_makes_room() {
    let site = limited(OwnerLimit::refuse(1));
    sign_in(&site).await;
    site.clock.advance(Duration::from_secs(24 * 3600));
    let cookie = sign_in(&site).await;
    assert!(is_signed_in(&site, cookie.as_deref()).await);
}

#[tokio::test]
async fn a_store_that_cannot_count_lets_nobody_in() {
    let config = SessionConfig::builder().owner_limit(OwnerLimit::refuse(1).unwrap());
    let store: Arc<dyn Store> = Arc::new(WithoutIndex::default());
    let engine = Engine::builder(store, SigningKeys::generate().unwrap())
        .config(config.build().unwrap())
        .build();
    let (_inbound, access) = engine.begin();
    let session = access.session(None).await.unwrap();
    assert_eq!(session.login("alice").unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(session.owner(), None);
}
