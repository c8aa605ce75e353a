//! The sessions of everybody: counted, listed, found by their handle and ended.

use std::sync::Arc;
use std::time::Duration;

use session_core::conformance::store::Operation;
use session_core::{Engine, ErrorKind, Handle, Outcome, Owner, Result, SessionConfig, SigningKeys, Store};

use crate::site::{Site, VISITS};
use crate::without_index::WithoutIndex;

/// Alice twice, Bob once, two visitors; their cookies.
async fn busy() -> (Site, Vec<Option<String>>) {
    let site = Site::with(SessionConfig::default());
    let mut cookies = Vec::new();
    for owner in [Some("alice"), Some("alice"), Some("bob"), None, None] {
        let cookie = site.handle(None, async |session| {
            match owner {
                Some(owner) => session.login(owner).unwrap(),
                None => session.insert(VISITS, 1).unwrap(),
            };
        });
        cookies.push(cookie.await);
    }
    (site, cookies)
}

async fn handle_of(site: &Site, cookie: &Option<String>) -> Option<Handle> {
    let (_, session) = site.request(cookie.as_deref()).await;
    session.handle()
}

#[tokio::test]
async fn stats_count_sessions_and_owners() {
    let (site, _) = busy().await;
    let sessions = site.engine.sessions().unwrap();
    let stats = sessions.stats().await.unwrap();
    assert_eq!(
        (stats.sessions, stats.signed_in, stats.owners, stats.expired),
        (5, 3, 2, 0)
    );
    assert!(stats.oldest.is_some() && stats.oldest <= stats.newest);
    site.clock.advance(Duration::from_secs(400 * 24 * 3600));
    let stats = sessions.stats().await.unwrap();
    assert_eq!(
        (stats.sessions, stats.owners, stats.expired, stats.oldest),
        (0, 0, 5, None)
    );
}

#[tokio::test]
async fn pages_show_everyone_once_and_whose_each_session_is() {
    let (site, cookies) = busy().await;
    let sessions = site.engine.sessions().unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = sessions.everyone(after, 2).await.unwrap();
        seen.extend(
            page.sessions
                .into_iter()
                .map(|session| (session.info.handle, session.owner)),
        );
        // As an application would keep it: in a link.
        after = page.next.map(|next| next.to_string().parse().unwrap());
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    let mut expected = Vec::new();
    for (cookie, owner) in cookies
        .iter()
        .zip([Some("alice"), Some("alice"), Some("bob"), None, None])
    {
        let owner = owner.map(|owner| Owner::new(owner).unwrap());
        expected.push((handle_of(&site, cookie).await.unwrap(), owner));
    }
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_session_is_found_and_ended_by_its_handle_alone() {
    let (site, cookies) = busy().await;
    let sessions = site.engine.sessions().unwrap();
    for position in [1, 3] {
        let handle = handle_of(&site, &cookies[position]).await.unwrap();
        assert_eq!(sessions.find(handle).await.unwrap().unwrap().info.handle, handle);
        assert!(sessions.revoke_handle(handle).await.unwrap());
        assert_eq!(handle_of(&site, &cookies[position]).await, None);
        assert!(!sessions.revoke_handle(handle).await.unwrap());
        assert_eq!(sessions.find(handle).await.unwrap(), None);
    }
    assert_eq!(sessions.stats().await.unwrap().sessions, 3);
}

/// Renews the session between the look and the deletion of the first `renewals` attempts.
async fn revoke_a_busy_visitor(renewals: usize) -> (Result<bool>, bool) {
    let site = Arc::new(Site::new());
    let mut cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let handle = handle_of(&site, &cookie).await.unwrap();
    let gates: Vec<_> = (0..renewals)
        .map(|_| site.faults.hold_next(Operation::Delete))
        .collect();
    let revoking = tokio::spawn({
        let site = site.clone();
        async move { site.engine.sessions().unwrap().revoke_handle(handle).await }
    });
    for gate in gates {
        gate.arrived().await;
        cookie = site.handle(cookie.as_deref(), async |session| session.renew()).await;
        gate.open();
    }
    let revoked = revoking.await.unwrap();
    (revoked, site.visits(cookie.as_deref()).await.is_some())
}

#[tokio::test]
async fn a_session_that_is_renewed_all_the_time_is_ended_or_it_is_an_error() {
    let (revoked, live) = revoke_a_busy_visitor(2).await;
    assert!(revoked.unwrap() && !live);
    let (revoked, live) = revoke_a_busy_visitor(3).await;
    assert_eq!(revoked.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(live);
}

#[tokio::test]
async fn a_session_that_a_walk_misses_because_it_is_renewed_is_found_by_another() {
    let site = Site::new();
    // Enough for two pages, so that a renewal can move a session from the second one to the first.
    let mut cookies = Vec::new();
    for _ in 0..150 {
        cookies.push(
            site.handle(None, async |session| session.insert(VISITS, 1).unwrap())
                .await,
        );
    }
    let inventory = site.faults.inventory().unwrap();
    let last = inventory
        .page(None, 1000)
        .await
        .unwrap()
        .records
        .pop()
        .unwrap()
        .1
        .handle();
    let mut cookie = None;
    for candidate in &cookies {
        if handle_of(&site, candidate).await == Some(last) {
            cookie.clone_from(candidate);
        }
    }
    let sessions = site.engine.sessions().unwrap();
    let first_page = site.faults.hold_answer(Operation::Inventory);
    let revoking = tokio::spawn(async move { sessions.revoke_handle(last).await });
    first_page.arrived().await;
    // Until it is on the page that the walk has seen: each renewal draws a place, two of three are there.
    loop {
        cookie = site.handle(cookie.as_deref(), async |session| session.renew()).await;
        let page = inventory.page(None, 100).await.unwrap();
        if page.records.iter().any(|(_, record)| record.handle() == last) {
            break;
        }
    }
    first_page.open();
    assert!(revoking.await.unwrap().unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, None);
}

#[tokio::test]
async fn revoking_everyone_ends_all_sessions_and_logins_under_way() {
    let (site, cookies) = busy().await;
    let sessions = site.engine.sessions().unwrap();
    let (inbound, session) = site.request(None).await;
    session.login("carol").unwrap();
    assert_eq!(sessions.revoke_everyone().await.unwrap(), 5);
    let error = inbound.finish(session_core::Outcome::Success).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Revoked);
    for cookie in &cookies {
        assert_eq!(handle_of(&site, cookie).await, None);
    }
    assert_eq!(sessions.stats().await.unwrap().sessions, 0);
    assert!(site.event_kinds().contains(&"Cleared".to_owned()));
}

#[tokio::test]
async fn everyone_is_counted_found_and_ended_also_in_a_store_that_knows_no_owners() {
    let engine = Engine::new(WithoutIndex::default(), SigningKeys::generate().unwrap());
    for name in ["alice", "bob"] {
        let (inbound, access) = engine.begin();
        access.session([]).await.unwrap().login(name).unwrap();
        drop(inbound.finish(Outcome::Success).await.unwrap());
    }
    let sessions = engine.sessions().unwrap();
    assert_eq!(sessions.stats().await.unwrap().owners, 2);
    let one = sessions.everyone(None, 1).await.unwrap().sessions.remove(0).info.handle;
    assert!(sessions.find(one).await.unwrap().is_some());
    assert!(sessions.revoke_handle(one).await.unwrap());
    let alice = Owner::new("alice").unwrap();
    assert_eq!(
        sessions.revoke_all(&alice).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        sessions.list(&alice, None, 9).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(sessions.revoke_everyone().await.unwrap(), 1);
}
