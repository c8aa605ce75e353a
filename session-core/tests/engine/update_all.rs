//! Changing a value in all sessions of an owner, also while requests overtake it.

use std::sync::Arc;
use std::time::Duration;

use session_core::conformance::store::Operation;
use session_core::{ErrorKind, Key, Outcome, Owner, Result};
use tokio::task::JoinHandle;

use crate::site::{Site, VISITS};

const ROLE: Key<String> = Key::new("role");

fn alice() -> Owner {
    Owner::new("alice").unwrap()
}

async fn sign_in(site: &Site, owner: &str) -> Option<String> {
    site.handle(None, async |session| {
        session.login(owner).unwrap();
        session.insert(ROLE, "admin".to_owned()).unwrap();
    })
    .await
}

async fn role(site: &Site, cookie: Option<&str>) -> Option<String> {
    site.request(cookie).await.1.get(ROLE).unwrap()
}

async fn demote(site: &Site) -> Result<u64> {
    let sessions = site.engine.sessions().unwrap();
    sessions.update_all(&alice(), ROLE, |_| "reader".to_owned()).await
}

/// Starts it, and stops it in front of its first replace.
async fn demote_held(site: &Arc<Site>) -> (session_core::conformance::store::Gate, JoinHandle<Result<u64>>) {
    let gate = site.faults.hold_next(Operation::Replace);
    let demoting = tokio::spawn({
        let site = Arc::clone(site);
        async move { demote(&site).await }
    });
    gate.arrived().await;
    (gate, demoting)
}

#[tokio::test]
async fn every_session_of_the_owner_has_the_new_value_from_the_next_request_on() {
    let site = Site::new();
    let (one, two) = (sign_in(&site, "alice").await, sign_in(&site, "alice").await);
    let bob = sign_in(&site, "bob").await;
    assert_eq!(demote(&site).await.unwrap(), 2);
    assert_eq!(role(&site, one.as_deref()).await.as_deref(), Some("reader"));
    assert_eq!(role(&site, two.as_deref()).await.as_deref(), Some("reader"));
    assert_eq!(role(&site, bob.as_deref()).await.as_deref(), Some("admin"));
}

#[tokio::test]
async fn lists_of_several_pages_are_changed_whole() {
    let site = Site::new();
    let mut cookies = Vec::new();
    for _ in 0..230 {
        cookies.push(sign_in(&site, "alice").await);
    }
    assert_eq!(demote(&site).await.unwrap(), 230);
    for cookie in cookies {
        assert_eq!(role(&site, cookie.as_deref()).await.as_deref(), Some("reader"));
    }
}

#[tokio::test]
async fn a_request_that_loaded_the_old_value_and_changes_another_keeps_the_new_one() {
    let site = Site::new();
    let cookie = sign_in(&site, "alice").await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.get(ROLE).unwrap().as_deref(), Some("admin"));
    demote(&site).await.unwrap();
    session.insert(VISITS, 7).unwrap();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(role(&site, cookie.as_deref()).await.as_deref(), Some("reader"));
    assert_eq!(site.visits(cookie.as_deref()).await, Some(7));
}

#[tokio::test]
async fn a_renewal_of_a_session_that_was_loaded_with_the_old_value_keeps_the_new_one() {
    let site = Site::new();
    let cookie = sign_in(&site, "alice").await;
    let renewed = site
        .handle(cookie.as_deref(), async |session| {
            demote(&site).await.unwrap();
            session.renew();
        })
        .await;
    assert_ne!(cookie, renewed);
    assert_eq!(role(&site, renewed.as_deref()).await.as_deref(), Some("reader"));
}

#[tokio::test]
async fn a_commit_that_overtakes_it_survives_and_so_does_the_change() {
    let site = Arc::new(Site::new());
    let cookie = sign_in(&site, "alice").await;
    let (gate, demoting) = demote_held(&site).await;
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 7).unwrap())
        .await;
    gate.open();
    assert_eq!(demoting.await.unwrap().unwrap(), 1);
    assert_eq!(role(&site, cookie.as_deref()).await.as_deref(), Some("reader"));
    assert_eq!(site.visits(cookie.as_deref()).await, Some(7));
}

#[tokio::test]
async fn a_renewal_that_overtakes_it_escapes_nothing() {
    let site = Arc::new(Site::new());
    let cookie = sign_in(&site, "alice").await;
    let (gate, demoting) = demote_held(&site).await;
    let renewed = site.handle(cookie.as_deref(), async |session| session.renew()).await;
    gate.open();
    assert_eq!(demoting.await.unwrap().unwrap(), 1);
    assert_eq!(role(&site, renewed.as_deref()).await.as_deref(), Some("reader"));
}

#[tokio::test]
async fn signing_in_again_meanwhile_escapes_nothing() {
    let site = Arc::new(Site::new());
    let cookie = sign_in(&site, "alice").await;
    site.clock.advance(Duration::from_secs(1));
    let (gate, demoting) = demote_held(&site).await;
    let again = site
        .handle(cookie.as_deref(), async |session| session.login("alice").unwrap())
        .await;
    gate.open();
    assert_eq!(demoting.await.unwrap().unwrap(), 1);
    assert_eq!(role(&site, again.as_deref()).await.as_deref(), Some("reader"));
}

#[tokio::test]
async fn a_session_that_ends_meanwhile_is_not_revived() {
    let site = Arc::new(Site::new());
    let cookie = sign_in(&site, "alice").await;
    let (gate, demoting) = demote_held(&site).await;
    site.handle(cookie.as_deref(), async |session| session.logout()).await;
    gate.open();
    assert_eq!(demoting.await.unwrap().unwrap(), 0);
    assert!(site.request(cookie.as_deref()).await.1.is_new());
}

#[tokio::test]
async fn a_session_that_is_renewed_without_end_makes_it_give_up() {
    let site = Arc::new(Site::new());
    let mut cookie = sign_in(&site, "alice").await;
    let (mut gate, demoting) = demote_held(&site).await;
    loop {
        cookie = site.handle(cookie.as_deref(), async |session| session.renew()).await;
        let next = site.faults.hold_next(Operation::Replace);
        gate.open();
        tokio::select! {
            () = next.arrived() => gate = next,
            () = async { while !demoting.is_finished() { tokio::task::yield_now().await } } => break,
        }
    }
    assert_eq!(demoting.await.unwrap().unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_session_that_cannot_be_changed_keeps_no_other_from_it() {
    let site = Site::new();
    let oldest = sign_in(&site, "alice").await;
    site.clock.advance(Duration::from_secs(1));
    let odd = site
        .handle(None, async |session| {
            session.login("alice").unwrap();
            session.insert("role", 7_u8).unwrap();
        })
        .await;
    site.clock.advance(Duration::from_secs(1));
    let newest = sign_in(&site, "alice").await;
    let sessions = site.engine.sessions().unwrap();
    let owner = alice();
    let updated = sessions.update_all(&owner, ROLE, |role| role.unwrap_or_default().to_uppercase());
    assert_eq!(updated.await.unwrap_err().kind(), ErrorKind::Value);
    for cookie in [oldest, newest] {
        assert_eq!(role(&site, cookie.as_deref()).await.as_deref(), Some("ADMIN"));
    }
    assert_eq!(site.request(odd.as_deref()).await.1.get::<u8>("role").unwrap(), Some(7));
}

#[tokio::test]
async fn a_store_that_is_down_is_an_error() {
    let site = Site::new();
    sign_in(&site, "alice").await;
    site.faults.fail_next(Operation::Replace, 1);
    assert_eq!(demote(&site).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(demote(&site).await.unwrap(), 1, "it may be tried again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_busy_with_writes_renewals_and_logins_are_all_changed() {
    for _ in 0..20 {
        let site = Arc::new(Site::new());
        let mut busy = Vec::new();
        for number in 0..16 {
            let mut cookie = sign_in(&site, "alice").await;
            let site = Arc::clone(&site);
            busy.push(tokio::spawn(async move {
                for round in 0..6 {
                    cookie = site
                        .handle(cookie.as_deref(), async |session| match (number + round) % 3 {
                            0 => session.renew(),
                            1 => session.login("alice").unwrap(),
                            _ => session.insert(VISITS, round).unwrap(),
                        })
                        .await;
                }
                cookie
            }));
        }
        assert_eq!(demote(&site).await.unwrap(), 16);
        for cookie in busy {
            let cookie = cookie.await.unwrap();
            assert_eq!(role(&site, cookie.as_deref()).await.as_deref(), Some("reader"));
        }
    }
}

#[tokio::test]
async fn it_is_no_sighting() {
    let site = Site::new();
    let cookie = sign_in(&site, "alice").await;
    let before = site.request(cookie.as_deref()).await.1.expires_at();
    site.clock.advance(Duration::from_secs(3600));
    demote(&site).await.unwrap();
    assert_eq!(site.request(cookie.as_deref()).await.1.expires_at(), before);
}
