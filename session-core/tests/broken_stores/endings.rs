//! Stores that end sessions too late, too early, or not quite.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use session_core::{
    Admission, Backlog, Created, Deleted, MemoryStore, Record, Result, Store, StoreKey, Swept, Timestamp,
};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Serves what has expired until the sweep comes by: the ancestor of this library.
    ServesExpired;
    /// Marks instead of deleting, and only `load` looks at the mark.
    MarksOnDelete { marked: Mutex<HashSet<StoreKey>> };
    /// Sweeps by the deadline that was known at creation.
    SweepsExtended { deadlines: Mutex<HashMap<StoreKey, Timestamp>> };
    /// Removes without end, whatever the limit.
    IgnoresSweepLimit;
    /// Says that there is nothing left when there is.
    HidesBacklog;
    /// Never removes anything.
    NeverSweeps;
    /// Keeps in memory what was loaded once.
    RemembersWhatEnded { loaded: Mutex<HashMap<StoreKey, Record>> };
}

#[async_trait]
impl Defect for ServesExpired {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn load(&self, key: StoreKey, _now: Timestamp) -> Result<Option<Record>> {
        self.sound.load(key, Timestamp::default()).await
    }
}

#[async_trait]
impl Defect for MarksOnDelete {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        let marked = self.marked.lock().expect("nobody panics").contains(&key);
        Ok(self.sound.load(key, now).await?.filter(|_| !marked))
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        let there = self.sound.load(key, Timestamp::default()).await?.is_some();
        let newly = self.marked.lock().expect("nobody panics").insert(key);
        Ok(if there && newly {
            Deleted::Removed
        } else {
            Deleted::Absent
        })
    }
}

#[async_trait]
impl Defect for SweepsExtended {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.deadlines
            .lock()
            .expect("nobody panics")
            .insert(key, record.expires_at());
        self.sound.create(key, record, admission, now).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let due: Vec<StoreKey> = {
            let mut deadlines = self.deadlines.lock().expect("nobody panics");
            let due = deadlines.iter().filter(|(_, deadline)| **deadline <= now);
            let due: Vec<StoreKey> = due.map(|(key, _)| *key).take(limit).collect();
            deadlines.retain(|key, _| !due.contains(key));
            due
        };
        let mut removed = 0;
        for key in &due {
            removed += usize::from(self.sound.delete(*key).await? == Deleted::Removed);
        }
        let backlog = if due.len() < limit {
            Backlog::Empty
        } else {
            Backlog::Remaining
        };
        Ok(Swept::new(removed, backlog))
    }
}

#[async_trait]
impl Defect for IgnoresSweepLimit {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn sweep(&self, now: Timestamp, _limit: usize) -> Result<Swept> {
        self.sound.sweep(now, usize::MAX).await
    }
}

#[async_trait]
impl Defect for HidesBacklog {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let mut swept = self.sound.sweep(now, limit).await?;
        swept.backlog = Backlog::Empty;
        Ok(swept)
    }
}

#[async_trait]
impl Defect for NeverSweeps {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<Swept> {
        Ok(Swept::default())
    }
}

#[async_trait]
impl Defect for RemembersWhatEnded {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        let record = self.sound.load(key, now).await?;
        let mut loaded = self.loaded.lock().expect("nobody panics");
        loaded.extend(record.clone().map(|record| (key, record)));
        Ok(record)
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        let loaded = self.loaded.lock().expect("nobody panics");
        loaded.get(&key).filter(|record| !record.is_expired(now)).cloned()
    }
}

#[test]
fn a_store_that_remembers_what_has_ended_is_caught() {
    assert_caught::<RemembersWhatEnded>(&[("P6", "what_is_in_memory_is_what_load_answers")]);
}

#[test]
fn a_store_that_serves_expired_sessions_is_caught() {
    assert_caught::<ServesExpired>(&[
        ("P8", "an_idle_deadline_holds_to_the_millisecond"),
        ("P8", "an_absolute_deadline_holds_to_the_millisecond"),
    ]);
}

#[test]
fn a_store_that_only_marks_on_delete_is_caught() {
    assert_caught::<MarksOnDelete>(&[
        ("P6", "a_late_replace_does_not_revive_a_deleted_session"),
        ("P6", "a_late_rotation_does_not_revive_a_deleted_session"),
    ]);
}

#[test]
fn a_store_that_sweeps_what_was_extended_is_caught() {
    assert_caught::<SweepsExtended>(&[
        ("P15", "sweep_leaves_what_was_touched"),
        ("P15", "what_replace_has_extended_stays_until_it_ends"),
    ]);
}

#[test]
fn a_store_that_ignores_the_sweep_limit_is_caught() {
    assert_caught::<IgnoresSweepLimit>(&[("P15", "sweep_keeps_its_limit_and_reports_the_rest")]);
}

#[test]
fn a_store_that_hides_its_backlog_is_caught() {
    assert_caught::<HidesBacklog>(&[("P15", "sweep_keeps_its_limit_and_reports_the_rest")]);
}

#[test]
fn a_store_that_never_sweeps_is_caught() {
    assert_caught::<NeverSweeps>(&[("P15", "sweep_removes_only_what_has_expired")]);
}
