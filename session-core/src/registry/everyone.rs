//! The sessions of everybody, for administrators: on the store's [`Inventory`]. Whatever is asked for here walks over the whole store, or
//! a page of it; no request of a visitor should.

use std::collections::HashSet;

use super::{PAGE, SessionInfo, Sessions};
use crate::clock::Timestamp;
use crate::engine::{Whose, unsupported_inventory};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::id::{Handle, Owner, StoreKey};
use crate::record::Record;
use crate::store::{Deleted, Inventory, InventoryCursor, Revoke};

/// What a store holds, as [`Sessions::stats`] counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Sessions that are live.
    pub sessions: u64,
    /// Live sessions that somebody is signed in to.
    pub signed_in: u64,
    /// Owners of live sessions.
    pub owners: u64,
    /// Sessions that have expired and wait to be swept.
    pub expired: u64,
    /// Records that cannot be read.
    pub unreadable: u64,
    /// When the oldest live session began.
    pub oldest: Option<Timestamp>,
    /// When the newest live session began.
    pub newest: Option<Timestamp>,
}

/// One page of everybody's sessions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EveryonePage {
    /// Live sessions with their owners, in an order that means nothing. The last page may be empty, and so may any other: what has
    /// expired is left out.
    pub sessions: Vec<OwnedSession>,
    /// Where to continue; `None` at the end.
    pub next: Option<InventoryCursor>,
}

/// A session, and whose it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedSession {
    /// Who is signed in; `None` for a visitor.
    pub owner: Option<Owner>,
    /// What may be shown of it.
    pub info: SessionInfo,
}

/// Attempts to end a session that is renewed between being found and being ended.
const ATTEMPTS: usize = 3;

impl Sessions {
    /// Counts what is stored, page by page.
    ///
    /// Walks over everything: some seconds for a million sessions of the embedded store, in steps between which others run, and
    /// some 16 bytes of memory for each owner. Not as of one moment: what is renewed meanwhile may count twice or not at all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the store has no inventory; else the store's own.
    pub async fn stats(&self) -> Result<SessionStats> {
        let mut stats = SessionStats::default();
        // Eight bytes of a hash tell owners apart well enough for a count.
        let mut owners: HashSet<[u8; 8]> = HashSet::new();
        let now = self.engine.now();
        let mut after = None;
        loop {
            let page = self.inventory()?.page(after, PAGE).await?;
            stats.unreadable += page.unreadable.len() as u64;
            for (_, record) in &page.records {
                if record.is_expired(now) {
                    stats.expired += 1;
                    continue;
                }
                stats.add(record);
                if let Some(owner) = record.owner()
                    && let Some(start) = owner.index_key().first_chunk()
                {
                    owners.insert(*start);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        stats.owners = owners.len() as u64;
        self.engine.tell(Event::Counted { stats: &stats });
        Ok(stats)
    }

    /// One page of everybody's live sessions; at most `limit`, at least 1.
    ///
    /// A session that is neither renewed nor ended during the walk is on exactly one page.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub async fn everyone(&self, after: Option<InventoryCursor>, limit: usize) -> Result<EveryonePage> {
        let page = self.inventory()?.page(after.map(InventoryCursor::key), limit).await?;
        let now = self.engine.now();
        let live = page.records.iter().filter(|(_, record)| !record.is_expired(now));
        Ok(EveryonePage {
            sessions: live.map(|(_, record)| OwnedSession::of(record)).collect(),
            next: page.next.map(InventoryCursor::behind),
        })
    }

    /// The live session of that handle, whoever its owner is.
    ///
    /// There is no index by handle, so this walks until it finds it: up to some seconds for a million sessions of the embedded
    /// store. If the owner is known, use [`list`](Self::list). A session that is renewed while the walk comes by may be missed; ask again.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub async fn find(&self, handle: Handle) -> Result<Option<OwnedSession>> {
        let found = self.search(handle).await?;
        Ok(found.map(|(_, record)| OwnedSession::of(&record)))
    }

    /// Ends the session of that handle, whoever its owner is; answers whether it was live. Costs what [`find`](Self::find) costs, and
    /// twice that if there is none: it looks again, for a session that was renewed while the first walk came by.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if it was renewed between being found and being ended, three times over; and as [`stats`](Self::stats).
    /// The session may then still be live.
    pub async fn revoke_handle(&self, handle: Handle) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let found = match self.search(handle).await? {
                // A renewal may have carried it past the walk.
                None => self.search(handle).await?,
                found => found,
            };
            let Some((key, record)) = found else {
                return Ok(false);
            };
            // By its owner's list it is found also if it is renewed at this moment.
            if let Some(owner) = record.owner()
                && self.engine.store().owner_index().is_some()
                && self.end(owner, Revoke::One(handle)).await? > 0
            {
                return Ok(true);
            }
            let wake = self.engine.watchers().wake_after(Whose::One(handle));
            let deleted = self.engine.store().delete(key).await;
            drop(wake);
            if deleted? == Deleted::Removed {
                self.engine.tell(Event::Destroyed { handle });
                return Ok(true);
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("ending a session by its handle: it was renewed {ATTEMPTS} times in between; try again"),
        ))
    }

    /// Ends every session, logins under way included: everybody is signed out. Answers how many records it removed, expired ones
    /// included.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats): some sessions may then still be live.
    pub async fn revoke_everyone(&self) -> Result<u64> {
        let wake = self.engine.watchers().wake_after(Whose::Everybody);
        let cleared = self.inventory()?.clear().await;
        drop(wake);
        let sessions = cleared?;
        self.engine.tell(Event::Cleared { sessions });
        Ok(sessions)
    }

    async fn search(&self, handle: Handle) -> Result<Option<(StoreKey, Record)>> {
        let now = self.engine.now();
        let mut after = None;
        loop {
            let page = self.inventory()?.page(after, PAGE).await?;
            let found = page.records.into_iter().find(|(_, record)| record.handle() == handle);
            if let Some((key, record)) = found {
                return Ok(Some((key, record)).filter(|(_, record)| !record.is_expired(now)));
            }
            after = page.next;
            if after.is_none() {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
    }

    fn inventory(&self) -> Result<&dyn Inventory> {
        self.engine.store().inventory().ok_or_else(unsupported_inventory)
    }
}

impl SessionStats {
    fn add(&mut self, record: &Record) {
        self.sessions += 1;
        self.signed_in += u64::from(record.owner().is_some());
        let began = record.created_at();
        self.oldest = Some(self.oldest.map_or(began, |oldest| oldest.min(began)));
        self.newest = Some(self.newest.map_or(began, |newest| newest.max(began)));
    }
}

impl OwnedSession {
    fn of(record: &Record) -> Self {
        Self {
            owner: record.owner().cloned(),
            info: SessionInfo::of(record),
        }
    }
}
