//! Flash messages across requests: shown once, and lost by nobody.

use session_core::{ErrorKind, Flash, FlashLevel, Flashes, FromSession, Limits, Outcome, Session, SessionConfig};

use crate::site::Site;

fn leave(session: &Session, text: &str) {
    session.flash(FlashLevel::Info, text).unwrap();
}

fn texts(flashes: Vec<Flash>) -> Vec<String> {
    flashes.into_iter().map(|flash| flash.text).collect()
}

async fn shown(site: &Site, cookie: Option<&str>) -> Vec<String> {
    let mut shown = Vec::new();
    site.handle(cookie, async |session| shown = texts(session.take_flashes().unwrap()))
        .await;
    shown
}

#[tokio::test]
async fn messages_are_shown_once_in_the_order_in_which_they_were_left() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.flash(FlashLevel::Error, "one").unwrap();
            session.flash(FlashLevel::Success, "two").unwrap();
        })
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    let flashes = Flashes::from_session(session).unwrap().take().unwrap();
    assert_eq!(
        flashes.iter().map(|flash| flash.level).collect::<Vec<_>>(),
        [FlashLevel::Error, FlashLevel::Success]
    );
    assert_eq!(texts(flashes), ["one", "two"]);
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert!(shown(&site, cookie.as_deref()).await.is_empty());
    let (_, session) = site.request(cookie.as_deref()).await;
    assert!(!session.contains("_session.flashes"));
}

#[tokio::test]
async fn messages_left_at_the_same_time_all_appear() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.insert("k", 1).unwrap()).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    leave(&session, "slow");
    site.handle(cookie.as_deref(), async |session| leave(session, "fast"))
        .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(shown(&site, cookie.as_deref()).await, ["fast", "slow"]);
}

#[tokio::test]
async fn a_message_left_while_others_are_shown_waits_for_the_next_page() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| leave(session, "first")).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(texts(session.take_flashes().unwrap()), ["first"]);
    site.handle(cookie.as_deref(), async |session| leave(session, "meanwhile"))
        .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(shown(&site, cookie.as_deref()).await, ["meanwhile"]);
}

#[tokio::test]
async fn a_message_left_after_the_others_were_shown_elsewhere_is_not_taken_for_one_of_them() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| leave(session, "same")).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(texts(session.take_flashes().unwrap()), ["same"]);
    assert_eq!(shown(&site, cookie.as_deref()).await, ["same"]);
    site.handle(cookie.as_deref(), async |session| leave(session, "same"))
        .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(shown(&site, cookie.as_deref()).await, ["same"]);
}

#[tokio::test]
async fn messages_wait_through_requests_that_show_none_a_renewal_a_login_and_a_server_error() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| leave(session, "waiting")).await;
    let cookie = site.handle(cookie.as_deref(), async |session| session.renew()).await;
    let cookie = site
        .handle(cookie.as_deref(), async |session| session.login("alice").unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(texts(session.take_flashes().unwrap()), ["waiting"]);
    drop(inbound.finish(Outcome::ServerError).await.unwrap());
    assert_eq!(shown(&site, cookie.as_deref()).await, ["waiting"]);
}

#[tokio::test]
async fn showing_none_writes_nothing() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.insert("k", 1).unwrap()).await;
    let before = site.counted.counts();
    assert!(shown(&site, cookie.as_deref()).await.is_empty());
    assert_eq!((site.counted.counts() - before).writes(), 0);
}

#[tokio::test]
async fn where_values_must_be_small_the_oldest_messages_make_room() {
    let mut limits = Limits::default();
    limits.value = 2048;
    limits.name = 8;
    let site = Site::with(SessionConfig::builder().limits(limits).build().unwrap());
    let (_inbound, session) = site.request(None).await;
    for number in 0..40 {
        leave(&session, &format!("{number}{}", "x".repeat(900)));
    }
    let left = texts(session.take_flashes().unwrap());
    assert!(left.len() == 2 && left[0].starts_with("38") && left[1].starts_with("39"));
}

#[tokio::test]
async fn a_text_over_its_limit_is_refused() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.flash(FlashLevel::Info, "x".repeat(1024)).unwrap();
    let refused = session.flash(FlashLevel::Info, "x".repeat(1025)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_message_s_debug_hides_its_text() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    leave(&session, "Your code is 1234.");
    let taken = session.take_flashes().unwrap();
    let shown = format!("{taken:?}");
    assert!(shown.contains("Info") && !shown.contains("1234"), "{shown}");
}
