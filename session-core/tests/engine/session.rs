//! What a handler can do with its session, on the engine alone: no framework, no sockets.

use std::time::Duration;

use session_core::conformance::store::Operation;
use session_core::{ErrorKind, Key, Lifetime, OnServerError, Outcome, Owner, Session, SessionConfig};

use crate::site::{Site, VISITS, set_cookie};

#[tokio::test]
async fn a_handler_reads_what_it_wrote_before_it_is_stored() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.insert(VISITS, 1).unwrap();
    session.insert("name", "alice").unwrap();
    assert_eq!(session.get(VISITS).unwrap(), Some(1));
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("alice"));
    assert_eq!(session.keys(), ["name", "visits"]);
    session.remove("name");
    assert!(!session.contains("name") && session.contains(VISITS));
    session.clear();
    assert!(session.keys().is_empty());
    assert_eq!(site.counted.counts().total(), 0);
}

#[tokio::test]
async fn save_stores_at_once_and_the_cookie_still_follows() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.insert(VISITS, 1).unwrap();
            session.save().await.unwrap();
            assert_eq!(site.counted.counts().create, 1);
            assert!(session.handle().is_some() && !session.is_new());
        })
        .await;
    assert_eq!(
        site.counted.counts().writes(),
        1,
        "finishing after a save has nothing left to store"
    );
    assert_eq!(site.visits(cookie.as_deref()).await, Some(1));
}

#[tokio::test]
async fn an_update_runs_again_on_what_another_request_left() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 10).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap(), 11);
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 100).unwrap())
        .await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(site.visits(cookie.as_deref()).await, Some(101));
}

#[tokio::test]
async fn a_value_read_as_another_type_or_version_is_a_typed_error() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.insert("pair", (1_u8, 2_u8)).unwrap();
    assert_eq!(session.get::<u8>("pair").unwrap_err().kind(), ErrorKind::Value);
    let newer: Key<(u8, u8)> = Key::new("pair").version(1);
    assert_eq!(session.get(newer).unwrap_err().kind(), ErrorKind::ValueVersion);
}

#[tokio::test]
async fn limits_are_enforced_where_a_value_is_inserted() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    assert_eq!(session.insert("", 1).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        session.insert(&"n".repeat(129), 1).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    assert_eq!(
        session.insert("big", vec![0_u8; 64 * 1024]).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    for number in 0..4 {
        session
            .insert(&format!("part {number}"), vec![0_u8; 60 * 1024])
            .unwrap();
    }
    assert_eq!(
        session.insert("last", vec![0_u8; 60 * 1024]).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    session
        .insert("part 0", vec![1_u8; 60 * 1024])
        .expect("overwriting needs no more room");
    assert_eq!(
        session.set_label("x".repeat(256)).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    assert_eq!(session.login("x".repeat(256)).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn an_update_that_grows_over_its_limit_changes_nothing() {
    let site = Site::new();
    let (_inbound, session) = site.request(None).await;
    session.insert("text", "short").unwrap();
    let grown = session.update("text", |text: Option<String>| text.unwrap_or_default().repeat(20_000));
    assert_eq!(grown.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(session.get::<String>("text").unwrap().as_deref(), Some("short"));
}

#[tokio::test]
async fn a_failed_save_keeps_the_changes_for_another_attempt() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.insert(VISITS, 1).unwrap();
            site.faults.fail_next(Operation::Create, 1);
            assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::Unavailable);
            assert_eq!(session.get(VISITS).unwrap(), Some(1));
            session.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
        })
        .await;
    assert_eq!(site.visits(cookie.as_deref()).await, Some(2));
}

#[tokio::test]
async fn a_cancelled_save_keeps_the_changes() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.insert(VISITS, 1).unwrap();
            let gate = site.faults.hold_next(Operation::Create);
            tokio::select! {
                biased;
                _ = session.save() => panic!("the store holds it"),
                () = gate.arrived() => {}
            }
            assert_eq!(session.get(VISITS).unwrap(), Some(1));
        })
        .await;
    assert_eq!(site.visits(cookie.as_deref()).await, Some(1));
}

#[tokio::test]
async fn a_clone_reads_what_is_being_saved_and_what_was_changed_since() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.insert(VISITS, 1).unwrap();
            session.insert("a", 1).unwrap();
            let gate = site.faults.hold_next(Operation::Create);
            let saving = session.clone();
            let save = tokio::spawn(async move { saving.save().await });
            gate.arrived().await;
            assert_eq!(session.get(VISITS).unwrap(), Some(1));
            session.remove("a");
            assert!(!session.contains("a"));
            gate.open();
            save.await.unwrap().unwrap();
            assert!(!session.contains("a"));
        })
        .await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    assert_eq!(session.keys(), ["visits"]);
}

#[tokio::test]
async fn a_handle_kept_past_the_response_saves_and_learns_of_the_end() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let (inbound, kept) = site.request(cookie.as_deref()).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());
    kept.insert(VISITS, 5).unwrap();
    kept.save().await.unwrap();
    assert_eq!(site.visits(cookie.as_deref()).await, Some(5));
    assert!(kept.is_live().await.unwrap());
    site.handle(cookie.as_deref(), async |session| session.insert(VISITS, 6).unwrap())
        .await;
    kept.reload().await.unwrap();
    assert_eq!(kept.get(VISITS).unwrap(), Some(6));

    kept.renew();
    assert_eq!(kept.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);

    let owner = Owner::new("alice").unwrap();
    assert_eq!(site.engine.sessions().unwrap().revoke_all(&owner).await.unwrap(), 1);
    assert!(!kept.is_live().await.unwrap());
    kept.insert(VISITS, 7).unwrap();
    assert_eq!(kept.save().await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(kept.reload().await.unwrap_err().kind(), ErrorKind::Gone);
    kept.insert(VISITS, 8).unwrap();
    assert_eq!(
        kept.save().await.unwrap_err().kind(),
        ErrorKind::Gone,
        "an ended session stays ended"
    );
}

#[tokio::test]
async fn is_live_does_not_take_a_store_that_is_down_for_a_dead_session() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let (_inbound, session) = site.request(cookie.as_deref()).await;
    site.faults.go_down();
    assert_eq!(session.is_live().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(session.reload().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn what_is_stored_after_a_logout_goes_into_a_new_session() {
    let site = Site::new();
    let signed_in = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let after = site
        .handle(signed_in.as_deref(), async |session| {
            session.insert("secret", 1).unwrap();
            session.logout();
            session.insert("flash", "bye").unwrap();
            assert_eq!(session.owner(), None);
        })
        .await;
    assert!(after.is_some() && after != signed_in);
    let (_inbound, session) = site.request(after.as_deref()).await;
    assert_eq!((session.owner(), session.keys()), (None, vec!["flash".to_owned()]));
    assert!(
        site.request(signed_in.as_deref()).await.1.is_new(),
        "the old session is dead"
    );
}

#[tokio::test]
async fn a_login_that_was_overtaken_carries_nothing_of_the_session_that_ended() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 10).unwrap())
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.update(VISITS, |visits| visits.unwrap_or(0) + 1).unwrap();
    session.login("alice").unwrap();
    site.handle(cookie.as_deref(), async |session| session.destroy()).await;
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    let pair = set.split(';').next();
    assert_eq!(
        site.visits(pair).await,
        Some(1),
        "the count of the session that ended was carried over"
    );
}

#[tokio::test]
async fn a_login_that_began_before_a_revocation_is_refused() {
    let site = Site::new();
    let (inbound, session) = site.request(None).await;
    session.login("alice").unwrap();
    let owner = Owner::new("alice").unwrap();
    site.engine.sessions().unwrap().revoke_all(&owner).await.unwrap();
    assert_eq!(
        inbound.finish(Outcome::Success).await.unwrap_err().kind(),
        ErrorKind::Revoked
    );
    assert_eq!(site.engine.sessions().unwrap().count(&owner).await.unwrap(), 0);
}

#[tokio::test]
async fn a_password_reset_may_revoke_all_and_then_sign_in() {
    let site = Site::new();
    let owner = Owner::new("alice").unwrap();
    let thief = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let cookie = site
        .handle(None, async |session| {
            site.engine.sessions().unwrap().revoke_all(&owner).await.unwrap();
            session.login("alice").unwrap();
        })
        .await;
    assert!(site.request(thief.as_deref()).await.1.is_new());
    assert_eq!(site.request(cookie.as_deref()).await.1.owner(), Some(owner));
}

#[tokio::test]
async fn a_login_begins_the_absolute_lifetime_anew() {
    let config = SessionConfig::builder()
        .lifetime(Lifetime::fixed(Duration::from_secs(100)).unwrap())
        .build()
        .unwrap();
    let site = Site::with(config);
    let anonymous = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    site.clock.advance(Duration::from_secs(90));
    let signed_in = site
        .handle(anonymous.as_deref(), async |session| session.login("alice").unwrap())
        .await;
    site.clock.advance(Duration::from_secs(90));
    assert_eq!(site.visits(signed_in.as_deref()).await, Some(1));
    site.clock.advance(Duration::from_secs(10));
    assert_eq!(site.visits(signed_in.as_deref()).await, None);
}

#[tokio::test]
async fn a_server_error_still_ends_or_renews_a_session() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.insert(VISITS, 1).unwrap();
    session.renew();
    let renewed = set_cookie(inbound.finish(Outcome::ServerError).await.unwrap()).unwrap();
    let renewed = renewed.split(';').next();
    assert_eq!(site.visits(renewed).await, None, "data is dropped");
    assert!(site.request(cookie.as_deref()).await.1.is_new(), "the old id is dead");
    let (inbound, session) = site.request(renewed).await;
    session.destroy();
    drop(inbound.finish(Outcome::ServerError).await.unwrap());
    assert!(site.request(renewed).await.1.is_new());
}

#[tokio::test]
async fn a_server_error_after_a_login_still_renews_if_that_was_asked_for_as_well() {
    let both: [fn(&Session); 2] = [
        |session| {
            session.renew();
            session.login("alice").unwrap();
        },
        |session| {
            session.login("alice").unwrap();
            session.renew();
        },
    ];
    for renew_and_login in both {
        let site = Site::new();
        let cookie = site
            .handle(None, async |session| session.insert(VISITS, 1).unwrap())
            .await;
        let (inbound, session) = site.request(cookie.as_deref()).await;
        renew_and_login(&session);
        let renewed = set_cookie(inbound.finish(Outcome::ServerError).await.unwrap()).unwrap();
        assert_eq!(site.visits(cookie.as_deref()).await, None, "the old id is dead");
        let (_, session) = site.request(renewed.split(';').next()).await;
        assert_eq!(session.get(VISITS).unwrap(), Some(1));
        assert_eq!(session.owner(), None, "the login is dropped");
    }
}

#[tokio::test]
async fn a_server_error_commits_everything_if_so_configured() {
    let site = Site::with(
        SessionConfig::builder()
            .on_server_error(OnServerError::Commit)
            .build()
            .unwrap(),
    );
    let (inbound, session) = site.request(None).await;
    session.insert(VISITS, 1).unwrap();
    assert!(set_cookie(inbound.finish(Outcome::ServerError).await.unwrap()).is_some());
}

#[tokio::test]
async fn forgetting_takes_remembering_back() {
    let site = Site::new();
    let remembered = site
        .handle(None, async |session| {
            session.login("alice").unwrap();
            session.remember();
        })
        .await;
    let (inbound, session) = site.request(remembered.as_deref()).await;
    session.forget();
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).expect("the browser has to learn of it");
    assert!(!set.contains("Max-Age"), "{set}");
}

#[tokio::test]
async fn somebody_else_s_login_is_not_remembered_for_them() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| {
            session.login("alice").unwrap();
            session.remember();
        })
        .await;
    let (inbound, session) = site.request(cookie.as_deref()).await;
    session.login("bob").unwrap();
    let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap()).unwrap();
    assert!(!set.contains("Max-Age"), "{set}");
}

#[tokio::test]
async fn observers_learn_what_happens_in_order() {
    let site = Site::new();
    let cookie = site.handle(None, async |session| session.login("alice").unwrap()).await;
    let cookie = site.handle(cookie.as_deref(), async |session| session.renew()).await;
    site.handle(cookie.as_deref(), async |session| session.destroy()).await;
    site.handle(Some("__Host-session=forged"), async |_| ()).await;
    assert_eq!(
        site.event_kinds(),
        ["Created", "SignedIn", "Renewed", "Destroyed", "TokenRejected"]
    );
}

#[tokio::test]
async fn a_session_is_loaded_once_for_a_request_however_often_it_is_asked_for() {
    let site = Site::new();
    let cookie = site
        .handle(None, async |session| session.insert(VISITS, 1).unwrap())
        .await;
    let before = site.counted.counts();
    let (_inbound, access) = site.engine.begin();
    let bytes = cookie.as_deref().map(str::as_bytes);
    let (one, two) = tokio::join!(access.session(bytes), access.session(bytes));
    one.unwrap().insert(VISITS, 2).unwrap();
    assert_eq!(two.unwrap().get(VISITS).unwrap(), Some(2), "all share one session");
    assert_eq!((site.counted.counts() - before).total(), 1);
}

#[tokio::test]
async fn a_session_first_asked_for_after_the_response_cannot_start_one() {
    let site = Site::new();
    let (inbound, access) = site.engine.begin();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    let late = access.session([]).await.unwrap();
    late.insert(VISITS, 1).unwrap();
    assert_eq!(late.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
    assert_eq!(
        site.counted.counts().total(),
        0,
        "a session was stored whose token nobody knows"
    );
}

#[tokio::test]
async fn a_failed_response_closes_the_head_too() {
    let site = Site::new();
    let (inbound, session) = site.request(None).await;
    session.insert(VISITS, 1).unwrap();
    site.faults.fail_next(Operation::Create, 1);
    assert_eq!(
        inbound.finish(Outcome::Success).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(session.save().await.unwrap_err().kind(), ErrorKind::ResponseSent);
}

#[tokio::test]
async fn two_engines_may_share_a_store_behind_an_arc() {
    let store = std::sync::Arc::new(session_core::MemoryStore::new());
    let keys = session_core::SigningKeys::generate().unwrap();
    let one = session_core::Engine::new(store.clone(), keys.clone());
    let two = session_core::Engine::new(store.clone(), keys);
    let (inbound, access) = one.begin();
    access.session([]).await.unwrap().login("alice").unwrap();
    drop(inbound.finish(Outcome::Success).await.unwrap());
    assert_eq!(
        two.sessions()
            .unwrap()
            .count(&Owner::new("alice").unwrap())
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_write_issues_the_cookie_again_only_if_the_browser_keeps_it_and_its_lifetime_follows() {
    let day = Duration::from_secs(86_400);
    let (sliding, fixed) = (Lifetime::sliding(day).unwrap(), Lifetime::fixed(day).unwrap());
    for (lifetime, remembers, issued) in [
        (sliding, Session::forget as fn(&Session), false),
        (fixed, Session::remember, false),
        (sliding, Session::remember, true),
    ] {
        let config = SessionConfig::builder().lifetime(lifetime).remember_lifetime(lifetime);
        let site = Site::with(config.build().unwrap());
        let cookie = site.handle(None, async |session| {
            session.login("alice").unwrap();
            remembers(session);
        });
        let cookie = cookie.await;
        site.clock.advance(Duration::from_secs(3600));
        let (inbound, session) = site.request(cookie.as_deref()).await;
        session.insert(VISITS, 1).unwrap();
        let set = set_cookie(inbound.finish(Outcome::Success).await.unwrap());
        assert_eq!(set.is_some(), issued, "{lifetime:?} {set:?}");
        assert!(set.is_none_or(|set| set.contains("Max-Age=86400")));
    }
}
