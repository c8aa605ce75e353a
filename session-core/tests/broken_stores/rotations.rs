//! Stores that rotate wrongly.

use async_trait::async_trait;
use session_core::{Created, MemoryStore, Result, Rotated, Rotation, Store, Timestamp};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Creates the new key, then deletes the old one: both are alive in between.
    CreatesThenDeletes;
    /// Deletes the old key, then creates the new one: neither is alive in between.
    DeletesThenCreates;
    /// Leaves the old key alive.
    KeepsOldKey;
    /// Moves whatever is at the old key, whatever its revision.
    RotatesAnyRevision;
    /// Serves an expired session its renewal.
    RotatesExpired;
}

/// Whether the session may be moved: what a store in two steps looks at before it goes ahead.
async fn refused(store: &MemoryStore, rotation: &Rotation) -> Result<Option<Rotated>> {
    Ok(match store.load(rotation.old, rotation.now).await? {
        None => Some(Rotated::Gone),
        Some(current) if current.revision() != rotation.expected => Some(Rotated::Conflict(current)),
        Some(_) => None,
    })
}

fn rotated(created: Created) -> Rotated {
    match created {
        Created::Stored => Rotated::Stored,
        Created::Displaced(handles) => Rotated::Displaced(handles),
        Created::Collision => Rotated::Collision,
        Created::Revoked => Rotated::Revoked,
        Created::Full => Rotated::Full,
        other => unreachable!("no store here answers {other:?}"),
    }
}

/// The second half of a rotation in two steps.
async fn store_new(store: &MemoryStore, rotation: &Rotation) -> Result<Created> {
    let Rotation {
        new,
        record,
        admission,
        now,
        ..
    } = rotation;
    store.create(*new, record.clone(), *admission, *now).await
}

#[async_trait]
impl Defect for CreatesThenDeletes {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        if let Some(refused) = refused(&self.sound, &rotation).await? {
            return Ok(refused);
        }
        let created = store_new(&self.sound, &rotation).await?;
        if created == Created::Stored {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            self.sound.delete(rotation.old).await?;
        }
        Ok(rotated(created))
    }
}

#[async_trait]
impl Defect for DeletesThenCreates {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        if let Some(refused) = refused(&self.sound, &rotation).await? {
            return Ok(refused);
        }
        self.sound.delete(rotation.old).await?;
        tokio::task::yield_now().await;
        let created = store_new(&self.sound, &rotation).await?;
        Ok(rotated(created))
    }
}

#[async_trait]
impl Defect for KeepsOldKey {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        if let Some(refused) = refused(&self.sound, &rotation).await? {
            return Ok(refused);
        }
        let created = store_new(&self.sound, &rotation).await?;
        Ok(rotated(created))
    }
}

#[async_trait]
impl Defect for RotatesAnyRevision {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, mut rotation: Rotation) -> Result<Rotated> {
        loop {
            match self.sound.rotate(rotation.clone()).await? {
                Rotated::Conflict(current) => rotation.expected = current.revision(),
                answer => return Ok(answer),
            }
        }
    }
}

#[async_trait]
impl Defect for RotatesExpired {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, mut rotation: Rotation) -> Result<Rotated> {
        rotation.now = Timestamp::default();
        self.sound.rotate(rotation).await
    }
}

#[test]
fn a_store_that_creates_the_new_key_before_it_deletes_the_old_one_is_caught() {
    assert_caught::<CreatesThenDeletes>(&[
        ("P7", "an_abandoned_rotation_leaves_exactly_one_key_alive"),
        ("P7", "of_parallel_rotations_one_wins"),
    ]);
}

#[test]
fn a_store_that_deletes_the_old_key_before_it_creates_the_new_one_is_caught() {
    assert_caught::<DeletesThenCreates>(&[
        ("P7", "an_abandoned_rotation_leaves_exactly_one_key_alive"),
        ("P9", "rotate_keeps_a_later_sighting"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_keeps_the_old_key_is_caught() {
    assert_caught::<KeepsOldKey>(&[("P7", "the_old_key_is_dead_and_the_new_one_holds_the_session")]);
}

#[test]
fn a_store_that_rotates_any_revision_is_caught() {
    assert_caught::<RotatesAnyRevision>(&[
        ("P5", "rotate_with_another_revision_is_a_conflict_that_changes_nothing"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_rotates_an_expired_session_is_caught() {
    assert_caught::<RotatesExpired>(&[("P6", "rotate_finds_an_expired_record_gone")]);
}
