//! Stores that count an owner's sessions wrongly.

use async_trait::async_trait;
use session_core::{
    Admission, Created, Handle, MemoryStore, Owned, Owner, OwnerIndex, Page, Record, Result, Revoke, Room, Rotated,
    Rotation, Store, StoreKey, Timestamp,
};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Stores every login, whatever the limit.
    IgnoresLimits;
    /// Counts, and then stores in a step of its own.
    CountsFirst;
    /// Counts what has expired.
    CountsExpired;
    /// Ends the newest sessions to make room.
    EndsNewest;
    /// Counts a renewal, and a login to the same session, as one more.
    CountsTwice;
    /// Ends older sessions before it looks whether the login is let in.
    EndsFirst;
    /// Limits logins by create only.
    ForgetsRotations;
    /// Ends one session, however many there are too many.
    EndsOne;
}

const ALL: Page = Page {
    after: None,
    limit: usize::MAX,
};

async fn others(store: &MemoryStore, owner: &Owner, now: Timestamp) -> Result<Vec<Owned>> {
    Ok(store.list(owner, ALL, now).await?.sessions)
}

async fn end(store: &MemoryStore, owner: &Owner, chosen: &[Owned], now: Timestamp) -> Result<Vec<Handle>> {
    let mut handles = Vec::new();
    for found in chosen {
        let handle = found.record.handle();
        store.revoke(owner, Revoke::One(handle), now).await?;
        handles.push(handle);
    }
    Ok(handles)
}

fn unlimited(admission: Admission) -> Admission {
    admission.began.into()
}

fn with(created: Created, ended: Vec<Handle>) -> Created {
    match created {
        Created::Stored if !ended.is_empty() => Created::Displaced(ended),
        created => created,
    }
}

#[async_trait]
impl Defect for IgnoresLimits {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.sound.create(key, record, unlimited(admission), now).await
    }
}

#[async_trait]
impl Defect for CountsFirst {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let mut ended = Vec::new();
        if let Some(owner) = record.owner() {
            let others = others(&self.sound, owner, now).await?;
            match admission.room(others.len()) {
                Room::Free => {}
                Room::AfterEnding(excess) => {
                    ended = end(&self.sound, owner, &others[others.len() - excess..], now).await?;
                }
                Room::None => return Ok(Created::Full),
            }
            tokio::task::yield_now().await;
        }
        let created = self.sound.create(key, record, unlimited(admission), now).await?;
        Ok(with(created, ended))
    }
}

#[async_trait]
impl Defect for CountsExpired {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, _now: Timestamp) -> Result<Created> {
        self.sound.create(key, record, admission, Timestamp::default()).await
    }
}

#[async_trait]
impl Defect for EndsNewest {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let mut ended = Vec::new();
        if let Some(owner) = record.owner() {
            let others = others(&self.sound, owner, now).await?;
            if let Room::AfterEnding(excess) = admission.room(others.len()) {
                ended = end(&self.sound, owner, &others[..excess], now).await?;
            }
        }
        let created = self.sound.create(key, record, admission, now).await?;
        Ok(with(created, ended))
    }
}

#[async_trait]
impl Defect for CountsTwice {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        if let Some(owner) = rotation.record.owner() {
            let others = others(&self.sound, owner, rotation.now).await?;
            if rotation.admission.room(others.len()) == Room::None {
                return Ok(Rotated::Full);
            }
        }
        self.sound.rotate(rotation).await
    }
}

#[async_trait]
impl Defect for EndsFirst {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let mut ended = Vec::new();
        if let Some(owner) = record.owner() {
            let others = others(&self.sound, owner, now).await?;
            if let Room::AfterEnding(excess) = admission.room(others.len()) {
                ended = end(&self.sound, owner, &others[others.len() - excess..], now).await?;
            }
        }
        let created = self.sound.create(key, record, admission, now).await?;
        Ok(with(created, ended))
    }
}

#[async_trait]
impl Defect for ForgetsRotations {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, mut rotation: Rotation) -> Result<Rotated> {
        rotation.admission = unlimited(rotation.admission);
        self.sound.rotate(rotation).await
    }
}

#[async_trait]
impl Defect for EndsOne {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let mut ended = Vec::new();
        if let Some(owner) = record.owner() {
            let others = others(&self.sound, owner, now).await?;
            if let Room::AfterEnding(_) = admission.room(others.len()) {
                ended = end(&self.sound, owner, &others[others.len() - 1..], now).await?;
                let created = self.sound.create(key, record, unlimited(admission), now).await?;
                return Ok(with(created, ended));
            }
        }
        let created = self.sound.create(key, record, admission, now).await?;
        Ok(with(created, ended))
    }
}

#[test]
fn a_store_that_ignores_limits_is_caught() {
    assert_caught::<IgnoresLimits>(&[
        ("P12", "a_login_beyond_the_limit_is_refused_and_changes_nothing"),
        ("P12", "a_login_beyond_the_limit_ends_exactly_the_oldest"),
        ("P12", "of_64_parallel_logins_as_many_stay_as_the_limit_allows"),
    ]);
}

#[test]
fn a_store_that_counts_before_it_stores_is_caught() {
    assert_caught::<CountsFirst>(&[
        ("P12", "of_64_parallel_logins_as_many_succeed_as_the_limit_allows"),
        ("P12", "of_64_parallel_logins_as_many_stay_as_the_limit_allows"),
    ]);
}

#[test]
fn a_store_that_limits_by_expired_sessions_is_caught() {
    assert_caught::<CountsExpired>(&[("P12", "expired_sessions_do_not_count")]);
}

#[test]
fn a_store_that_ends_the_newest_sessions_is_caught() {
    assert_caught::<EndsNewest>(&[("P12", "a_login_beyond_the_limit_ends_exactly_the_oldest")]);
}

#[test]
fn a_store_that_counts_a_session_twice_is_caught() {
    assert_caught::<CountsTwice>(&[("P12", "a_renewal_and_a_login_to_the_same_session_do_not_count")]);
}

#[test]
fn a_store_that_ends_sessions_for_a_login_that_it_refuses_is_caught() {
    assert_caught::<EndsFirst>(&[
        ("P12", "a_login_that_a_revocation_refuses_ends_nothing"),
        ("P12", "a_collision_ends_nothing"),
    ]);
}

#[test]
fn a_store_that_limits_no_rotation_is_caught() {
    assert_caught::<ForgetsRotations>(&[
        ("P12", "a_login_beyond_the_limit_is_refused_and_changes_nothing"),
        (
            "P12",
            "a_change_of_owner_counts_for_the_new_one_and_frees_room_of_the_old_one",
        ),
    ]);
}

#[test]
fn a_store_that_ends_one_session_where_more_are_too_many_is_caught() {
    assert_caught::<EndsOne>(&[("P12", "a_limit_that_was_lowered_ends_as_many_as_it_takes")]);
}
