//! Values that are taken, removed by an update, or found by their type.

use serde::{Deserialize, Serialize};
use session_core::{ErrorKind, FromSession, Key, Outcome, SessionValue, Value};

use crate::site::{Site, VISITS};

/// Counts down, and removes what would become zero.
fn down(visits: Option<u32>) -> Option<u32> {
    visits.and_then(|visits| visits.checked_sub(1)).filter(|left| *left > 0)
}

#[tokio::test]
async fn a_value_is_taken_once() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 7).unwrap())
        .await;
    site.handle(cookie.as_deref(), async |session| {
        assert_eq!(session.take(VISITS).unwrap(), Some(7));
        assert_eq!(session.take(VISITS).unwrap(), None);
    })
    .await;
    assert_eq!(site.visits(cookie.as_deref()).await, None);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_not_taken() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.insert("visits", "many").unwrap();
    assert_eq!(
        session.take::<(u64, u64)>("visits").unwrap_err().kind(),
        ErrorKind::Value
    );
    assert!(session.contains("visits"));
}

#[tokio::test]
async fn an_update_that_removed_runs_again_on_what_another_request_left() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.update_or_remove(VISITS, down).unwrap(), None);
    assert_eq!(
        session.update_or_remove(VISITS, down).unwrap(),
        None,
        "one step more, on nothing as yet"
    );
    assert!(!session.contains(VISITS));
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 10).unwrap())
        .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(8));
}

#[tokio::test]
async fn an_update_on_top_of_one_that_is_being_saved_is_not_lost() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.update_or_remove(VISITS, down).unwrap();
    let gate = site
        .faults
        .hold_next(session_core::conformance::store::Operation::Replace);
    let saving = session.clone();
    let save = tokio::spawn(async move { saving.save().await });
    gate.arrived().await;
    session.update_or_remove(VISITS, down).unwrap();
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 10).unwrap())
        .await;
    gate.open();
    save.await.unwrap().unwrap();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(8));
}

#[tokio::test]
async fn a_visitor_whose_last_value_was_removed_by_an_update_is_not_stored() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
            session.update_or_remove(VISITS, down).unwrap();
        })
        .await;
    assert_eq!((cookie, site.counted.counts().total()), (None, 0));
}

#[tokio::test]
async fn an_update_from_nothing_to_nothing_writes_nothing() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.insert("k", 1).unwrap()).await;
    let before = site.counted.counts();
    site.handle(cookie.as_deref(), async |session| {
        assert_eq!(session.update_or_remove(VISITS, down).unwrap(), None);
    })
    .await;
    assert_eq!((site.counted.counts() - before).writes(), 0);
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<u64>,
}

impl SessionValue for Cart {
    const KEY: Key<Self> = Key::new("cart");
}

fn with(item: u64) -> impl Fn(Option<Cart>) -> Cart + Send + Sync + 'static {
    move |cart| {
        let mut cart = cart.unwrap_or_default();
        cart.items.push(item);
        cart
    }
}

#[tokio::test]
async fn a_value_found_by_its_type_is_read_changed_and_removed() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            let mut cart = Value::<Cart>::from_session(session.clone()).unwrap();
            assert_eq!(cart.get(), None);
            cart.set(Cart { items: vec![1] }).unwrap();
            assert_eq!(cart.update(with(2)).unwrap().items, [1, 2]);
        })
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let mut cart = Value::<Cart>::from_session(session.clone()).unwrap();
    assert_eq!(cart.get().unwrap().items, [1, 2]);
    assert_eq!(cart.remove().unwrap().items, [1, 2]);
    assert_eq!((cart.get(), session.get(Cart::KEY).unwrap()), (None, None));
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert!(site.request(cookie.as_deref()).await.1.keys().is_empty());
}

#[tokio::test]
async fn updates_of_a_value_found_by_its_type_lose_nothing() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.insert("k", 1).unwrap()).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let mut cart = Value::<Cart>::from_session(session).unwrap();
    cart.update(with(1)).unwrap();
    site.handle(cookie.as_deref(), async |session| {
        Value::from_session(session.clone()).unwrap().update(with(2)).unwrap();
    })
    .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.get(Cart::KEY).unwrap().unwrap().items, [2, 1]);
}

#[tokio::test]
async fn a_damaged_value_is_an_error_and_no_default() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.insert("cart", (true, "no cart")).unwrap();
    let error = Value::<Cart>::from_session(session).unwrap_err();
    assert_eq!((error.kind(), error.status_code()), (ErrorKind::Value, 500));
}

#[tokio::test]
async fn the_library_s_own_names_are_not_the_application_s() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.insert("cart", 1).unwrap();
            session.csrf_token().unwrap();
            session.flash(session_core::FlashLevel::Info, "hello").unwrap();
            let name = "_session.csrf";
            for refused in [
                session.insert(name, 1).unwrap_err(),
                session.update(name, |_: Option<u32>| 1).unwrap_err(),
                session.update_or_remove(name, |_: Option<u32>| None).unwrap_err(),
            ] {
                assert_eq!(refused.kind(), ErrorKind::Invalid);
            }
        })
        .await;
    let (_, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.keys(), ["cart"]);
    assert!(session.contains("_session.csrf"));
    let alice = session_core::Owner::new("alice").unwrap();
    let sessions = site.engine.sessions().unwrap();
    let refused = sessions.update_all(&alice, "_session.csrf", |_: Option<u32>| 1).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn updates_of_one_value_that_wait_to_be_saved_are_counted() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    let cookie = site.handle(None, async |session| session.insert("k", 1).unwrap()).await;
    let (_inbound, stored) = site.request(cookie.as_deref()).await;
    for _ in 0..1000 {
        stored.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
    }
    let refused = stored.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    let removing = stored.update_or_remove(VISITS, |_| None).unwrap_err();
    assert_eq!(removing.kind(), ErrorKind::TooLarge);
    assert_eq!(stored.get(VISITS).unwrap(), Some(1000));
    stored.save().await.unwrap();
    stored.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
    assert_eq!(stored.get(VISITS).unwrap(), Some(1001));
    // What does not depend on anything that is stored is settled at once.
    session.insert(VISITS, 0).unwrap();
    for _ in 0..2000 {
        session.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
    }
}
