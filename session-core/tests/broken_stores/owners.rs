//! Stores that list or revoke wrongly.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use session_core::{
    Admission, Created, Epoch, Handle, MemoryStore, OwnedPage, Owner, Page, Record, Result, Revoke, Rotated, Rotation,
    Store, StoreKey, Timestamp,
};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Ends the sessions it finds, and lets a login that is under way come in afterwards.
    ForgetsLoginsUnderWay;
    /// The same, for logins by rotation only.
    ForgetsRotationsUnderWay;
    /// Remembers whom the latest revocation spared, and nothing of those before.
    ForgetsEarlierRevocations { spared: Mutex<Option<Handle>> };
    /// Refuses every renewal that began before a revocation, the survivor's too.
    RefusesSurvivors;
    /// Lists what has expired.
    ListsExpired;
    /// Ends all when asked for others.
    SparesNobody;
    /// Counts what had expired.
    CountsExpired;
    /// Puts the cursor's own entry on the next page again.
    RepeatsTheCursor;
    /// Answers the first page, and says that it is the last.
    ForgetsTheRest;
    /// Treats revoke-one as a revocation of logins under way.
    RefusesLoginsAfterOne;
}

#[async_trait]
impl Defect for ForgetsLoginsUnderWay {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        let began = Admission::new(Epoch::new(u64::MAX)).with_limit(admission.limit);
        self.sound.create(key, record, began, now).await
    }
}

#[async_trait]
impl Defect for ForgetsRotationsUnderWay {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, mut rotation: Rotation) -> Result<Rotated> {
        rotation.admission.began = Epoch::new(u64::MAX);
        self.sound.rotate(rotation).await
    }
}

impl ForgetsEarlierRevocations {
    fn spared(&self) -> MutexGuard<'_, Option<Handle>> {
        self.spared.lock().expect("nothing under this lock panics")
    }

    fn admit(&self, record: &Record, admission: &mut Admission) {
        if *self.spared() == Some(record.handle()) {
            admission.began = Epoch::new(u64::MAX);
        }
    }
}

#[async_trait]
impl Defect for ForgetsEarlierRevocations {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn create(&self, key: StoreKey, record: Record, mut admission: Admission, now: Timestamp) -> Result<Created> {
        self.admit(&record, &mut admission);
        self.sound.create(key, record, admission, now).await
    }

    async fn rotate(&self, mut rotation: Rotation) -> Result<Rotated> {
        self.admit(&rotation.record, &mut rotation.admission);
        self.sound.rotate(rotation).await
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        *self.spared() = match which {
            Revoke::Others(kept) => Some(kept),
            _ => None,
        };
        self.sound_index().revoke(owner, which, now).await
    }
}

#[async_trait]
impl Defect for RefusesSurvivors {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        if rotation.record.owner().is_some() && rotation.admission.began < self.epoch() {
            return Ok(Rotated::Revoked);
        }
        self.sound.rotate(rotation).await
    }
}

#[async_trait]
impl Defect for ListsExpired {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn list(&self, owner: &Owner, page: Page, _now: Timestamp) -> Result<OwnedPage> {
        self.sound_index().list(owner, page, Timestamp::default()).await
    }
}

#[async_trait]
impl Defect for SparesNobody {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        let which = if let Revoke::Others(_) = which {
            Revoke::All
        } else {
            which
        };
        self.sound_index().revoke(owner, which, now).await
    }
}

#[async_trait]
impl Defect for CountsExpired {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, _now: Timestamp) -> Result<u64> {
        self.sound_index().revoke(owner, which, Timestamp::default()).await
    }
}

#[async_trait]
impl Defect for RepeatsTheCursor {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        let all = Page {
            after: None,
            limit: usize::MAX,
        };
        let mut sessions = self.sound_index().list(owner, all, now).await?.sessions;
        if let Some(after) = page.after {
            sessions.retain(|found| found.record.created_at() <= after.created_at);
        }
        let more = sessions.len() > page.limit;
        sessions.truncate(page.limit);
        let last = sessions.last().map(|last| session_core::Cursor::of(&last.record));
        let next = last.filter(|_| more);
        Ok(OwnedPage::new(sessions, next))
    }
}

#[async_trait]
impl Defect for ForgetsTheRest {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn list(&self, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        let mut page = self.sound_index().list(owner, page, now).await?;
        page.next = None;
        Ok(page)
    }
}

#[async_trait]
impl Defect for RefusesLoginsAfterOne {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn revoke(&self, owner: &Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        let ended = self.sound_index().revoke(owner, which, now).await?;
        let nobody = session_core::Handle::from_bytes([0; 15]);
        let has_sessions = self
            .sound_index()
            .list(owner, Page { after: None, limit: 1 }, now)
            .await?;
        if matches!(which, Revoke::One(_)) && has_sessions.sessions.is_empty() {
            self.sound_index().revoke(owner, Revoke::Others(nobody), now).await?;
        }
        Ok(ended)
    }
}

#[test]
fn a_store_that_forgets_logins_under_way_is_caught() {
    assert_caught::<ForgetsLoginsUnderWay>(&[
        ("P12", "a_login_that_began_before_a_revocation_is_refused"),
        ("P12", "no_login_outlives_a_revocation_that_it_races_with"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_forgets_rotations_under_way_is_caught() {
    assert_caught::<ForgetsRotationsUnderWay>(&[
        ("P12", "a_login_by_rotation_that_began_before_a_revocation_is_refused"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_forgets_earlier_revocations_is_caught() {
    assert_caught::<ForgetsEarlierRevocations>(&[(
        "P12",
        "a_later_revocation_spares_no_login_that_an_earlier_one_refuses",
    )]);
}

#[test]
fn a_store_that_refuses_survivors_is_caught() {
    assert_caught::<RefusesSurvivors>(&[
        ("P12", "a_survivor_may_be_renewed_with_an_old_epoch"),
        ("P7", "two_requests_in_every_order_of_their_calls"),
    ]);
}

#[test]
fn a_store_that_lists_expired_sessions_is_caught() {
    assert_caught::<ListsExpired>(&[("P8", "an_expired_session_is_not_listed")]);
}

#[test]
fn a_store_that_spares_nobody_is_caught() {
    assert_caught::<SparesNobody>(&[("P12", "revoking_others_spares_the_one_that_is_named")]);
}

#[test]
fn a_store_that_counts_expired_sessions_is_caught() {
    assert_caught::<CountsExpired>(&[("P12", "revoke_counts_live_sessions_only")]);
}

#[test]
fn a_store_that_repeats_the_cursor_is_caught() {
    assert_caught::<RepeatsTheCursor>(&[("P12", "a_page_starts_behind_any_cursor")]);
}

#[test]
fn a_store_that_forgets_the_rest_of_a_list_is_caught() {
    assert_caught::<ForgetsTheRest>(&[("P12", "pages_of_every_size_cover_the_list_exactly")]);
}

#[test]
fn a_store_that_refuses_logins_after_revoking_one_session_is_caught() {
    assert_caught::<RefusesLoginsAfterOne>(&[("P12", "revoking_one_refuses_no_login")]);
}
