//! The two halves of a request: whether its session was used, and what `Debug` says of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use session_core::conformance::store::Operation;
use session_core::{Engine, ErrorKind, Finish, MemoryStore, Outcome, SigningKeys};

use crate::site::{Site, VISITS, set_cookie};

async fn is_waiting(finish: &mut Finish) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *finish).poll(context).is_pending())).await
}

#[tokio::test]
async fn a_request_is_used_once_its_session_was_asked_for() {
    let site = Site::new();
    let (inbound, _access) = site.engine.begin();
    assert!(!inbound.is_used());
    let outbound = inbound.finish(Outcome::Success).await.unwrap();
    assert!(format!("{outbound:?}").contains("used: No"), "{outbound:?}");

    let (inbound, access) = site.engine.begin();
    drop(access.session([]).await.unwrap());
    assert!(inbound.is_used());
    let outbound = inbound.finish(Outcome::Success).await.unwrap();
    assert!(format!("{outbound:?}").contains("used: Yes"), "{outbound:?}");
}

#[tokio::test]
async fn a_request_whose_session_could_not_be_loaded_was_used() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await;
    let (inbound, access) = site.engine.begin();
    site.faults.fail_next(Operation::Load, 1);
    assert!(access.session(cookie.as_deref().map(str::as_bytes)).await.is_err());
    let outbound = inbound.finish(Outcome::Success).await.unwrap();
    assert!(format!("{outbound:?}").contains("used: Yes"), "{outbound:?}");
}

/// A task of the handler may still be saving, and another part of the application may ask for the session meanwhile.
#[tokio::test]
async fn a_session_that_is_asked_for_again_while_its_request_finishes_keeps_its_cookie() {
    let site = Site::new();
    let old = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let cookie = || old.as_deref().map(str::as_bytes);
    let (inbound, access) = site.engine.begin();
    let session = access.session(cookie()).await.unwrap();
    session.insert(VISITS, 2).unwrap();
    let gate = site.faults.hold_next(Operation::Replace);
    let saving = tokio::spawn({
        let session = session.clone();
        async move { session.save().await }
    });
    gate.arrived().await;
    session.renew();
    let mut finish = inbound.finish(Outcome::Success);
    assert!(is_waiting(&mut finish).await, "the save has its turn");
    assert_eq!(access.session(cookie()).await.unwrap().get(VISITS).unwrap(), Some(2));
    gate.open();
    saving.await.unwrap().unwrap();
    let new = set_cookie(finish.await.unwrap()).expect("it was renewed");
    assert_eq!(site.visits(new.split(';').next()).await, Some(2));
}

#[tokio::test]
async fn a_handler_that_failed_without_an_answer_still_ends_its_session_and_does_nothing_else() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.insert(VISITS, 8).unwrap();
    session.renew();
    let before = site.counted.counts();
    drop(inbound.finish_unanswered().await.unwrap());
    assert_eq!((site.counted.counts() - before).total(), 0);
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.get(VISITS).unwrap(), Some(7));
    session.logout();
    drop(inbound.finish_unanswered().await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, None);
}

#[tokio::test]
async fn an_end_that_a_task_was_saving_is_carried_out_if_the_task_goes_away() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let gate = site.faults.hold_next(Operation::Delete);
    session.logout();
    let saving = tokio::spawn(async move { session.save().await });
    gate.arrived().await;
    let mut finish = inbound.finish_unanswered();
    assert!(is_waiting(&mut finish).await, "the save has its turn");
    saving.abort();
    drop(finish.await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, None);
}

#[tokio::test]
async fn a_request_whose_session_nobody_asks_for_is_over_and_one_that_is_asked_for_is_not() {
    let site = Site::new();
    let (inbound, access) = site.engine.begin();
    assert!(inbound.if_used().is_none());
    let session = access.session([]).await.unwrap();
    session.insert(VISITS, 1).unwrap();
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
    let (inbound, session) = site.request(None).await;
    session.insert(VISITS, 1).unwrap();
    let inbound = inbound.if_used().expect("it was asked for");
    assert!(set_cookie(inbound.finish(Outcome::Success).await.unwrap()).is_some());
}

#[tokio::test]
async fn debug_names_what_it_shows_and_no_cookie() {
    let engine = Engine::new(MemoryStore::new(), SigningKeys::generate().unwrap());
    assert!(format!("{engine:?}").starts_with("Engine { config: "), "{engine:?}");
    let (inbound, access) = engine.begin();
    assert_eq!(format!("{inbound:?}"), "Inbound { used: false, .. }");
    assert_eq!(format!("{access:?}"), "Access { .. }");
    access.session([]).await.unwrap().insert(VISITS, 1).unwrap();
    let finish = inbound.finish(Outcome::Success);
    assert_eq!(format!("{finish:?}"), "Finish(\"Committing\")");
    assert_eq!(
        format!("{:?}", finish.await.unwrap()),
        "Outbound { used: Yes, sets_cookie: true }"
    );
}
