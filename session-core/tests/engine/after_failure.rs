//! What a session does after a commit that failed: what may pass is tried again, what cannot is not, and the browser hears the truth.

use session_core::conformance::store::Operation;
use session_core::{ErrorKind, Outcome};

use crate::site::{Site, VISITS, set_cookie};

async fn visitor(site: &Site) -> Option<String> {
    site.handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await
}

#[tokio::test]
async fn a_logout_that_failed_is_carried_out_by_the_next_attempt() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.logout();
    site.faults.fail_next(Operation::Delete, 1);
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let removal = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    assert!(removal.contains("Max-Age=0"), "{removal}");
    assert_eq!(site.visits(cookie.as_deref()).await, None);
}

#[tokio::test]
async fn a_renewal_that_came_too_late_leaves_the_session_as_it_was() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    session.renew();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
    session.insert(VISITS, 8).unwrap();
    session.save().await.unwrap();
    assert_eq!(site.visits(cookie.as_deref()).await, Some(8));
}

#[tokio::test]
async fn a_session_that_was_found_ended_is_not_asked_for_again() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    for _ in 0..2 {
        session.insert(VISITS, 8).unwrap();
        assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Gone);
    }
    assert_eq!(site.counted.counts().replace, 1);
}

#[tokio::test]
async fn a_browser_forgets_a_session_that_was_ended_for_one_that_could_not_be_stored() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.logout();
    session.insert(VISITS, 8).unwrap();
    site.faults.fail_next(Operation::Create, 1);
    session.save().await.unwrap_err();
    session.clear();
    let removal = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    assert!(removal.contains("Max-Age=0"), "{removal}");
}

#[tokio::test]
async fn a_login_that_may_yet_succeed_leaves_what_is_read_as_it_was() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    session.login("alice").unwrap();
    site.faults.fail_next(Operation::Create, 1);
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(session.get(VISITS).unwrap(), Some(7));
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert!(site.event_kinds().contains(&"SignedIn".to_owned()));
}

#[tokio::test]
async fn a_logout_of_a_session_that_had_ended_is_no_second_end() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    session.logout();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    let kinds = site.event_kinds();
    assert_eq!(kinds.iter().filter(|kind| *kind == "Destroyed").count(), 1, "{kinds:?}");
}

#[tokio::test]
async fn a_logout_that_a_renewal_has_overtaken_is_told() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let renewed = site.handle(cookie.as_deref(), async |session| session.renew()).await;
    session.logout();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert!(site.request(renewed.as_deref()).await.1.owner().is_none());
    assert!(site.event_kinds().contains(&"Destroyed".to_owned()));
}
