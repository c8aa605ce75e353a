//! What a recorder of the `metrics` facade is told, over a run in which everything happens that has a name.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use session_core::conformance::store::Operation;
use session_core::{CleanerPolicy, Clock, EngineBuilder, Outcome, Owner, OwnerLimit, SessionConfig};

use crate::site::{Site, VISITS};

const PERIOD: Duration = Duration::from_secs(60);

/// What was recorded: name and labels, kind, and value; of a histogram, how many values.
type Recorded = BTreeMap<String, (MetricKind, f64)>;

fn recorded(snapshotter: &Snapshotter) -> Recorded {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    let shown = snapshot.map(|(key, _unit, _description, value)| {
        let labels: Vec<String> = key
            .key()
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        let name = [&[key.key().name().to_owned()], labels.as_slice()].concat().join(" ");
        (name, (key.kind(), value))
    });
    shown.collect()
}

/// Runs a scenario on a thread whose metrics go to a recorder of its own.
fn record(scenario: impl AsyncFnOnce()) -> Recorded {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(scenario()));
    recorded(&snapshotter)
}

/// Everything that has a name happens.
async fn eventful_day() {
    let config = SessionConfig::builder()
        .owner_limit(OwnerLimit::end_oldest(2).unwrap())
        .cleaner(CleanerPolicy::every(PERIOD))
        .build()
        .unwrap();
    let site = Site::built(config, EngineBuilder::metrics);
    let sessions = site.engine.sessions().unwrap();
    let login = async |owner: &str| site.handle(None, async |session| session.login(owner).unwrap()).await;
    let set = |number| async move |session: &session_core::Session| session.insert(VISITS, number).unwrap();

    for _ in 0..3 {
        login("alice-the-secret-owner").await;
    }
    let bob = login("bob").await;
    let bob = site.handle(bob.as_deref(), async |session| session.renew()).await;
    site.handle(bob.as_deref(), async |session| session.logout()).await;
    sessions
        .revoke_all(&Owner::new("alice-the-secret-owner").unwrap())
        .await
        .unwrap();
    site.handle(Some("__Host-session=forged"), async |_| {}).await;

    let visitor = site.handle(None, set(1)).await;
    let (inbound, session) = site.request(visitor.as_deref()).await;
    session.insert(VISITS, 2).unwrap();
    site.handle(visitor.as_deref(), set(3)).await;
    drop(inbound.finish(Outcome::Success).await.unwrap());

    site.faults.fail_next(Operation::Load, 1);
    let (_inbound, access) = site.engine.begin();
    access.session(visitor.as_deref().map(str::as_bytes)).await.unwrap_err();

    site.clock.advance(Duration::from_secs(20 * 3600));
    site.handle(None, set(4)).await;
    login("carol").await;
    site.clock.advance(Duration::from_secs(5 * 3600));
    sessions.stats().await.unwrap();
    site.faults.fail_next(Operation::Sweep, 1);
    tokio::time::sleep(4 * PERIOD).await;
    sessions.revoke_everyone().await.unwrap();
}

#[test]
fn every_name_of_the_table_is_seen_with_its_value() {
    let recorded = record(eventful_day);
    let value = |name: &str| recorded.get(name).map(|(_, value)| *value);
    for (name, expected) in [
        ("session_created_total", 7.0),
        ("session_signed_in_total", 5.0),
        ("session_renewed_total", 1.0),
        ("session_destroyed_total", 1.0),
        ("session_displaced_total", 1.0),
        ("session_revoked_total", 2.0),
        ("session_cleared_total", 2.0),
        ("session_expired_total", 1.0),
        ("session_token_rejected_total", 1.0),
        ("session_commit_conflict_total", 1.0),
        ("session_store_error_total operation=load kind=unavailable", 1.0),
        ("session_store_error_total operation=sweep kind=unavailable", 1.0),
        ("session_store_duration_seconds operation=create", 7.0),
        ("session_store_duration_seconds operation=rotate", 1.0),
        ("session_store_duration_seconds operation=delete", 1.0),
        ("session_store_duration_seconds operation=replace", 3.0),
        ("session_store_duration_seconds operation=revoke", 1.0),
        ("session_store_duration_seconds operation=page", 1.0),
        ("session_store_duration_seconds operation=clear", 1.0),
        ("session_cleaner_error_total", 1.0),
        ("session_live", 2.0),
        ("session_owners", 1.0),
        ("session_unswept", 1.0),
    ] {
        assert_eq!(value(name), Some(expected), "{name} in {recorded:#?}");
    }
    let names: Vec<&str> = recorded.keys().filter_map(|name| name.split(' ').next()).collect();
    for (name, kind) in table() {
        assert!(names.contains(&name), "{name} was never recorded");
        let of_another_kind = recorded
            .iter()
            .find(|(full, (is, _))| full.split(' ').next() == Some(name) && format!("{is:?}").to_lowercase() != kind);
        assert!(of_another_kind.is_none(), "{of_another_kind:?} is no {kind}");
    }
    for name in names {
        assert!(table().any(|(listed, _)| listed == name), "{name} is not in the table");
    }
}

/// Names and kinds in the documentation of the module.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = include_str!("../../src/metrics.rs").lines();
    rows.filter_map(|row| {
        let mut cells = row.strip_prefix("//! | `")?.split('|');
        Some((cells.next()?.trim().trim_end_matches('`'), cells.next()?.trim()))
    })
}

#[test]
fn no_label_holds_anything_of_a_visitor() {
    let recorded = record(eventful_day);
    let known = [
        "operation=create",
        "operation=load",
        "operation=replace",
        "operation=rotate",
        "operation=touch",
        "operation=delete",
        "operation=sweep",
        "operation=list",
        "operation=revoke",
        "operation=page",
        "operation=clear",
        "kind=unavailable",
    ];
    for name in recorded.keys() {
        for label in name.split(' ').skip(1) {
            assert!(known.contains(&label), "{label}");
        }
    }
}

#[test]
fn the_last_sweep_that_left_nothing_is_told_in_seconds() {
    let recorded = record(async || {
        let site = Site::built(SessionConfig::default(), EngineBuilder::metrics);
        site.clock.advance(Duration::from_millis(1500));
        let _ = site.engine.store().sweep(site.clock.now(), 10).await.unwrap();
        site.clock.advance(Duration::from_secs(60));
        site.faults.fail_next(Operation::Sweep, 1);
        site.engine.store().sweep(site.clock.now(), 10).await.unwrap_err();
    });
    let expected = session_core::ManualClock::default().now().unix_millis() as f64 / 1000.0 + 1.5;
    let seen = recorded.get("session_cleaner_last_success_timestamp_seconds");
    assert_eq!(seen.map(|(_, value)| *value), Some(expected));
}

#[test]
fn an_engine_that_was_not_asked_records_nothing() {
    let recorded = record(async || {
        let site = Site::new();
        site.handle(None, async |session| session.login("alice").unwrap()).await;
        site.engine.sessions().unwrap().stats().await.unwrap();
    });
    assert!(recorded.is_empty(), "{recorded:?}");
}

#[test]
fn the_guide_to_metrics_knows_no_other_names() {
    let guide = include_str!("../../../docs/metrics.md");
    let words = guide.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let mut named = 0;
    for word in words.filter(|word| word.starts_with("session_") && *word != "session_core") {
        let name = word.trim_end_matches("_count");
        assert!(table().any(|(listed, _)| listed == name), "{word}");
        named += 1;
    }
    assert!(named > 3);
}
