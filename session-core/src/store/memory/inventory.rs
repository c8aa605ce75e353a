//! The inventory of [`MemoryStore`]. Shards are in the order of keys, and so is what each shows.

use std::collections::HashMap;

use async_trait::async_trait;

use super::shard::{SHARDS, Shard, shard_of};
use super::{MemoryStore, lock};
use crate::error::Result;
use crate::id::StoreKey;
use crate::store::{Inventory, InventoryPage};

impl MemoryStore {
    fn page_now(&self, after: Option<StoreKey>, limit: usize) -> InventoryPage {
        let limit = limit.max(1);
        let mut page = InventoryPage::default();
        for shard in &self.shards[after.map_or(0, shard_of)..] {
            // One more, to know whether there is a next page.
            let most = limit + 1 - page.records.len();
            page.records.extend(lock(shard).page(after, most));
            if page.records.len() > limit {
                page.records.truncate(limit);
                page.next = page.records.last().map(|(key, _)| *key);
                return page;
            }
        }
        page
    }

    /// Takes everything out at one moment: a session that is being renewed is in one shard or in another, and none slips through.
    fn take_all(&self) -> Vec<Shard> {
        let _turn = lock(&self.turn);
        let mut owners: Vec<_> = self.owners.iter().map(lock).collect();
        let mut shards: Vec<_> = self.shards.iter().map(lock).collect();
        let epoch = self.revocations.begin_all();
        for owners in &mut owners {
            **owners = HashMap::new();
        }
        let taken = shards.iter_mut().map(|shard| std::mem::take(&mut **shard)).collect();
        self.revocations.publish(epoch);
        taken
    }
}

#[async_trait]
impl Inventory for MemoryStore {
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage> {
        Ok(self.page_now(after, limit))
    }

    async fn clear(&self) -> Result<u64> {
        let taken = self.take_all();
        debug_assert_eq!(taken.len(), SHARDS);
        let mut removed = 0;
        for shard in taken {
            removed += shard.entries.len() as u64;
            drop(shard);
            // Freeing a million records takes a while.
            tokio::task::yield_now().await;
        }
        Ok(removed)
    }
}
