//! What is counted, listed, shown and ended.

use std::collections::BTreeSet;

use session_core::{Handle, Inventory, Store};

use crate::damage;
use crate::program::{Home, live, now};
use crate::support::{at, key, sample};

#[tokio::test]
async fn stats_count_what_is_stored() {
    let home = Home::with(30).await;
    let stats = home.run(&["stats", "--json"]).ended(0).json();
    for (name, expected) in [
        ("sessions", 30),
        ("signed_in", 30),
        ("owners", 10),
        ("expired", 30),
        ("unreadable", 0),
    ] {
        assert_eq!(stats[name], expected, "{name}: {stats}");
    }
    assert!(stats["disk_bytes"].as_u64().unwrap() > stats["record_bytes"].as_u64().unwrap());
    // Without the `Z`, which would come after the digits of a fraction, text is in the order of time.
    let moment = |name: &str| stats[name].as_str().unwrap().trim_end_matches('Z').to_owned();
    assert!(moment("oldest") <= moment("newest"), "{stats}");
}

#[tokio::test]
async fn stats_are_shown_with_what_cannot_be_read_if_there_is_any() {
    let home = Home::with(30).await;
    for damaged in [0, 2] {
        damage::at_once(&home.store(), damage::Damage::Flipped, 0..damaged);
        let bytes = home.run(&["stats", "--json"]).ended(0).json()["record_bytes"]
            .as_u64()
            .unwrap();
        let text = home.run(&["stats"]).ended(0).out;
        let shown = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim)
        };
        assert_eq!(
            shown("live sessions"),
            Some((30 - damaged).to_string().as_str()),
            "{text}"
        );
        assert_eq!(shown("expired, not swept"), Some("30"), "{text}");
        assert_eq!(shown("average"), Some(format!("{} B", bytes / 60).as_str()), "{text}");
        assert_eq!(shown("unreadable: run verify"), (damaged > 0).then_some("2"), "{text}");
    }
}

#[tokio::test]
async fn pages_list_every_live_session_once() {
    let home = Home::with(30).await;
    let mut seen = BTreeSet::new();
    let mut after: Option<String> = None;
    let mut pages = 0;
    loop {
        let mut arguments = vec!["list", "--json", "--limit", "7"];
        if let Some(after) = &after {
            arguments.push("--after");
            arguments.push(after);
        }
        let page = home.run(&arguments).ended(0).json();
        for session in page["sessions"].as_array().unwrap() {
            assert_eq!(session["expired"], false);
            assert!(seen.insert(session["handle"].as_str().unwrap().to_owned()), "{session}");
        }
        pages += 1;
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (30, 5));
}

#[tokio::test]
async fn an_owners_sessions_and_expired_ones_are_listed_on_demand() {
    let home = Home::with(30).await;
    let first = home
        .run(&["list", "--json", "--owner", "user 3", "--limit", "2"])
        .ended(0)
        .json();
    let next = first["next"].as_str().unwrap();
    let rest = home
        .run(&["list", "--json", "--owner", "user 3", "--after", next])
        .ended(0)
        .json();
    let listed = |page: &serde_json::Value| page["sessions"].as_array().unwrap().clone();
    assert_eq!((listed(&first).len(), listed(&rest).len()), (2, 1));
    for session in listed(&first).iter().chain(&listed(&rest)) {
        assert_eq!(session["owner"], "user 3");
    }
    let expired = listed(&home.run(&["list", "--json", "--expired"]).ended(0).json());
    assert_eq!(expired.len(), 30);
    assert!(expired.iter().all(|session| session["expired"] == true));
}

#[tokio::test]
async fn a_list_is_a_table_that_obeys_no_user() {
    let home = Home::with(0).await;
    let evil = live(1).owner("bob\u{1b}[2J\nroot");
    home.put([(1, evil)].into_iter()).await;
    let text = home.run(&["list"]).ended(0).out;
    assert!(text.starts_with("HANDLE") || text.starts_with(" HANDLE"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("bob"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[tokio::test]
async fn a_session_is_shown_by_its_handle() {
    let home = Home::with(10).await;
    let handle = live(4).handle().to_string();
    let shown = home.run(&["show", &handle, "--json"]).ended(0).json();
    assert_eq!(
        (&shown["handle"], &shown["owner"]),
        (&handle.as_str().into(), &"user 4".into())
    );
    let text = home.run(&["show", &handle]).ended(0).out;
    for (name, value) in [
        ("handle", handle.as_str()),
        ("owner", "user 4"),
        ("label", "–"),
        ("idle timeout", "36000s"),
        ("cookie", "browser"),
        ("commits", "1"),
    ] {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        assert!(
            line.is_some_and(|line| line.trim_end().ends_with(value)),
            "{name}: {text}"
        );
    }
    let absent = Handle::from_bytes([9; 15]).to_string();
    let ran = home.run(&["show", &absent]).ended(5);
    assert!(ran.err.contains(&absent), "{}", ran.err);
}

#[tokio::test]
async fn sessions_are_ended_one_by_one_by_owner_and_all() {
    let home = Home::with(30).await;
    let handle = live(4).handle().to_string();
    assert_eq!(home.run(&["revoke", &handle, "--json"]).ended(0).json()["revoked"], 1);
    home.run(&["revoke", &handle]).ended(5);
    // Of nobody, and expired: there, but not live.
    let nobody = sample(1004).handle().to_string();
    assert_eq!(home.run(&["revoke", &nobody, "--json"]).ended(0).json()["revoked"], 0);
    assert_eq!(
        home.run(&["revoke", "--owner", "user 3", "--json"]).ended(0).json()["revoked"],
        3
    );
    // Only a list that leads nowhere gives rise to doubts.
    let ran = home.run(&["revoke", "--owner", "user 5"]).ended(0);
    assert_eq!(ran.out, "ended 3 live sessions\n");
    {
        let store = home.open();
        assert_eq!(store.verify().unwrap(), 60 - 2 - 3 - 3);
        store.close().await.unwrap();
    }
    assert_eq!(
        home.run(&["revoke", "--all", "--yes", "--json"]).ended(0).json()["removed"],
        52
    );
    assert_eq!(home.open().verify().unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_is_missing_in_its_owners_list_ends_by_its_handle() {
    let home = Home::with(3).await;
    damage::remove_index_entry(&home.store(), "owners", 1);
    let handle = live(1).handle().to_string();
    // Its owner's list does not know it, and says where to look.
    let ran = home.run(&["revoke", "--owner", "user 1"]).ended(0);
    assert!(
        ran.out.contains("ended 0") && ran.out.contains("verify"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.run(&["revoke", &handle, "--json"]).ended(0).json()["revoked"], 1);
    assert!(home.open().load(key(1), at(now())).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_is_stored_twice_ends_by_its_handle() {
    let home = Home::with(3).await;
    let twice = live(50).owner("user 1");
    home.put([(50, twice.clone()), (100, twice)].into_iter()).await;
    let ran = home.run(&["verify", "--repair"]).ended(4);
    let handle = live(50).handle().to_string();
    assert!(
        ran.out.contains(&handle) && ran.err.contains("revoke"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.run(&["revoke", &handle, "--json"]).ended(0).json()["revoked"], 2);
    home.run(&["verify"]).ended(0);
    assert_eq!(home.open().verify().unwrap(), 6);
}

#[tokio::test]
async fn a_sweep_removes_what_has_expired() {
    let home = Home::with(30).await;
    assert_eq!(home.run(&["sweep", "--json"]).ended(0).json()["removed"], 30);
    assert_eq!(home.run(&["sweep"]).ended(0).out.trim(), "removed 0 expired sessions");
    let store = home.open();
    assert_eq!(store.verify().unwrap(), 30);
    assert_eq!(store.page(None, 100).await.unwrap().records.len(), 30);
}
