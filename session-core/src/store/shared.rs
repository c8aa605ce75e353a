//! A store behind an [`Arc`] is a store: for those who keep a handle of their own. Each method hands on the future of the store
//! itself, without a box of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Admission, Created, Deleted, Inventory, OwnerIndex, Replaced, Rotated, Rotation, Store, Swept, Touched};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::StoreKey;
use crate::record::{Record, Revision};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl<S: Store + ?Sized> Store for Arc<S> {
    fn create<'s, 'a>(
        &'s self,
        key: StoreKey,
        record: Record,
        admission: Admission,
        now: Timestamp,
    ) -> Answer<'a, Created>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).create(key, record, admission, now)
    }

    fn load<'s, 'a>(&'s self, key: StoreKey, now: Timestamp) -> Answer<'a, Option<Record>>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).load(key, now)
    }

    fn load_cached(&self, key: StoreKey, now: Timestamp) -> Option<Record> {
        (**self).load_cached(key, now)
    }

    fn replace<'s, 'a>(
        &'s self,
        key: StoreKey,
        expected: Revision,
        record: Record,
        now: Timestamp,
    ) -> Answer<'a, Replaced>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).replace(key, expected, record, now)
    }

    fn rotate<'s, 'a>(&'s self, rotation: Rotation) -> Answer<'a, Rotated>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).rotate(rotation)
    }

    fn touch<'s, 'a>(&'s self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Answer<'a, Touched>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).touch(key, seen_at, expires_at)
    }

    fn delete<'s, 'a>(&'s self, key: StoreKey) -> Answer<'a, Deleted>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).delete(key)
    }

    fn sweep<'s, 'a>(&'s self, now: Timestamp, limit: usize) -> Answer<'a, Swept>
    where
        's: 'a,
        Self: 'a,
    {
        (**self).sweep(now, limit)
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        (**self).owner_index()
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        (**self).inventory()
    }
}
