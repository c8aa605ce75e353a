//! Stores that show too little or too much of what they hold, or clear it wrongly.

use async_trait::async_trait;
use session_core::{Deleted, InventoryPage, MemoryStore, Result, Store, StoreKey};

use crate::defect::{Defect, defects};
use crate::red::assert_caught;

defects! {
    /// Puts the last session of a page on the next page again.
    StartsAtTheCursor;
    /// Answers the first page, and says that it is the last.
    HidesTheRest;
    /// Deletes page by page, and knows nothing of logins and renewals under way.
    ClearsPageByPage;
    /// Clears what the first page shows.
    ClearsTheFirstPage;
}

/// The key right before.
fn before(key: StoreKey) -> StoreKey {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (lower, borrows) = byte.overflowing_sub(1);
        *byte = lower;
        if !borrows {
            break;
        }
    }
    StoreKey::from_bytes(bytes)
}

async fn delete_all(store: &MemoryStore, page: InventoryPage) -> Result<u64> {
    let mut removed = 0;
    for (key, _) in page.records {
        removed += u64::from(store.delete(key).await? == Deleted::Removed);
        tokio::task::yield_now().await;
    }
    Ok(removed)
}

#[async_trait]
impl Defect for StartsAtTheCursor {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        self.sound_inventory().page(after.map(before), limit).await
    }
}

#[async_trait]
impl Defect for HidesTheRest {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        let mut page = self.sound_inventory().page(after, limit).await?;
        page.next = None;
        Ok(page)
    }
}

#[async_trait]
impl Defect for ClearsPageByPage {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn clear(&self) -> Result<u64> {
        let mut removed = 0;
        let mut after = None;
        loop {
            let page = self.sound_inventory().page(after, 10).await?;
            after = page.next;
            removed += delete_all(&self.sound, page).await?;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}

#[async_trait]
impl Defect for ClearsTheFirstPage {
    fn sound(&self) -> &MemoryStore {
        &self.sound
    }

    async fn clear(&self) -> Result<u64> {
        let page = self.sound_inventory().page(None, 128).await?;
        delete_all(&self.sound, page).await
    }
}

#[test]
fn a_store_that_repeats_the_cursors_own_session_is_caught() {
    assert_caught::<StartsAtTheCursor>(&[
        ("P12", "pages_of_every_size_show_every_session_once"),
        ("P12", "an_inventory_page_starts_behind_any_key"),
    ]);
}

#[test]
fn a_store_that_hides_the_rest_of_its_inventory_is_caught() {
    assert_caught::<HidesTheRest>(&[("P12", "pages_of_every_size_show_every_session_once")]);
}

#[test]
fn a_store_that_clears_page_by_page_is_caught() {
    assert_caught::<ClearsPageByPage>(&[
        ("P12", "a_login_that_began_before_a_clearing_is_refused"),
        ("P11", "no_session_outlives_a_clearing_by_being_renewed"),
    ]);
}

#[test]
fn a_store_that_clears_a_part_is_caught() {
    assert_caught::<ClearsTheFirstPage>(&[("P11", "clearing_ends_every_session")]);
}
