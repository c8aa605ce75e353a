//! Extractors: [`Session`], `Option<Session>`, [`SignedIn`] and [`Sessions`].

use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::COOKIE;
use http::request::Parts;
use http::{StatusCode, header::HeaderValue};
use session_core::{Access, Error, ErrorKind, Owner};

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

fn access(parts: &Parts) -> Result<Access, Error> {
    parts.extensions.get::<Access>().cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::NotInstalled,
            "using a session on a route without one: add SessionLayer to the router with .layer() after the route",
        )
    })
}
