//! Stores that create or replace wrongly.

use async_trait::async_trait;
use session_core::{
    Admission, Created, Deleted, Epoch, MemoryStore, Record, Replaced, Result, Revision, Store, StoreKey, Timestamp,
};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Saves whatever it is given: what most session middleware does.
    UpsertsOnReplace;
    /// Saves over whatever is there, if something is there.
    IgnoresRevision;
    /// Looks, then writes: two steps.
    ComparesThenSets;
    /// Takes the sighting of the record it was given, also if a later one was recorded.
    TakesSightingBack;
    /// Overwrites on create.
    OverwritesOnCreate;
}

/// Puts a record in place of whatever is under the key.
async fn overwrite(store: &MemoryStore, key: StoreKey, record: Record, began: Epoch) -> Result<Created> {
    store.delete(key).await?;
    store.create(key, record, began.into(), Timestamp::default()).await
}

#[async_trait]
impl Defect for UpsertsOnReplace {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        match self.sound.replace(key, expected, record.clone(), now).await? {
            Replaced::Gone => {
                let _: Created = overwrite(&self.sound, key, record, self.epoch()).await?;
                Ok(Replaced::Stored)
            }
            answer => Ok(answer),
        }
    }
}

#[async_trait]
impl Defect for IgnoresRevision {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        let mut expected = expected;
        loop {
            match self.sound.replace(key, expected, record.clone(), now).await? {
                Replaced::Conflict(current) => expected = current.revision(),
                answer => return Ok(answer),
            }
        }
    }
}

#[async_trait]
impl Defect for ComparesThenSets {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        match self.sound.load(key, now).await? {
            None => return Ok(Replaced::Gone),
            Some(current) if current.revision() != expected => return Ok(Replaced::Conflict(current)),
            Some(_) => tokio::task::yield_now().await,
        }
        let _: Created = overwrite(&self.sound, key, record, self.epoch()).await?;
        Ok(Replaced::Stored)
    }
}

#[async_trait]
impl Defect for TakesSightingBack {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        let answer = self.sound.replace(key, expected, record.clone(), now).await?;
        if answer == Replaced::Stored && self.sound.delete(key).await? == Deleted::Removed {
            let _ = self.sound.create(key, record, self.epoch().into(), now).await?;
        }
        Ok(answer)
    }
}

#[async_trait]
impl Defect for OverwritesOnCreate {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        match self.sound.create(key, record.clone(), admission, now).await? {
            Created::Collision => overwrite(&self.sound, key, record, admission.began).await,
            answer => Ok(answer),
        }
    }
}

#[test]
fn a_store_that_upserts_on_replace_is_caught() {
    assert_caught::<UpsertsOnReplace>(&[
        ("P6", "replace_never_creates"),
        ("P6", "a_late_replace_does_not_revive_a_deleted_session"),
    ]);
}

#[test]
fn a_store_that_ignores_the_revision_is_caught() {
    assert_caught::<IgnoresRevision>(&[
        (
            "P5",
            "another_revision_is_a_conflict_that_hands_back_the_current_record",
        ),
        ("P5", "sixty_four_parallel_increments_make_sixty_four"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_compares_and_then_sets_is_caught() {
    assert_caught::<ComparesThenSets>(&[("P5", "of_parallel_replaces_with_one_revision_one_wins")]);
}

#[test]
fn a_store_that_takes_a_sighting_back_is_caught() {
    assert_caught::<TakesSightingBack>(&[("P9", "replace_keeps_a_later_sighting")]);
}

#[test]
fn a_store_that_overwrites_on_create_is_caught() {
    assert_caught::<OverwritesOnCreate>(&[("P7", "a_key_that_is_taken_is_a_collision")]);
}
