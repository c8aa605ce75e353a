//! The probe: a small application with the same routes in every framework, for the http half of the suite. Here is what its routes
//! do; an adapter adds nothing but the routing.
//!
//! | route | answer |
//! |---|---|
//! | `GET /plain` | text; never touches the session |
//! | `GET /get/{key}` | `{"value": string, number or null}` |
//! | `POST /set/{key}` | sets the key to the body |
//! | `POST /add/{key}` | adds one, atomically: `{"value": n}` |
//! | `POST /remove/{key}`, `POST /clear` | |
//! | `POST /login/{owner}[?remember]`, `POST /logout`, `POST /renew` | |
//! | `GET /info` | what the session says of itself |
//! | `GET /sessions` | the owner's sessions, 401 without owner |
//! | `POST /revoke/{handle}`, `POST /revoke-others`, `POST /revoke-all` | 404 if it is not the owner's; 401 without owner |
//! | `POST /slow/{key}[?ms=N]` | loads the session, waits (for the [`Gate`] without `ms`), then sets the key to the body |
//! | `GET /fail/{status}?key=k` | sets `k` to "failed" and answers with the status |
//! | `GET /cached/{key}` | as `POST /set/{key}`, in a response that calls itself public and varies by language |
//! | `GET /csrf` | a token against forgery: `{"token": text}` |
//! | `POST /csrf/form` | a form: sets `note` to its field `text`; 403 without a good token in `csrf_token`, 415 and 422 if it is no [`Note`] |
//! | `POST /csrf/header` | sets `note` to the body; 403 without a good token in `X-CSRF-Token` |
//! | `POST /flash/{text}` | leaves a message, and answers 303 as a redirect would |
//! | `GET /flash` | shows the messages that wait: `{"flashes": [{"level": string, "text": string}]}` |
//! | `GET /typed` | the [`Tally`]: `{"value": number or null}`; 500 if it is damaged, as by `POST /set/tally` |
//! | `POST /typed/{n}` | adds to the tally, or removes it if `n` is 0 |
//! | `/admin/…` | [`Admin`](crate::Admin), for those whom [`root_only`] lets in |
//! | `GET /stream` | a body in parts; the last one saves through a handle kept past the response head |
//!
//! Times are RFC 3339 in UTC.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use crate::admin::AdminAccess;
use crate::csrf::CsrfToken;
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::flash::{FlashLevel, Flashes};
use crate::id::Handle;
use crate::key::Key;
use crate::registry::Sessions;
use crate::session::{Session, SessionValue, Value as Typed};

/// What an adapter builds its probe from.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What the middleware is built on.
    pub engine: Engine,
    /// What `POST /slow/{key}` waits for.
    pub gate: Gate,
}

/// Holds slow requests back until a test lets them go, so that no test sleeps.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self {
            arrived: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    /// For the handler: reports that it has arrived, and waits.
    async fn pass(&self) {
        self.arrived.add_permits(1);
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }

    /// For the test: waits until that many requests have arrived.
    pub async fn arrived(&self, requests: u32) {
        if let Ok(permits) = self.arrived.acquire_many(requests).await {
            permits.forget();
        }
    }

    /// For the test: lets that many requests go.
    pub fn release(&self, requests: usize) {
        self.open.add_permits(requests);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// What a route answers: a status and JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, `application/json`.
    pub body: String,
}

impl Reply {
    fn ok(body: &Json) -> Self {
        Self::new(200, body)
    }

    fn new(status: u16, body: &Json) -> Self {
        Self {
            status,
            body: body.to_string(),
        }
    }
}

/// A value as the probe stores it.
#[derive(Clone, Serialize, Deserialize)]
enum Value {
    Text(String),
    Number(u64),
}

impl Value {
    fn json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
        }
    }
}

fn value(session: &Session, key: &str) -> Result<Reply> {
    let value = session.get::<Value>(key)?;
    Ok(Reply::ok(&json!({ "value": value.as_ref().map(Value::json) })))
}

/// `GET /get/{key}`
///
/// # Errors
///
/// As [`Session::get`].
pub fn get(session: &Session, key: &str) -> Result<Reply> {
    value(session, key)
}

/// `POST /set/{key}`
///
/// # Errors
///
/// As [`Session::insert`].
pub fn set(session: &Session, key: &str, text: String) -> Result<Reply> {
    session.insert(key, Value::Text(text))?;
    value(session, key)
}

/// `POST /add/{key}`: commits at once, so that the number in the answer is the one that was stored.
///
/// # Errors
///
/// As [`Session::update`] and [`Session::save`].
pub async fn add(session: &Session, key: &str) -> Result<Reply> {
    session.update(key, |present| match present {
        Some(Value::Number(number)) => Value::Number(number + 1),
        Some(Value::Text(text)) => Value::Number(text.parse().unwrap_or(0) + 1),
        None => Value::Number(1),
    })?;
    session.save().await?;
    value(session, key)
}

/// `POST /remove/{key}`
pub fn remove(session: &Session, key: &str) -> Reply {
    session.remove(key);
    Reply::ok(&json!({}))
}

/// `POST /clear`
pub fn clear(session: &Session) -> Reply {
    session.clear();
    Reply::ok(&json!({}))
}

/// Whether a login asked to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// `?remember`
    Yes,
    /// Nothing.
    No,
}

impl Remember {
    /// From a request's query string.
    pub fn in_query(query: Option<&str>) -> Self {
        let named = query
            .unwrap_or_default()
            .split('&')
            .any(|pair| pair.split('=').next() == Some("remember"));
        if named { Self::Yes } else { Self::No }
    }
}

/// `POST /login/{owner}`; the label is the request's `User-Agent`.
///
/// # Errors
///
/// As [`Session::login`].
pub fn login(session: &Session, owner: &str, remember: Remember, user_agent: Option<&str>) -> Result<Reply> {
    session.login(owner)?;
    if remember == Remember::Yes {
        session.remember();
    }
    if let Some(user_agent) = user_agent {
        session.set_label(user_agent.chars().take(60).collect::<String>())?;
    }
    Ok(Reply::ok(&json!({ "owner": owner })))
}

/// `POST /logout`
pub fn logout(session: &Session) -> Reply {
    session.logout();
    Reply::ok(&json!({}))
}

/// `POST /renew`
pub fn renew(session: &Session) -> Reply {
    session.renew();
    Reply::ok(&json!({}))
}

/// `GET /info`
pub fn info(session: &Session) -> Reply {
    Reply::ok(&json!({
        "owner": session.owner().map(|owner| owner.to_string()),
        "handle": session.handle().map(|handle| handle.to_string()),
        "new": session.is_new(),
        "created_at": session.created_at().map(|at| at.to_string()),
        "last_seen_at": session.last_seen_at().map(|at| at.to_string()),
        "expires_at": session.expires_at().map(|at| at.to_string()),
    }))
}

/// `GET /sessions`
///
/// # Errors
///
/// As [`Sessions::all`].
pub async fn list(session: &Session, sessions: &Sessions) -> Result<Reply> {
    let Some(owner) = session.owner() else {
        return Ok(unauthorized());
    };
    let listed = sessions.all(&owner).await?.into_iter().map(|info| {
        json!({
            "handle": info.handle.to_string(),
            "label": info.label,
            "created_at": info.created_at.to_string(),
            "last_seen_at": info.last_seen_at.to_string(),
            "current": session.handle() == Some(info.handle),
        })
    });
    Ok(Reply::ok(&listed.collect()))
}

/// `POST /revoke/{handle}`
///
/// # Errors
///
/// As [`Sessions::revoke`].
pub async fn revoke(session: &Session, sessions: &Sessions, handle: &str) -> Result<Reply> {
    let Some(owner) = session.owner() else {
        return Ok(unauthorized());
    };
    let ended = match handle.parse::<Handle>() {
        Ok(handle) => sessions.revoke(&owner, handle).await?,
        Err(_) => false,
    };
    Ok(if ended {
        Reply::ok(&json!({ "revoked": 1 }))
    } else {
        Reply::new(404, &json!({ "error": "no such session" }))
    })
}

/// `POST /revoke-others`
///
/// # Errors
///
/// As [`Sessions::revoke_others`].
pub async fn revoke_others(session: &Session, sessions: &Sessions) -> Result<Reply> {
    match (session.owner(), session.handle()) {
        (Some(owner), Some(handle)) => revoked(sessions.revoke_others(&owner, handle).await?),
        _ => Ok(unauthorized()),
    }
}

/// `POST /revoke-all`
///
/// # Errors
///
/// As [`Sessions::revoke_all`].
pub async fn revoke_all(session: &Session, sessions: &Sessions) -> Result<Reply> {
    let Some(owner) = session.owner() else {
        return Ok(unauthorized());
    };
    let count = sessions.revoke_all(&owner).await?;
    session.destroy();
    revoked(count)
}

fn revoked(count: u64) -> Result<Reply> {
    Ok(Reply::ok(&json!({ "revoked": count })))
}

fn unauthorized() -> Reply {
    Reply::new(401, &json!({ "error": "sign in first" }))
}

/// `POST /slow/{key}`
///
/// # Errors
///
/// As [`Session::insert`].
pub async fn slow(session: &Session, gate: &Gate, key: &str, query: Option<&str>, text: String) -> Result<Reply> {
    let wait = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("ms=")?.parse().ok());
    match wait {
        Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        None => gate.pass().await,
    }
    set(session, key, text)
}

/// `GET /fail/{status}?key=k`
///
/// # Errors
///
/// As [`Session::insert`].
pub fn fail(session: &Session, status: u16, query: Option<&str>) -> Result<Reply> {
    if let Some(key) = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("key="))
    {
        session.insert(key, Value::Text("failed".to_owned()))?;
    }
    Ok(Reply::new(status, &json!({ "status": status })))
}

/// `GET /csrf`
pub fn csrf(token: &CsrfToken) -> Reply {
    Reply::ok(&json!({ "token": token.to_string() }))
}

/// The form of `POST /csrf/form`. It knows nothing of the token, and refuses fields that it does not know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// What it says.
    pub text: String,
}

/// `POST /csrf/form` and `POST /csrf/header`, when the token was good.
///
/// # Errors
///
/// As [`Session::insert`].
pub fn note(session: &Session, text: String) -> Result<Reply> {
    set(session, "note", text)
}

/// `POST /flash/{text}`
///
/// # Errors
///
/// As [`Flashes::add`].
pub fn leave_flash(flashes: &Flashes, text: &str) -> Result<Reply> {
    flashes.add(FlashLevel::Success, text)?;
    Ok(Reply::new(303, &json!({})))
}

/// `GET /flash`
///
/// # Errors
///
/// As [`Flashes::take`].
pub fn show_flashes(flashes: &Flashes) -> Result<Reply> {
    let shown = flashes.take()?.into_iter();
    let shown = shown.map(|flash| json!({ "level": flash.level.as_str(), "text": flash.text }));
    Ok(Reply::ok(&json!({ "flashes": shown.collect::<Json>() })))
}

/// What `GET /typed` finds by its type: a number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    number: u64,
}

impl SessionValue for Tally {
    const KEY: Key<Self> = Key::new("tally");
}

/// `GET /typed`
pub fn tally(tally: &Typed<Tally>) -> Reply {
    Reply::ok(&json!({ "value": tally.get().map(|tally| tally.number) }))
}

/// `POST /typed/{n}`
///
/// # Errors
///
/// As [`Value::update`](Typed::update).
pub fn add_to_tally(tally: &mut Typed<Tally>, n: u64) -> Result<Reply> {
    tally.update_or_remove(move |tally| {
        let number = tally.unwrap_or_default().number;
        (n > 0).then_some(Tally { number: number + n })
    })?;
    Ok(self::tally(tally))
}

/// The guard of `/admin`: lets the owner `root` in.
pub fn root_only(session: &Session) -> AdminAccess {
    match session.owner() {
        Some(owner) if owner.as_str() == "root" => AdminAccess::Granted,
        _ => AdminAccess::Denied,
    }
}

/// The parts of `GET /stream`, each made when the one before is on its way; `None` after the last.
///
/// The last part sets `streamed` and saves, long after the response head: what happens is its text.
pub async fn stream_part(session: &Session, part: usize) -> Option<String> {
    match part {
        0 | 1 => Some(format!("part {part}\n")),
        2 => {
            let saved = match session.insert("streamed", Value::Text("yes".to_owned())) {
                Ok(()) => session.save().await,
                Err(error) => Err(error),
            };
            Some(match saved.map_err(|error| error.kind()) {
                Ok(()) => "saved\n".to_owned(),
                Err(ErrorKind::ResponseSent) => "too late\n".to_owned(),
                Err(ErrorKind::Gone) => "gone\n".to_owned(),
                Err(kind) => format!("{kind:?}\n"),
            })
        }
        _ => None,
    }
}
