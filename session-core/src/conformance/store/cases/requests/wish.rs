//! [`Wish`]: what a request wants of the session, and [`Answer`]: what became of it.

use std::fmt;

use crate::conformance::browser;
use crate::conformance::store::gated::Running;
use crate::engine::{Engine, Outbound, Outcome};
use crate::error::{ErrorKind, Result};
use crate::id::{Handle, Owner};
use crate::key::{Key, KeyName};
use crate::record::Record;
use crate::session::Session;

/// What every visitor counts up.
pub(super) const VISITS: Key<u32> = Key::new("visits");
/// What requests put their number into.
const NOTE: Key<u32> = Key::new("note");

/// What a request wants, or what happens beside requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Looks, and so is due to record a sighting.
    Read,
    /// Adds one to a counter.
    Count,
    /// Sets another key.
    Note,
    /// Signs alice in, whoever was signed in before.
    Login,
    Renew,
    Logout,
    /// Ends all of alice's sessions.
    RevokeAll,
    /// Ends this session by its handle.
    RevokeOne,
    /// What the cleaner does.
    Sweep,
    /// Time passes until every session has expired. It is no request, and makes no call.
    Expire,
    /// Signs out, and stores something in the session that comes after.
    StartOver,
    /// Ends all of alice's sessions but this one.
    RevokeOthers,
    /// Changes a value in all of alice's sessions.
    UpdateAll,
}

impl Wish {
    pub(super) const ALL: [Self; 13] = [
        Self::Read,
        Self::Count,
        Self::Note,
        Self::Login,
        Self::Renew,
        Self::Logout,
        Self::RevokeAll,
        Self::RevokeOne,
        Self::Sweep,
        Self::Expire,
        Self::StartOver,
        Self::RevokeOthers,
        Self::UpdateAll,
    ];

    pub(super) fn needs_owner_index(self) -> bool {
        matches!(
            self,
            Self::RevokeAll | Self::RevokeOne | Self::RevokeOthers | Self::UpdateAll
        )
    }

    /// Whether it is left out where three requests meet: there would be too many orders.
    pub(super) fn is_rare(self) -> bool {
        matches!(self, Self::StartOver | Self::RevokeOthers | Self::UpdateAll)
    }
}

/// A request to be made.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) wish: Wish,
    /// Tells requests of one kind apart.
    pub(super) place: u32,
    /// What the browser sends.
    pub(super) cookie: String,
    /// Who signs in, and whose sessions are revoked.
    pub(super) alice: Owner,
    /// Under which name one session is revoked.
    pub(super) named: (Owner, Handle),
}

/// What a session holds, as far as requests change it.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Content {
    pub(super) handle: Option<Handle>,
    pub(super) owner: Option<Owner>,
    pub(super) visits: Option<u32>,
    pub(super) note: Option<u32>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// What its handler found; `None` if there was no session.
    pub(super) saw: Option<Content>,
    pub(super) did: Result<Did, ErrorKind>,
}

/// What a request that was acknowledged has done, as far as its caller learns.
#[derive(PartialEq)]
pub(super) enum Did {
    /// A response that sets no cookie.
    KeptQuiet,
    /// A response that sets the cookie that the request came with.
    SameToken,
    /// A response that sets another cookie: this one.
    NewToken(String),
    /// A response that removes the cookie.
    Forgot,
    /// So many sessions were ended.
    Revoked(u64),
    Updated,
    Swept,
}

impl Request {
    /// The request, to be run by a script.
    pub(super) fn run(self, engine: &Engine) -> Running<Answer> {
        let engine = engine.clone();
        Box::pin(async move {
            let mut saw = None;
            let did = self.make(&engine, &mut saw).await;
            Answer {
                saw,
                did: did.map_err(|error| error.kind()),
            }
        })
    }

    async fn make(&self, engine: &Engine, saw: &mut Option<Content>) -> Result<Did> {
        match self.wish {
            Wish::RevokeAll => Ok(Did::Revoked(engine.sessions()?.revoke_all(&self.alice).await?)),
            Wish::RevokeOne => {
                let (owner, handle) = &self.named;
                let revoked = engine.sessions()?.revoke(owner, *handle).await?;
                Ok(Did::Revoked(u64::from(revoked)))
            }
            Wish::RevokeOthers => {
                let revoked = engine.sessions()?.revoke_others(&self.alice, self.named.1).await?;
                Ok(Did::Revoked(revoked))
            }
            Wish::UpdateAll => {
                let plus = |visits: Option<u32>| visits.unwrap_or(0) + 100;
                let updated = engine.sessions()?.update_all(&self.alice, VISITS, plus).await;
                updated.map(|_| Did::Updated)
            }
            Wish::Sweep => engine.store().sweep(engine.now(), 1000).await.map(|_| Did::Swept),
            Wish::Read
            | Wish::Count
            | Wish::Note
            | Wish::Login
            | Wish::Renew
            | Wish::Logout
            | Wish::StartOver
            | Wish::Expire => {
                let (inbound, access) = engine.begin();
                let session = access.session([self.cookie.as_bytes()]).await?;
                *saw = Content::of_session(&session)?;
                self.handle(&session)?;
                let outbound = inbound.finish(Outcome::Success).await?;
                Ok(self.said(set_cookie(outbound)))
            }
        }
    }

    fn handle(&self, session: &Session) -> Result<()> {
        match self.wish {
            Wish::Count => session
                .update(VISITS, |visits: Option<u32>| visits.unwrap_or(0) + 1)
                .map(drop),
            Wish::Note => session.insert(NOTE, self.place),
            Wish::Login => session.login(&self.alice),
            Wish::Renew => {
                session.renew();
                Ok(())
            }
            Wish::Logout => {
                session.logout();
                Ok(())
            }
            Wish::StartOver => {
                session.logout();
                session.insert(NOTE, self.place)
            }
            Wish::Read
            | Wish::RevokeAll
            | Wish::RevokeOne
            | Wish::RevokeOthers
            | Wish::UpdateAll
            | Wish::Sweep
            | Wish::Expire => Ok(()),
        }
    }

    fn said(&self, cookie: Option<String>) -> Did {
        match cookie {
            None => Did::KeptQuiet,
            Some(cookie) if cookie == self.cookie => Did::SameToken,
            Some(cookie) if cookie.ends_with('=') => Did::Forgot,
            Some(cookie) => Did::NewToken(cookie),
        }
    }
}

impl Content {
    fn of_session(session: &Session) -> Result<Option<Self>> {
        let Some(handle) = session.handle() else {
            return Ok(None);
        };
        Ok(Some(Self {
            handle: Some(handle),
            owner: session.owner(),
            visits: session.get(VISITS)?,
            note: session.get(NOTE)?,
        }))
    }

    pub(super) fn of_record(record: &Record) -> Self {
        let number = |key: Key<u32>| {
            let stored = record.values().get(key.name())?;
            Some(postcard::from_bytes(stored.bytes).expect("requests store numbers under these keys"))
        };
        Self {
            handle: Some(record.handle()),
            owner: record.owner().cloned(),
            visits: number(VISITS),
            note: number(NOTE),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner.as_ref().map_or("nobody", Owner::as_ref);
        write!(
            f,
            "a session of {owner}, {:?} visits, note {:?}",
            self.visits, self.note
        )
    }
}

/// Does not show the token.
impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeptQuiet => f.write_str("no cookie"),
            Self::SameToken => f.write_str("the cookie again"),
            Self::NewToken(_) => f.write_str("a new cookie"),
            Self::Forgot => f.write_str("the cookie removed"),
            Self::Revoked(sessions) => write!(f, "{sessions} sessions ended"),
            Self::Updated => f.write_str("updated"),
            Self::Swept => f.write_str("swept"),
        }
    }
}

/// The name and the token of a response's cookie, as a browser sends them back.
pub(super) fn set_cookie(outbound: Outbound) -> Option<String> {
    let set = browser::set_cookie(outbound)?;
    set.split(';').next().map(str::to_owned)
}
