//! What needs a recent login, to the millisecond.

use std::time::Duration;

use session_core::{ErrorKind, Result, Session};

use crate::site::{Site, VISITS};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

async fn check(site: &Site, cookie: Option<&str>) -> Result<()> {
    site.request(cookie).await.1.require_recent_login(FIVE_MINUTES)
}

async fn is_recent(site: &Site, cookie: Option<&str>) -> bool {
    match check(site, cookie).await {
        Ok(()) => true,
        Err(error) => {
            assert_eq!((error.kind(), error.status_code()), (ErrorKind::StaleLogin, 401));
            false
        }
    }
}

async fn sign_in(site: &Site) -> Option<String> {
    site.handle(None, async |session| session.login("alice").unwrap()).await
}

#[tokio::test]
async fn a_login_is_recent_until_the_time_has_passed() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    assert!(is_recent(&site, cookie.as_deref()).await);
    site.clock.advance(FIVE_MINUTES - Duration::from_millis(1));
    assert!(is_recent(&site, cookie.as_deref()).await);
    site.clock.advance(Duration::from_millis(1));
    assert!(!is_recent(&site, cookie.as_deref()).await);
}

#[tokio::test]
async fn only_signing_in_again_makes_a_login_recent() {
    let site = Site::new();
    let mut cookie = sign_in(&site).await;
    site.clock.advance(FIVE_MINUTES);
    let harmless: [fn(&Session); 2] = [Session::renew, |session| session.insert(VISITS, 1).unwrap()];
    for handler in harmless {
        cookie = site.handle(cookie.as_deref(), async |session| handler(session)).await;
        assert!(!is_recent(&site, cookie.as_deref()).await);
    }
    let again = site
        .handle(cookie.as_deref(), async |session| session.login("alice").unwrap())
        .await;
    assert!(is_recent(&site, again.as_deref()).await);
}

#[tokio::test]
async fn a_login_counts_in_the_request_that_asks_for_it() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    site.clock.advance(FIVE_MINUTES);
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    assert!(session.require_recent_login(FIVE_MINUTES).is_err());
    session.login("alice").unwrap();
    assert!(session.require_recent_login(FIVE_MINUTES).is_ok());
}

#[tokio::test]
async fn nobody_has_a_recent_login_without_signing_in() {
    let site = Site::new();
    assert!(!is_recent(&site, None).await);
    let guest = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    assert!(!is_recent(&site, guest.as_deref()).await);
    let cookie = sign_in(&site).await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    session.logout();
    let refused = session.require_recent_login(FIVE_MINUTES).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StaleLogin);
}

#[tokio::test]
async fn a_session_that_has_ended_has_no_recent_login() {
    let site = Site::new();
    let cookie = sign_in(&site).await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    assert!(session.reload().await.is_err());
    assert!(session.require_recent_login(FIVE_MINUTES).is_err());
}
