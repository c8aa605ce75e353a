//! A commit that the store has carried out, and whose answer was lost: trying again goes on from where it left the session.

use session_core::conformance::store::Operation;
use session_core::{Owner, OwnerLimit, Session, SessionConfig, Store};

use crate::site::{Site, VISITS};

fn one_each() -> SessionConfig {
    let limit = OwnerLimit::refuse(1).unwrap();
    SessionConfig::builder().owner_limit(limit).build().unwrap()
}

/// How many records are stored, and how many sessions Alice has.
async fn left(site: &Site) -> (usize, usize) {
    let stored = site.faults.inventory().unwrap().page(None, 9).await.unwrap();
    let alice = Owner::new("alice").unwrap();
    let hers = site.engine.sessions().unwrap().count(&alice).await.unwrap();
    (stored.records.len(), hers)
}

async fn visitor(site: &Site) -> Option<String> {
    site.handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await
}

/// Saves twice: the first answer to this operation is lost.
async fn save_again(site: &Site, session: &Session, operation: Operation) {
    site.faults.lose_answers(operation, 1);
    session.save().await.unwrap_err();
    session.save().await.unwrap();
}

#[tokio::test]
async fn a_login_leaves_one_session_with_all_that_the_visitor_had() {
    for config in [SessionConfig::default(), one_each()] {
        let site = Site::with(config);
        let cookie = visitor(&site).await;
        let cookie = site
            .handle(cookie.as_deref(), async |session| {
                session.login("alice").unwrap();
                save_again(&site, session, Operation::Rotate).await;
                assert_eq!(session.get(VISITS).unwrap(), Some(7));
            })
            .await;
        assert_eq!(left(&site).await, (1, 1));
        assert_eq!(site.visits(cookie.as_deref()).await, Some(7));
    }
}

#[tokio::test]
async fn a_login_of_a_new_visitor_leaves_one_session() {
    for config in [SessionConfig::default(), one_each()] {
        let site = Site::with(config);
        let cookie = site
            .handle(None, async |session| {
                session.login("alice").unwrap();
                save_again(&site, session, Operation::Create).await;
            })
            .await;
        assert_eq!(left(&site).await, (1, 1));
        assert!(site.request(cookie.as_deref()).await.1.owner().is_some());
        let kinds = site.event_kinds();
        assert_eq!(kinds.iter().filter(|kind| *kind == "Created").count(), 1, "{kinds:?}");
    }
}

#[tokio::test]
async fn a_renewal_is_found_again_however_many_answers_are_lost() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    let cookie = site
        .handle(cookie.as_deref(), async |session| {
            session.renew();
            site.faults.lose_answers(Operation::Rotate, 1);
            session.save().await.unwrap_err();
            // The store is down for a moment, then it is looked for, moved on, and that answer is lost too.
            site.faults.fail_next(Operation::Rotate, 2);
            session.save().await.unwrap_err();
            session.save().await.unwrap_err();
            site.faults.fail_next(Operation::Load, 1);
            session.save().await.unwrap_err();
            session.save().await.unwrap();
        })
        .await;
    assert_eq!(left(&site).await.0, 1);
    assert_eq!(site.visits(cookie.as_deref()).await, Some(7));
}

#[tokio::test]
async fn a_login_that_was_cancelled_is_found_again() {
    let site = Site::with(one_each());
    let cookie = visitor(&site).await;
    site.handle(cookie.as_deref(), async |session| {
        session.login("alice").unwrap();
        let gate = site.faults.hold_answer(Operation::Rotate);
        tokio::select! {
            biased;
            _ = session.save() => panic!("the answer is held"),
            () = gate.arrived() => {}
        }
        session.save().await.unwrap();
    })
    .await;
    assert_eq!(left(&site).await, (1, 1));
}

#[tokio::test]
async fn a_logout_also_ends_what_a_lost_answer_has_left() {
    let site = Site::new();
    let cookie = visitor(&site).await;
    site.handle(cookie.as_deref(), async |session| {
        session.login("alice").unwrap();
        site.faults.lose_answers(Operation::Rotate, 1);
        session.save().await.unwrap_err();
        session.logout();
    })
    .await;
    assert_eq!(left(&site).await, (0, 0));
    let kinds = site.event_kinds();
    assert_eq!(kinds.iter().filter(|kind| *kind == "Destroyed").count(), 1, "{kinds:?}");
}
