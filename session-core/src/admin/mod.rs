//! [`Admin`]: a page and JSON routes on which administrators see and end everybody's sessions (feature `admin`). It is the same for every
//! framework: an adapter moves [`AdminRequest`] in and [`AdminReply`] out. [`fields`] reads what was asked, [`listing`] finds it,
//! [`page`] shows it.

mod fields;
mod listing;
mod page;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::session::Session;
use crate::store::Backlog;
use fields::{Action, Fields};

/// Whom a guard lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAccess {
    /// An administrator: sees and ends everybody's sessions.
    Granted,
    /// Anybody else.
    Denied,
}

/// Decides who is an administrator; the application's own.
///
/// A function of the session is a guard. Implement the trait to ask a database:
///
/// ```
/// use session_core::{AdminAccess, AdminGuard, Result, Session, async_trait};
///
/// struct Staff;
///
/// #[async_trait]
/// impl AdminGuard for Staff {
///     async fn access(&self, session: &Session) -> Result<AdminAccess> {
///         let Some(owner) = session.owner() else { return Ok(AdminAccess::Denied) };
///         # async fn is_staff(_: &str) -> Result<bool> { Ok(false) }
///         Ok(if is_staff(owner.as_str()).await? { AdminAccess::Granted } else { AdminAccess::Denied })
///     }
/// }
/// ```
#[async_trait]
pub trait AdminGuard: Send + Sync + 'static {
    /// Whether this session is an administrator's. It is asked for every request, before anything is looked at.
    ///
    /// # Errors
    ///
    /// Whatever kept it from deciding: nobody is let in, and the answer has the status of the error.
    async fn access(&self, session: &Session) -> Result<AdminAccess>;
}

#[async_trait]
impl<F: Fn(&Session) -> AdminAccess + Send + Sync + 'static> AdminGuard for F {
    async fn access(&self, session: &Session) -> Result<AdminAccess> {
        Ok(self(session))
    }
}

/// The administration of everybody's sessions, for adapters to mount: a page, and the same as JSON. There is none without a guard.
///
/// Paths are below the place where the application mounts it:
///
/// | route | answer |
/// |---|---|
/// | `GET /[?owner=][&after=][&limit=]` | the page: figures, one part of the list, buttons |
/// | `POST /?action=revoke&handle=[&owner=]`, `?action=revoke-owner&owner=`, `?action=sweep` | what the page's buttons do; 303 to the page |
/// | `GET /stats.json` | the figures: [`SessionStats`](crate::SessionStats) |
/// | `GET /sessions.json[?owner=][&after=][&limit=]` | `{"sessions": [...], "next": text or null}`; go on with `after` until `next` is null |
/// | `POST /revoke` | ends the session of `handle`: `{"ended": n}`; with its `owner`, no search is needed |
/// | `POST /revoke-owner` | ends all sessions of `owner`: `{"ended": n}` |
/// | `POST /sweep` | removes what has expired: `{"removed": n, "more": true or false}` |
///
/// Every `POST` carries a token against forgery, in the form's field [`CSRF_FIELD`](crate::CSRF_FIELD) or in the header
/// [`CSRF_HEADER`](crate::CSRF_HEADER). Its arguments are fields of a form, or of the query: an owner may contain what a form would change
/// on its way, a line break say.
///
/// Somebody whom the guard denies gets 404 for every path and method: whether there is something at this address is not for them to
/// know. Take the address for no secret all the same.
#[derive(Clone)]
pub struct Admin {
    guard: Arc<dyn AdminGuard>,
}

/// A request below the place where [`Admin`] is mounted.
#[derive(Clone, Copy)]
pub struct AdminRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path behind the mount point; slashes at its ends do not count.
    pub path: &'a str,
    /// What is behind the `?`.
    pub query: Option<&'a str>,
    /// The header `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The header [`CSRF_HEADER`](crate::CSRF_HEADER).
    pub csrf_header: Option<&'a [u8]>,
    /// The body; `None` if it has more than [`Admin::BODY_LIMIT`] bytes, or broke off.
    pub body: Option<&'a [u8]>,
}

/// What to answer. `Debug` does not show the body, which may hold a token against forgery.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminReply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: String,
}

/// Why a request gets nothing but a status.
enum Refusal {
    Status(u16),
    Error(Error),
}

/// What an [`Action`] did.
enum Done {
    Ended(u64),
    Swept { removed: u64, backlog: Backlog },
}

/// Bytes in a query.
const QUERY_LIMIT: usize = 4096;

/// A sweep by hand removes at most that much in one request: some seconds of work.
const SWEEP_BATCHES: usize = 20;
const SWEEP_BATCH: usize = 1000;

impl Admin {
    /// Bytes in a body: adapters read no more than that.
    pub const BODY_LIMIT: usize = 4096;

    /// For those whom this guard lets in.
    pub fn new(guard: impl AdminGuard) -> Self {
        Self { guard: Arc::new(guard) }
    }

    /// Answers a request, for the session that it came with.
    pub async fn answer(&self, session: &Session, request: AdminRequest<'_>) -> AdminReply {
        match self.attempt(session, request).await {
            Ok(reply) => reply,
            Err(Refusal::Status(status)) => AdminReply::phrase(status),
            Err(Refusal::Error(error)) => {
                error.log();
                AdminReply::phrase(status(&error))
            }
        }
    }

    async fn attempt(&self, session: &Session, request: AdminRequest<'_>) -> Result<AdminReply, Refusal> {
        if self.guard.access(session).await? != AdminAccess::Granted {
            return Err(Refusal::Status(404));
        }
        let query = request.query.unwrap_or_default();
        if query.len() > QUERY_LIMIT {
            return Err(Refusal::Status(414));
        }
        let reads = matches!(request.method, "GET" | "HEAD");
        let path = request.path.trim_matches('/');
        match path {
            "" if reads => page::answer(session, &Fields::read(query, "")?).await,
            "stats.json" if reads => Ok(AdminReply::json(&listing::stats(session).await?)),
            "sessions.json" if reads => {
                let listing = listing::of(session, &Fields::read(query, "")?).await?;
                Ok(AdminReply::json(&listing.to_json()))
            }
            "" | "revoke" | "revoke-owner" | "sweep" if request.method == "POST" => {
                let form = genuine(session, &request)?;
                let fields = Fields::read(query, &form)?;
                let named = if path.is_empty() { fields.action() } else { path };
                let done = perform(session, fields.to(named)?).await?;
                Ok(if path.is_empty() {
                    AdminReply::see_other(fields.page_after(&done))
                } else {
                    AdminReply::json(&done.to_json())
                })
            }
            "" => Ok(AdminReply::not_allowed("GET, HEAD, POST")),
            "stats.json" | "sessions.json" => Ok(AdminReply::not_allowed("GET, HEAD")),
            "revoke" | "revoke-owner" | "sweep" => Ok(AdminReply::not_allowed("POST")),
            _ => Err(Refusal::Status(404)),
        }
    }
}

/// The form of a request that a page of this session sent.
fn genuine(session: &Session, request: &AdminRequest<'_>) -> Result<String, Refusal> {
    let body = request.body.filter(|body| body.len() <= Admin::BODY_LIMIT);
    let body = body.ok_or(Refusal::Status(413))?;
    match request.csrf_header {
        Some(token) => {
            session.verify_csrf(token)?;
            Ok(String::from_utf8_lossy(body).into_owned())
        }
        None => Ok(session.verify_csrf_form(request.content_type, body)?),
    }
}

async fn perform(session: &Session, action: Action) -> Result<Done, Refusal> {
    let engine = session.engine();
    let sessions = engine.sessions();
    let done = match action {
        Action::Revoke { handle, owner } => {
            let sessions = sessions?;
            let listed = match &owner {
                Some(owner) => sessions.revoke(owner, handle).await?,
                None => false,
            };
            // Signed out and in as somebody else since the page was made, or the owner was not given: then it has to be searched for.
            Done::Ended(u64::from(listed || sessions.revoke_handle(handle).await?))
        }
        Action::RevokeOwner(owner) => Done::Ended(sessions?.revoke_all(&owner).await?),
        Action::Sweep => {
            let mut removed = 0;
            let mut backlog = Backlog::Remaining;
            for _ in 0..SWEEP_BATCHES {
                let swept = engine.store().sweep(engine.now(), SWEEP_BATCH).await?;
                removed += swept.removed as u64;
                backlog = swept.backlog;
                if backlog == Backlog::Empty {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if removed > 0 {
                engine.tell(Event::Expired { sessions: removed });
            }
            Done::Swept { removed, backlog }
        }
    };
    Ok(done)
}

impl Done {
    fn to_json(&self) -> Json {
        match self {
            Self::Ended(ended) => json!({ "ended": ended }),
            Self::Swept { removed, backlog } => json!({ "removed": removed, "more": *backlog == Backlog::Remaining }),
        }
    }
}

impl AdminReply {
    /// No answer is stored by anybody, framed by another site, or taken for something else. The referrer stays within the site, where it
    /// also keeps `Origin` in the page's forms.
    fn new(status: u16, content_type: &'static str, body: String) -> Self {
        let headers = [
            ("content-type", content_type),
            ("cache-control", "no-store"),
            ("content-security-policy", page::policy()),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ];
        Self {
            status,
            headers: headers.map(|(name, value)| (name, Cow::Borrowed(value))).to_vec(),
            body,
        }
    }

    fn html(status: u16, markup: maud::Markup) -> Self {
        Self::new(status, "text/html; charset=utf-8", markup.into_string())
    }

    fn json(body: &Json) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    fn phrase(status: u16) -> Self {
        let phrase = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            501 => "Not Implemented: the session store cannot show this",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        Self::new(status, "text/plain; charset=utf-8", phrase.to_owned())
    }

    fn not_allowed(allow: &'static str) -> Self {
        let mut reply = Self::new(405, "text/plain; charset=utf-8", "Method Not Allowed".to_owned());
        reply.headers.push(("allow", Cow::Borrowed(allow)));
        reply
    }

    fn see_other(location: String) -> Self {
        let mut reply = Self::new(303, "text/plain; charset=utf-8", String::new());
        reply.headers.push(("location", Cow::Owned(location)));
        reply
    }
}

/// A store that lacks something is 501: nothing is broken, and trying again will not help.
fn status(error: &Error) -> u16 {
    match error.kind() {
        ErrorKind::Unsupported => 501,
        _ => error.status_code(),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl fmt::Debug for AdminReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminReply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
