//! [`Sessions`]: lists and ends the sessions of owners (P12), on the store's owner index.

use crate::clock::Timestamp;
use crate::engine::{Engine, unsupported};
use crate::error::Result;
use crate::event::Event;
use crate::id::{Handle, Owner};
use crate::record::{Persistence, Record};
use crate::store::{Cursor, OwnerIndex, Page, Revoke};

/// The sessions of all owners, to list and to end.
///
/// What it ends is ended from the moment it answers: the next request with that token is turned away (P11).
#[derive(Clone, Debug)]
pub struct Sessions {
    engine: Engine,
}

/// What may be shown of a session: nothing here opens it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The public name, to revoke by.
    pub handle: Handle,
    /// What the application called it.
    pub label: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its owner signed in.
    pub authenticated_at: Option<Timestamp>,
    /// When a request last used it, give or take the touch window.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used again.
    pub expires_at: Timestamp,
    /// Whether the browser keeps its cookie.
    pub persistence: Persistence,
}

/// One page of an owner's sessions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions, newest first.
    pub sessions: Vec<SessionInfo>,
    /// Where to continue; `None` at the end.
    pub next: Option<Cursor>,
}

/// Sessions read at a time where all are wanted.
const PAGE: usize = 100;

impl Sessions {
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        engine.store().owner_index().ok_or_else(unsupported)?;
        Ok(Self { engine })
    }

    /// One page of an owner's live sessions, newest first.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn list(&self, owner: &Owner, after: Option<Cursor>, limit: usize) -> Result<SessionPage> {
        let page = self
            .index()?
            .list(owner, Page { after, limit }, self.engine.now())
            .await?;
        Ok(SessionPage {
            sessions: page
                .sessions
                .iter()
                .map(|found| SessionInfo::of(&found.record))
                .collect(),
            next: page.next,
        })
    }

    /// All live sessions of an owner, newest first.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn all(&self, owner: &Owner) -> Result<Vec<SessionInfo>> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.list(owner, after, PAGE).await?;
            all.extend(page.sessions);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// How many live sessions an owner has.
    ///
    /// # Errors
    ///
    /// The store's own.
    pub async fn count(&self, owner: &Owner) -> Result<usize> {
        Ok(self.all(owner).await?.len())
    }

    /// Ends one session of an owner; answers whether it was live. Another owner's session is never ended, whatever the handle.
    ///
    /// # Errors
    ///
    /// The store's own: the session may then still be live.
    pub async fn revoke(&self, owner: &Owner, handle: Handle) -> Result<bool> {
        Ok(self.end(owner, Revoke::One(handle)).await? > 0)
    }

    /// Ends all sessions of an owner but one, logins under way included; answers how many were live.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_others(&self, owner: &Owner, keep: Handle) -> Result<u64> {
        self.end(owner, Revoke::Others(keep)).await
    }

    /// Ends all sessions of an owner, logins under way included; answers how many were live.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_all(&self, owner: &Owner) -> Result<u64> {
        self.end(owner, Revoke::All).await
    }

    async fn end(&self, owner: &Owner, which: Revoke) -> Result<u64> {
        let sessions = self.index()?.revoke(owner, which, self.engine.now()).await?;
        if sessions > 0 {
            self.engine.tell(Event::Revoked { owner, sessions });
        }
        Ok(sessions)
    }

    fn index(&self) -> Result<&dyn OwnerIndex> {
        self.engine.store().owner_index().ok_or_else(unsupported)
    }
}

impl SessionInfo {
    fn of(record: &Record) -> Self {
        Self {
            handle: record.handle(),
            label: record.label().map(str::to_owned),
            created_at: record.created_at(),
            authenticated_at: record.authenticated_at(),
            last_seen_at: record.seen_at(),
            expires_at: record.expires_at(),
            persistence: record.persistence(),
        }
    }
}
