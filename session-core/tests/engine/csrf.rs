//! When a token against forgery is good, and when no longer: across requests, conflicts and new ids.

use session_core::{ErrorKind, Outcome, Session};

use crate::site::{Site, VISITS, set_cookie};

/// A stored session that has given out a token.
async fn with_token(site: &Site) -> (Option<String>, String) {
    let mut token = String::new();
    let cookie = site
        .handle(None, async |session| token = session.csrf_token().unwrap().to_string())
        .await;
    (cookie, token)
}

async fn verify(site: &Site, cookie: Option<&str>, token: &str) -> Result<(), ErrorKind> {
    let (_inbound, session) = site.request(cookie).await;
    session.verify_csrf(token).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_token_is_good_in_later_requests_and_asking_again_writes_nothing() {
    let site = Site::new();
    let (cookie, token) = with_token(&site).await;
    let before = site.counted.counts();
    site.handle(cookie.as_deref(), async |session| {
        session.verify_csrf(&token).unwrap();
        session.verify_csrf(session.csrf_token().unwrap().to_string()).unwrap();
    })
    .await;
    assert_eq!((site.counted.counts() - before).writes(), 0);
}

#[tokio::test]
async fn a_refused_visitor_costs_no_store_access_and_gets_no_cookie() {
    let site = Site::new();
    let (_, foreign) = with_token(&site).await;
    let before = site.counted.counts();
    let cookie = site
        .handle(None, async |session| {
            assert_eq!(session.verify_csrf(&foreign).unwrap_err().status_code(), 403);
        })
        .await;
    assert_eq!((cookie, (site.counted.counts() - before).total()), (None, 0));
}

#[tokio::test]
async fn tokens_of_requests_that_asked_first_at_the_same_time_are_all_good() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (slow, session) = site.request(cookie.as_deref()).await;
    let one = session.csrf_token().unwrap().to_string();
    let mut two = String::new();
    site.handle(cookie.as_deref(), async |session| {
        two = session.csrf_token().unwrap().to_string();
    })
    .await;
    drop(slow.finish(Outcome::Success).await.unwrap());
    assert_eq!(verify(&site, cookie.as_deref(), &one).await, Ok(()));
    assert_eq!(verify(&site, cookie.as_deref(), &two).await, Ok(()));
}

#[tokio::test]
async fn a_new_id_ends_the_tokens_from_before_and_not_those_from_after() {
    let renew: fn(&Session) = Session::renew;
    let login: fn(&Session) = |session| session.login("alice").unwrap();
    for new_id in [renew, login] {
        let site = Site::new();
        let (cookie, before) = with_token(&site).await;
        let mut after = String::new();
        let cookie = site
            .handle(cookie.as_deref(), async |session| {
                new_id(session);
                after = session.csrf_token().unwrap().to_string();
            })
            .await;
        assert_eq!(verify(&site, cookie.as_deref(), &before).await, Err(ErrorKind::Csrf));
        assert_eq!(verify(&site, cookie.as_deref(), &after).await, Ok(()));
    }
}

#[tokio::test]
async fn a_token_given_out_while_a_login_is_under_way_ends_with_it() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.login("alice").unwrap();
    let after = session.csrf_token().unwrap().to_string();
    let mut overtaken = String::new();
    site.handle(cookie.as_deref(), async |session| {
        overtaken = session.csrf_token().unwrap().to_string();
    })
    .await;
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    let signed_in = set.split(';').next();
    assert_eq!(verify(&site, signed_in, &overtaken).await, Err(ErrorKind::Csrf));
    assert_eq!(verify(&site, signed_in, &after).await, Ok(()));
    assert_eq!(site.visits(signed_in).await, Some(1), "the rest is kept");
}

#[tokio::test]
async fn a_renewal_ends_tokens_even_if_the_handler_fails() {
    let site = Site::new();
    let (cookie, before) = with_token(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.renew();
    let set = set_cookie(inbound.finish(Outcome::ServerError).await.unwrap()).unwrap();
    assert_eq!(
        verify(&site, set.split(';').next(), &before).await,
        Err(ErrorKind::Csrf)
    );
}

#[tokio::test]
async fn a_token_asked_for_while_a_renewal_is_stored_is_good_afterwards() {
    let site = Site::new();
    let (cookie, before) = with_token(&site).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.renew();
    let gate = site
        .faults
        .hold_next(session_core::conformance::store::Operation::Rotate);
    let saving = session.clone();
    let save = tokio::spawn(async move { saving.save().await });
    gate.arrived().await;
    let after = session.csrf_token().unwrap().to_string();
    gate.open();
    save.await.unwrap().unwrap();
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    let renewed = set.split(';').next();
    assert_eq!(verify(&site, renewed, &after).await, Ok(()));
    assert_eq!(verify(&site, renewed, &before).await, Err(ErrorKind::Csrf));
}

#[tokio::test]
async fn a_token_that_can_never_be_good_is_not_given_out() {
    let site = Site::new();
    let (inbound, fresh) = site.request(None).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(fresh.csrf_token().unwrap_err().kind(), ErrorKind::ResponseSent);

    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, stored) = site.request(cookie.as_deref()).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    let token = stored.csrf_token().unwrap().to_string();
    stored.save().await.unwrap();
    let (_, next) = site.request(cookie.as_deref()).await;
    next.verify_csrf(&token).unwrap();
    stored.renew();
    assert_eq!(stored.csrf_token().unwrap_err().kind(), ErrorKind::ResponseSent);
}
