//! Each kind of damage is found; the index is mended; a damaged record is kept unless it may go.

use crate::damage::{self, Damage};
use crate::program::Home;

#[tokio::test]
async fn a_sound_store_is_said_to_be() {
    let home = Home::with(30).await;
    let found = home.run(&["verify", "--json"]).ended(0).json();
    assert_eq!(
        (&found["sessions"], &found["findings"]),
        (&60.into(), &serde_json::json!([]))
    );
    let text = home.run(&["verify"]).ended(0).out;
    assert_eq!(text, "60 sessions can be read; records and indexes agree\n");
}

#[tokio::test]
async fn of_many_faults_the_first_hundred_are_listed_and_all_are_counted() {
    let home = Home::with(120).await;
    for (damaged, more) in [(0..100, None), (100..103, Some("  and 3 more"))] {
        damage::at_once(&home.store(), Damage::Flipped, damaged);
        let text = home.run(&["verify"]).ended(4).out;
        assert_eq!(
            text.lines().filter(|line| line.starts_with("  ")).count(),
            100 + more.iter().count()
        );
        assert_eq!(text.lines().find(|line| line.contains("more")), more, "{text}");
    }
}

#[tokio::test]
async fn missing_index_entries_are_found_and_mended() {
    for index in ["seen", "deadlines", "owners"] {
        let home = Home::with(30).await;
        damage::remove_index_entry(&home.store(), index, 7);
        let found = home.run(&["verify", "--json"]).ended(4).json();
        assert_eq!(found["findings"][0]["index"], index);
        assert!(found["missing"].as_u64().unwrap() >= 1, "{found}");
        home.run(&["verify", "--repair"]).ended(0);
        home.run(&["verify"]).ended(0);
    }
}

#[tokio::test]
async fn entries_without_a_record_are_found_and_removed() {
    let home = Home::with(30).await;
    damage::remove_record(&home.store(), 7);
    assert_eq!(home.run(&["verify", "--json"]).ended(4).json()["leftover"], 3);
    assert_eq!(home.run(&["verify", "--repair", "--json"]).ended(0).json()["mended"], 3);
    assert_eq!(home.run(&["verify", "--json"]).ended(0).json()["sessions"], 59);
}

#[tokio::test]
async fn damaged_records_are_reported_without_what_they_hold_and_kept() {
    let home = Home::with(30).await;
    damage::at_once(&home.store(), Damage::Flipped, 5..8);
    let ran = home.run(&["verify"]).ended(4);
    assert!(
        ran.out.contains("3: damaged records") && ran.err.contains("3 faults found; run verify --repair"),
        "{}",
        ran.shown()
    );
    let ran = home.run(&["verify", "--repair"]).ended(4);
    assert!(
        ran.err.contains("3 faults found; damaged records are kept"),
        "{}",
        ran.shown()
    );
    let found = home.run(&["verify", "--repair", "--json"]).ended(4).json();
    assert_eq!((&found["damaged"], &found["mended"]), (&3.into(), &0.into()));
    let key = found["findings"][0]["key"].as_str().unwrap();
    assert!(key.len() < 30, "{key} is more than the beginning of a key");
    assert_eq!(home.run(&["stats", "--json"]).ended(0).json()["unreadable"], 3);

    home.run(&["verify", "--repair", "--remove-damaged"]).ended(0);
    assert_eq!(home.run(&["verify", "--json"]).ended(0).json()["sessions"], 57);
}

#[tokio::test]
async fn what_the_engine_cannot_read_is_damage_too() {
    let home = Home::with(3).await;
    std::fs::remove_file(home.store().join("db/version")).unwrap();
    let ran = home.run(&["stats"]).ended(4);
    assert!(ran.err.contains("backup"), "{}", ran.err);
}
