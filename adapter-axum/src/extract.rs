//! Extractors: [`Session`], `Option<Session>`, [`SignedIn`], [`Sessions`], and [`Extract`] for what is made of a session.

use std::fmt;
use std::ops::{Deref, DerefMut};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::COOKIE;
use http::request::Parts;
use http::{StatusCode, header::HeaderValue};
use session_core::{Access, Error, ErrorKind, FromSession, Owner};

use crate::error::SessionError;

/// The session of this request; loads it on first use. Has all methods of [`session_core::Session`].
///
/// `Option<Session>` is `None` for a visitor for whom nothing is stored.
#[derive(Clone, Debug)]
pub struct Session(session_core::Session);

impl Deref for Session {
    type Target = session_core::Session;

    fn deref(&self) -> &session_core::Session {
        &self.0
    }
}

impl Session {
    /// The session without axum: for code that knows no framework.
    pub fn into_inner(self) -> session_core::Session {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionError> {
        let cookies = parts.headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
        Ok(Self(access(parts)?.session(cookies).await?))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, SessionError> {
        let session = <Self as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Some(session).filter(|session| !session.is_new()))
    }
}

/// The session of a visitor for whom something is stored, and `None` for anybody else; as `Option<Session>`, under the name that the
/// adapters for other frameworks use.
#[derive(Clone, Debug)]
pub struct OptionalSession(pub Option<Session>);

impl<S: Sync> FromRequestParts<S> for OptionalSession {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionError> {
        <Session as OptionalFromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map(Self)
    }
}

/// A session in which somebody is signed in; anybody else is answered with 401.
///
/// ```
/// use adapter_axum::SignedIn;
///
/// async fn account(SignedIn { owner, .. }: SignedIn) -> String {
///     format!("hello {owner}")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub owner: Owner,
    /// Their session.
    pub session: Session,
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        match session.owner() {
            Some(owner) => Ok(Self { owner, session }),
            None => Err((StatusCode::UNAUTHORIZED, "sign in first").into_response()),
        }
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

impl<S: Sync> FromRequestParts<S> for Sessions {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionError> {
        Ok(Self(access(parts)?.engine().sessions()?))
    }
}

/// What `session-core` makes of the session of this request: a [`Value`], [`Flashes`], a [`CsrfToken`], or of any type that
/// implements [`FromSession`]. It has all methods of what is inside.
///
/// An error is answered as that of [`Session`]: a stored value that cannot be decoded is a 500, and never a default.
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

impl<S: Sync, T: FromSession> FromRequestParts<S> for Extract<T> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionError> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(T::from_session(session.into_inner())?))
    }
}

fn access(parts: &Parts) -> Result<&Access, Error> {
    parts.extensions.get::<Access>().ok_or_else(|| {
        Error::new(
            ErrorKind::NotInstalled,
            "using a session on a route without one: add SessionLayer to the router with .layer() after the route",
        )
    })
}
