//! [`Sessions`]: lists, changes and ends the sessions of owners (P12), on the store's owner index. Those of everybody are
//! [`everyone`]'s.

mod everyone;

use std::collections::HashSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::engine::{Amended, Engine, Whose, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::id::{Handle, Owner};
use crate::key::AsKey;
use crate::record::{Persistence, Record};
use crate::session::Update;
use crate::store::{Cursor, Owned, OwnerIndex, Page, Revoke};

pub use everyone::{EveryonePage, OwnedSession, SessionStats};

/// The sessions of all owners, to list and to end.
///
/// What it ends is ended from the moment it answers: the next request with that token is turned away (P11).
///
/// What is asked about an owner needs a store with an owner index, what is asked about everybody one with an inventory. Without it the
/// method fails with [`ErrorKind::Unsupported`].
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

/// Walks over an owner's list after which changing all sessions gives up: each but the last was overtaken by a renewal or a login.
const WALKS: usize = 32;

impl Sessions {
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let store = engine.store();
        if store.owner_index().is_none() && store.inventory().is_none() {
            return Err(unsupported());
        }
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

    /// Changes the value under a key in every live session of an owner, with a function of its present value: so that a role that
    /// was taken away is gone from the next request on. Answers how many sessions were changed.
    ///
    /// Change your own database first, then call this: what a login reads from there afterwards is new already. Each session
    /// is changed atomically: the function runs again if a request commits in between, and requests that had loaded
    /// the old value and commit other keys keep the new one (P5). A session that is renewed meanwhile is found again.
    /// What a request *inserts* under this very key afterwards, or a login that has read your database before, still
    /// counts as later: let only this method and the login write such a key.
    ///
    /// The function must depend on its argument alone, and be harmless when it is applied twice: after an error call this again.
    /// The change is as durable as any commit, which is less than a revocation; [`revoke_all`](Self::revoke_all) is for what must hold
    /// whatever happens. It is no sighting: no session lives longer by it.
    ///
    /// ```
    /// # use session_core::{Error, Key, Owner, Sessions};
    /// const ROLE: Key<String> = Key::new("role");
    ///
    /// async fn demote(sessions: &Sessions, owner: &Owner) -> Result<u64, Error> {
    ///     sessions.update_all(owner, ROLE, |_| "reader".to_owned()).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`], [`ErrorKind::ValueVersion`] or [`ErrorKind::TooLarge`] if it cannot be done in some session; all
    /// others are changed even so. [`ErrorKind::Conflict`] if requests were faster for too many attempts, or kept renewing a
    /// session; and the store's own. Then some sessions may be changed, and others not.
    pub async fn update_all<T, F>(&self, owner: &Owner, key: impl AsKey<T>, f: F) -> Result<u64>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let limits = self.engine.config().limits;
        limits.check_name(key.name())?;
        let name = key.name().to_owned();
        let update = Update::new(&key, limits, move |present| Some(f(present)));
        self.update_each(owner, &name, &update).await
    }

    /// Walks over the owner's list until a walk finds nobody new: who was renewed between the list and the change has another key in
    /// the next one, and who signed in again has moved to its front, where a walk begins.
    async fn update_each(&self, owner: &Owner, name: &str, update: &Update) -> Result<u64> {
        let mut visited: HashSet<Handle> = HashSet::new();
        let mut updated = 0;
        let mut failed = None;
        for _ in 0..WALKS {
            let mut found_new = false;
            let mut after = None;
            loop {
                let page = Page { after, limit: PAGE };
                let page = self.index()?.list(owner, page, self.engine.now()).await?;
                for Owned { key, record } in page.sessions {
                    let handle = record.handle();
                    if visited.contains(&handle) {
                        continue;
                    }
                    found_new = true;
                    match self.engine.amend(key, record, name, update).await {
                        Ok(Amended::Stored) => {
                            visited.insert(handle);
                            updated += 1;
                        }
                        Ok(Amended::Gone) => {}
                        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                        // One session that cannot be changed keeps no other from it.
                        Err(error) => {
                            visited.insert(handle);
                            failed.get_or_insert(error);
                        }
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if !found_new {
                return failed.map_or(Ok(updated), Err);
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("changing all sessions of an owner: some were renewed {WALKS} times in between; try again"),
        ))
    }

    async fn end(&self, owner: &Owner, which: Revoke) -> Result<u64> {
        let whose = match which {
            Revoke::One(handle) => Whose::One(handle),
            Revoke::All | Revoke::Others(_) => Whose::Owner(owner),
        };
        let wake = self.engine.watchers().wake_after(whose);
        let revoked = self.index()?.revoke(owner, which, self.engine.now()).await;
        drop(wake);
        let sessions = revoked?;
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
