//! Extractors: [`Session`], [`OptionalSession`], [`SignedIn`], [`Sessions`], and [`Extract`] for what is made of a session.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use session_core::{Access, Error, ErrorKind, FromSession, Owner};

use crate::error::SessionError;

pub(crate) type Extracted<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

/// The session of this request; loads it on first use. Has all methods of [`session_core::Session`].
///
/// Do not take an `Option<Session>`: actix makes `None` of any error, so that a store that is down would look like a visitor without
/// a session. [`OptionalSession`] keeps the two apart.
#[derive(Clone, Debug)]
pub struct Session(session_core::Session);

impl Deref for Session {
    type Target = session_core::Session;

    fn deref(&self) -> &session_core::Session {
        &self.0
    }
}

impl Session {
    /// The session without actix: for code that knows no framework.
    pub fn into_inner(self) -> session_core::Session {
        self.0
    }
}

impl FromRequest for Session {
    type Error = SessionError;
    type Future = Extracted<Self, SessionError>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let access = access(request);
        // The values and not the request: actix panics if a clone of a request is alive while it is routed.
        let cookies: Vec<HeaderValue> = request.headers().get_all(COOKIE).cloned().collect();
        Box::pin(async move {
            let session = access?.session(cookies.iter().map(HeaderValue::as_bytes)).await?;
            Ok(Self(session))
        })
    }
}

/// The session, or `None` for a visitor for whom nothing is stored. A store that is down is an error, as for [`Session`] (P13).
///
/// ```
/// use adapter_actix::OptionalSession;
///
/// async fn home(OptionalSession(session): OptionalSession) -> &'static str {
///     match session {
///         Some(_) => "welcome back",
///         None => "hello, stranger",
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OptionalSession(pub Option<Session>);

impl FromRequest for OptionalSession {
    type Error = SessionError;
    type Future = Extracted<Self, SessionError>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        Box::pin(async { Ok(Self(Some(session.await?).filter(|session| !session.is_new()))) })
    }
}

/// A session in which somebody is signed in; anybody else is answered with 401.
///
/// ```
/// use adapter_actix::SignedIn;
///
/// async fn account(SignedIn { owner, .. }: SignedIn) -> String {
///     format!("hello {owner}")
/// }
/// ```
///
/// For a page that greets both, take an [`OptionalSession`] and ask for its owner. Do not take an `Option<SignedIn>`, for the same
/// reason as with [`Session`].
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub owner: Owner,
    /// Their session.
    pub session: Session,
}

impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = Extracted<Self, actix_web::Error>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        Box::pin(async {
            let session = session.await?;
            match session.owner() {
                Some(owner) => Ok(Self { owner, session }),
                None => Err(ErrorUnauthorized("sign in first")),
            }
        })
    }
}

/// The registry, to list and end the sessions of owners. Has all methods of [`session_core::Sessions`].
#[derive(Clone, Debug)]
pub struct Sessions(session_core::Sessions);

impl Deref for Sessions {
    type Target = session_core::Sessions;

    fn deref(&self) -> &session_core::Sessions {
        &self.0
    }
}

impl FromRequest for Sessions {
    type Error = SessionError;
    type Future = Ready<Result<Self, SessionError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let sessions = access(request).and_then(|access| access.engine().sessions());
        ready(sessions.map(Self).map_err(SessionError::from))
    }
}

/// What `session-core` makes of the session of this request: a [`Value`], [`Flashes`], a [`CsrfToken`], or of any type that
/// implements [`FromSession`]. It has all methods of what is inside.
///
/// An error is answered as that of [`Session`]: a stored value that cannot be decoded is a 500, and never a default.
/// For the reason given at [`Session`], do not take it as an `Option`.
#[derive(Clone, Debug)]
pub struct Extract<T>(pub T);

/// The value of one type, found by that type: `mut cart: Value<Cart>`. See [`session_core::Value`].
pub type Value<T> = Extract<session_core::Value<T>>;

/// The messages that earlier requests left for this page: `flashes.take()?` shows them once. See [`session_core::Flashes`].
pub type Flashes = Extract<session_core::Flashes>;

/// A token to render into this page's forms, in a field named [`CSRF_FIELD`](crate::CSRF_FIELD). See [`session_core::CsrfToken`].
pub type CsrfToken = Extract<session_core::CsrfToken>;

impl<T> Deref for Extract<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Extract<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: fmt::Display> fmt::Display for Extract<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: FromSession + 'static> FromRequest for Extract<T> {
    type Error = SessionError;
    type Future = Extracted<Self, SessionError>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        Box::pin(async { Ok(Self(T::from_session(session.await?.into_inner())?)) })
    }
}

fn access(request: &HttpRequest) -> Result<Access, Error> {
    request.extensions().get::<Access>().cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::NotInstalled,
            "using a session on a route without one: add SessionMiddleware to the app with .wrap()",
        )
    })
}
