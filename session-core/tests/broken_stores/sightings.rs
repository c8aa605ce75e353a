//! Stores whose reads write, and whose touches write too much or too little.

use async_trait::async_trait;
use session_core::conformance::sample::Sample;
use session_core::{MemoryStore, Record, Replaced, Result, Store, StoreKey, Timestamp, Touched};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Records a sighting at each load: a session store of the old kind.
    MovesSightingOnLoad;
    /// Sets the last sighting to whatever it is told.
    TouchesBackwards;
    /// Writes the whole record at each touch, with a new revision.
    RewritesOnTouch;
    /// Writes the record as it was when the touch began.
    TouchesWithAnOldCopy;
    /// Forgets what it was told.
    ForgetsTouches;
    /// Takes the caller's word for the deadline.
    RevivesOnTouch;
}

#[async_trait]
impl Defect for MovesSightingOnLoad {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        let _ = self.sound.touch(key, now, Timestamp::MAX).await?;
        self.sound.load(key, now).await
    }
}

/// Puts a record in place of the one that is there.
async fn rewrite(store: &MemoryStore, key: StoreKey, record: Record) -> Result<()> {
    store.delete(key).await?;
    let began = store
        .owner_index()
        .map(session_core::OwnerIndex::epoch)
        .unwrap_or_default();
    let _ = store.create(key, record, began.into(), Timestamp::default()).await?;
    Ok(())
}

#[async_trait]
impl Defect for TouchesBackwards {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        let current = self.sound.load(key, seen_at).await?;
        match current.filter(|record| seen_at < record.seen_at()) {
            Some(record) => {
                rewrite(&self.sound, key, Sample::of(&record).seen_at(seen_at).build()).await?;
                Ok(Touched::Recorded)
            }
            None => self.sound.touch(key, seen_at, expires_at).await,
        }
    }
}

#[async_trait]
impl Defect for RewritesOnTouch {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        let answer = self.sound.touch(key, seen_at, expires_at).await?;
        if let Some(record) = self.sound.load(key, seen_at).await? {
            let next = Sample::of(&record).next_revision().build();
            let _ = self.sound.replace(key, record.revision(), next, seen_at).await?;
        }
        Ok(answer)
    }
}

#[async_trait]
impl Defect for TouchesWithAnOldCopy {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, _expires_at: Timestamp) -> Result<Touched> {
        let Some(copy) = self.sound.load(key, seen_at).await? else {
            return Ok(Touched::Gone);
        };
        tokio::task::yield_now().await;
        rewrite(&self.sound, key, copy.seen(seen_at)).await?;
        Ok(Touched::Recorded)
    }
}

#[async_trait]
impl Defect for ForgetsTouches {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, _expires_at: Timestamp) -> Result<Touched> {
        Ok(match self.sound.load(key, seen_at).await? {
            Some(_) => Touched::Recorded,
            None => Touched::Gone,
        })
    }
}

#[async_trait]
impl Defect for RevivesOnTouch {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, _expires_at: Timestamp) -> Result<Touched> {
        let Some(record) = self.sound.load(key, Timestamp::default()).await? else {
            return Ok(Touched::Gone);
        };
        let seen = record.clone().seen(seen_at);
        let replaced = self
            .sound
            .replace(key, record.revision(), seen, Timestamp::default())
            .await?;
        Ok(if replaced == Replaced::Stored {
            Touched::Recorded
        } else {
            Touched::Gone
        })
    }
}

#[test]
fn a_store_whose_load_moves_the_sighting_is_caught() {
    assert_caught::<MovesSightingOnLoad>(&[("P9", "loading_writes_nothing")]);
}

#[test]
fn a_store_that_touches_backwards_is_caught() {
    assert_caught::<TouchesBackwards>(&[("P9", "an_earlier_sighting_changes_nothing")]);
}

#[test]
fn a_store_that_raises_the_revision_on_touch_is_caught() {
    assert_caught::<RewritesOnTouch>(&[("P9", "touch_moves_the_sighting_and_leaves_data_and_revision")]);
}

#[test]
fn a_store_that_touches_with_an_old_copy_is_caught() {
    assert_caught::<TouchesWithAnOldCopy>(&[("P5", "touches_beside_commits_lose_neither")]);
}

#[test]
fn a_store_that_forgets_touches_is_caught() {
    assert_caught::<ForgetsTouches>(&[("P8", "touch_extends_a_sliding_session")]);
}

#[test]
fn a_store_whose_touch_revives_an_expired_session_is_caught() {
    assert_caught::<RevivesOnTouch>(&[("P6", "touch_finds_an_expired_record_gone")]);
}
