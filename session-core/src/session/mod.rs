//! [`Session`]: what a handler holds. It records what the handler wants ([`changes`]) beside what the store had ([`state`]); the
//! engine commits it.

pub(crate) mod changes;
mod ended;
mod entries;
mod from_session;
pub(crate) mod pending;
mod slot;
pub(crate) mod state;
mod typed;
mod value;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Owner};
use crate::key::{AsKey, KeyName, RESERVED_PREFIX};
use crate::lifetime::Lifetime;
use crate::record::{Persistence, Record};
use crate::sync::MutexGuard;
use changes::Login;
pub(crate) use slot::{Filled, Slot};
use state::{Base, LoginAge, State};
pub(crate) use value::Update;

pub use from_session::FromSession;
pub use typed::{SessionValue, Value};

/// The session of one visitor, as one request sees it.
///
/// It was loaded once, so reading and changing it is synchronous. Changes are *intent*: set this key, remove that one, update a
/// counter. They are committed after the handler, before the response head is sent, and applied again if another request was
/// faster (P5). Clones share everything; a clone that outlives the response, in a WebSocket say, goes on working through
/// [`save`](Self::save), [`reload`](Self::reload), [`is_live`](Self::is_live) and [`ended`](Self::ended).
///
/// `Debug` shows names, never values or the id.
#[derive(Clone)]
pub struct Session {
    // A slot that is loaded: before, it is no session yet.
    slot: Arc<Slot>,
}

impl Session {
    pub(crate) fn engine(&self) -> &Engine {
        self.slot.engine()
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.slot.state()
    }

    pub(crate) fn turn(&self) -> &tokio::sync::Mutex<()> {
        self.slot.turn()
    }

    /// The value under a key, decoded now; `None` if there is none.
    ///
    /// ```
    /// # use session_core::{Error, Session};
    /// fn visits(session: &Session) -> Result<u32, Error> {
    ///     Ok(session.get("visits")?.unwrap_or(0))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`] if the stored value is not a `T`, [`ErrorKind::ValueVersion`] if it was stored under another version
    /// of the key.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let state = self.state();
        state
            .value(key.name())
            .map(|stored| value::decode(&key, stored))
            .transpose()
    }

    /// Sets the value under a key. Of two requests that set the same key, the later commit wins; see [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if a [limit](crate::Limits) is exceeded, [`ErrorKind::Invalid`] if the name is empty or one of the
    /// [library's own](crate::RESERVED_PREFIX), [`ErrorKind::Value`] if the value cannot be encoded.
    pub fn insert<T: Serialize>(&self, key: impl AsKey<T>, value: T) -> Result<()> {
        self.set(&key, &value)
    }

    fn set<T: Serialize>(&self, key: &impl AsKey<T>, value: &T) -> Result<()> {
        let limits = self.limits();
        limits.check_name(key.name())?;
        let encoded = value::encode(key, value)?;
        limits.check_value(encoded.bytes.len())?;
        let mut state = self.state();
        state.check_room(&limits, key.name(), encoded.bytes.len())?;
        state.changes.set(key.name(), encoded);
        Ok(())
    }

    /// Removes the value under a key, if there is one.
    pub fn remove(&self, key: impl KeyName) {
        let mut state = self.state();
        // What a step of ours left absent may be there when that runs again.
        if state.value(key.name()).is_some() || state.is_changed(key.name()) {
            state.changes.remove(key.name());
        }
    }

    /// Removes the value under a key, and returns it: what is meant to be used once.
    ///
    /// Two requests at the same time may both get it, and a value that another request sets meanwhile is removed unseen, as the later
    /// commit wins. Where that matters, use [`update_or_remove`](Self::update_or_remove).
    ///
    /// ```
    /// # use session_core::{Error, Session};
    /// fn return_to(session: &Session) -> Result<String, Error> {
    ///     Ok(session.take("return-to")?.unwrap_or_else(|| "/".to_owned()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get). A value that cannot be decoded stays.
    pub fn take<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>> {
        let mut state = self.state();
        let Some(stored) = state.value(key.name()) else {
            return Ok(None);
        };
        let value = value::decode(&key, stored)?;
        state.changes.remove(key.name());
        Ok(Some(value))
    }

    /// Changes the value under a key with a function of its present value, and returns the result.
    ///
    /// No update is lost: if another request commits first, the function runs again, on what that request left (P5). So it may
    /// run several times, must depend on its argument alone, and must not use this session. If the store's answer to a commit is lost,
    /// trying again may count twice. The result returned here is the one the next commit stores unless
    /// somebody is faster; [`save`](Self::save) and read again where the exact number matters.
    ///
    /// ```
    /// # use session_core::{Error, Session};
    /// fn count(session: &Session) -> Result<u32, Error> {
    ///     session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`insert`](Self::insert). [`ErrorKind::TooLarge`] also if 1,000 updates of this value wait to be
    /// committed: each keeps its function until then, so [`save`](Self::save) in between.
    pub fn update<T, F>(&self, key: impl AsKey<T>, f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let updated = self.update_or_remove(key, move |present| Some(f(present)))?;
        Ok(updated.expect("this function never removes the value"))
    }

    /// As [`update`](Self::update), with a function that may also remove the value: where it returns `None`.
    ///
    /// It is no update, and costs no store access, if there is no value before nor after.
    ///
    /// ```
    /// # use session_core::{Error, Session};
    /// /// Gives one try back; who has used none needs no value.
    /// fn forgive(session: &Session) -> Result<Option<u32>, Error> {
    ///     session.update_or_remove("tries", |tries: Option<u32>| tries?.checked_sub(1).filter(|left| *left > 0))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn update_or_remove<T, F>(&self, key: impl AsKey<T>, f: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        self.limits().check_name(key.name())?;
        self.change(key, f)
    }

    /// As [`update_or_remove`](Self::update_or_remove), also for the library's own names.
    pub(crate) fn change<T, F>(&self, key: impl AsKey<T>, f: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        let limits = self.limits();
        let update = value::Update::new(&key, limits, f);
        let mut state = self.state();
        state.changes.check_steps(key.name())?;
        let present = state.value(key.name());
        let was_absent = present.is_none();
        let encoded = update.apply(present)?;
        let Some(encoded) = encoded else {
            // What other steps of ours left absent may be there when they run again.
            if !was_absent || state.is_changed(key.name()) {
                state.changes.update(key.name(), update, None);
            }
            return Ok(None);
        };
        let result = value::decode(&key, encoded.stored())?;
        state.check_room(&limits, key.name(), encoded.bytes.len())?;
        state.changes.update(key.name(), update, Some(encoded));
        Ok(Some(result))
    }

    /// Removes all values, also messages that wait and what tokens of forms are checked against. Who is signed in stays; see
    /// [`destroy`](Self::destroy).
    pub fn clear(&self) {
        let mut state = self.state();
        if !state.names().is_empty() || state.has_changed_values() {
            state.changes.clear();
        }
    }

    /// Whether there is a value under a key; it is not decoded.
    pub fn contains(&self, key: impl KeyName) -> bool {
        self.state().value(key.name()).is_some()
    }

    /// The names of the application's values, in alphabetical order; the [library's own](crate::RESERVED_PREFIX) are left out.
    pub fn keys(&self) -> Vec<String> {
        let mut names = self.state().names();
        names.retain(|name| !name.starts_with(RESERVED_PREFIX));
        names
    }

    /// Moves the session to a new id when the request ends, and with it to a new token: whoever knows the old one is locked out at
    /// once (P7). Call it whenever privileges change; [`login`](Self::login) does it by itself (OWASP ASVS 5.0 V7.2.4).
    pub fn renew(&self) {
        self.state().changes.renew();
    }

    /// Signs somebody in, under a new id (P7), and begins the absolute lifetime anew.
    ///
    /// What an anonymous visitor's session holds is kept, a cart for example. If somebody else was signed in, everything that
    /// their session held is dropped. Call it right after checking the credentials: a revocation of this owner's sessions that
    /// happens later ends this login too (P12).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] or [`ErrorKind::TooLarge`] if it is no [`Owner`]; [`ErrorKind::Unsupported`] if there is an
    /// [owner limit](crate::SessionConfigBuilder::owner_limit) and the store cannot count. If the login is revoked before it is
    /// committed, the commit fails with [`ErrorKind::Revoked`]; if the owner has too many sessions, with
    /// [`ErrorKind::TooManySessions`]. To answer that with a page of your own, [`save`](Self::save) in the handler: the visitor's
    /// session is then as it was stored, and what this request wanted is dropped.
    pub fn login(&self, owner: impl AsRef<str>) -> Result<()> {
        let owner = Owner::new(owner)?;
        self.engine().check_owner_limit()?;
        let began = self.engine().epoch();
        let mut state = self.state();
        if state.owner().is_some_and(|present| *present != owner) {
            state.changes.clear();
        }
        state.changes.login(Login { owner, began });
        Ok(())
    }

    /// Insists that the owner signed in less than `within` ago: for what must not be done by whoever finds an open browser, such as
    /// changing a password, an e-mail address or a second factor (OWASP ASVS 5.0 V7.5.1).
    ///
    /// Signing in again, as the same owner, makes it recent; [`renew`](Self::renew) does not. A login that this request has asked
    /// for counts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use session_core::{Error, Session};
    /// fn change_password(session: &Session) -> Result<(), Error> {
    ///     session.require_recent_login(Duration::from_secs(300))?;
    ///     // …
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StaleLogin`] if the login is that long ago or longer, and if nobody is signed in; its status is 401, so that a
    /// client knows that signing in helps (as in RFC 9470 §3).
    pub fn require_recent_login(&self, within: Duration) -> Result<()> {
        let now = self.engine().now();
        match self.state().login() {
            LoginAge::InThisRequest => Ok(()),
            LoginAge::At(at) if now.saturating_since(at) < within => Ok(()),
            LoginAge::At(_) => Err(Error::new(
                ErrorKind::StaleLogin,
                "checking when somebody signed in: too long ago for what was asked; sign in again",
            )),
            LoginAge::Never => Err(Error::new(
                ErrorKind::StaleLogin,
                "checking when somebody signed in: nobody is signed in; sign in first",
            )),
        }
    }

    /// Ends the session: it is deleted, durably, before the response head is sent, and the browser is told to forget the cookie.
    /// What the handler stores after this call goes into a new session.
    pub fn destroy(&self) {
        self.state().changes.end();
    }

    /// The other name of [`destroy`](Self::destroy).
    pub fn logout(&self) {
        self.destroy();
    }

    /// Keeps the session when the browser closes, for the configured [remember lifetime](crate::SessionConfigBuilder::remember_lifetime).
    pub fn remember(&self) {
        self.remember_for(self.engine().config().remember_lifetime);
    }

    /// As [`remember`](Self::remember), for a lifetime of its own.
    pub fn remember_for(&self, lifetime: Lifetime) {
        self.state().changes.lifetime = Some((lifetime, Persistence::Remembered));
    }

    /// Takes [`remember`](Self::remember) back: the session ends with the browser, and lives as long as the configuration says.
    pub fn forget(&self) {
        self.state().changes.lifetime = Some((self.engine().config().lifetime, Persistence::Browser));
    }

    /// Names the session for its owner's list, for example "Firefox on Linux": see [`label::of_user_agent`](crate::label::of_user_agent).
    ///
    /// The library looks at no header and no address by itself. What the list is to show, the application puts into the label; an
    /// address is personal data, and ages.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if it has more bytes than the [limit](crate::Limits::label).
    pub fn set_label(&self, label: impl AsRef<str>) -> Result<()> {
        self.limits().check_label(label.as_ref().len())?;
        self.state().changes.label = Some(label.as_ref().into());
        Ok(())
    }

    /// What [`set_label`](Self::set_label) set.
    pub fn label(&self) -> Option<String> {
        self.state().label().map(str::to_owned)
    }

    /// Who is signed in.
    pub fn owner(&self) -> Option<Owner> {
        self.state().owner().cloned()
    }

    /// The public name, to list and revoke by; `None` until the session is stored.
    pub fn handle(&self) -> Option<Handle> {
        self.of_record(Record::handle)
    }

    /// Whether nothing is stored for this visitor yet.
    pub fn is_new(&self) -> bool {
        self.of_record(|_| ()).is_none()
    }

    /// When the session began; `None` until it is stored. A login begins it anew.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.of_record(Record::created_at)
    }

    /// When its owner signed in.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.of_record(Record::authenticated_at).flatten()
    }

    /// When an earlier request last used it, give or take the [touch window](Lifetime::touch_window).
    pub fn last_seen_at(&self) -> Option<Timestamp> {
        self.of_record(Record::seen_at)
    }

    /// When it ends unless it is used again; as of the last load or commit.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.of_record(Record::expires_at)
    }

    /// Whether the browser keeps the cookie when it closes: what [`remember`](Self::remember) and [`forget`](Self::forget) set.
    pub fn persistence(&self) -> Persistence {
        self.state().persistence()
    }

    /// Commits what was changed so far, instead of at the end of the request.
    ///
    /// Before the response head is sent it can do everything; afterwards it can change or destroy a session but neither create nor
    /// renew one, as the browser could not learn the token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session has ended, [`ErrorKind::ResponseSent`] if it is too late, [`ErrorKind::Revoked`] if a
    /// login was revoked, [`ErrorKind::TooManySessions`] if it would be one too many, [`ErrorKind::Conflict`] if others were faster
    /// too often, and the store's own errors. After an error of the store the changes are kept, to be tried again. After one of the
    /// first four they are dropped, also those that were made through other clones of this session: whose own `save` comes later then
    /// has nothing to do, and answers `Ok`.
    pub async fn save(&self) -> Result<()> {
        self.commit().await
    }

    /// Reads the session from the store again; changes that are not saved yet stay on top.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session has ended, and the store's own errors.
    pub async fn reload(&self) -> Result<()> {
        let _turn = self.turn().lock().await;
        let Some(key) = self.state().base.live().map(|live| live.key) else {
            return if self.state().base.is_gone() {
                Err(gone("reloading a session"))
            } else {
                Ok(())
            };
        };
        let found = self.engine().load(key).await?;
        let mut state = self.state();
        match found {
            Some(record) => {
                if let Base::Live(live) = &mut state.base {
                    live.record = record;
                }
                state.rebase();
                Ok(())
            }
            None => {
                state.base = Base::Gone;
                Err(gone("reloading a session"))
            }
        }
    }

    /// Whether the session is still stored and neither expired nor revoked, as the store sees it now.
    ///
    /// # Errors
    ///
    /// The store's own: a store that is down does not make a session dead.
    pub async fn is_live(&self) -> Result<bool> {
        let Some(key) = self.state().base.live().map(|live| live.key) else {
            return Ok(false);
        };
        Ok(self.engine().load(key).await?.is_some())
    }

    fn of_record<T>(&self, read: impl FnOnce(&Record) -> T) -> Option<T> {
        self.state().base.live().map(|live| read(&live.record))
    }

    pub(crate) fn limits(&self) -> crate::record::Limits {
        self.engine().config().limits
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session")
            .field("handle", &state.base.live().map(|live| live.record.handle()))
            .field("signed_in", &state.owner().is_some())
            .field("keys", &state.names())
            .finish_non_exhaustive()
    }
}

pub(crate) fn gone(attempted: &'static str) -> Error {
    Error::new(ErrorKind::Gone, attempted_gone(attempted))
}

fn attempted_gone(attempted: &str) -> String {
    format!("{attempted}: it has ended meanwhile; the visitor starts anew with the next request")
}
