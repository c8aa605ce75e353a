//! Request guards: [`Session`], [`OptionalSession`], [`SignedIn`], [`Sessions`], and [`Extract`] for what is made of a session.

use std::fmt;
use std::ops::{Deref, DerefMut};

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use session_core::{Error, FromSession, Owner};

use crate::csrf::{CsrfForm, CsrfHeader};
use crate::error::{self, SessionError};
use crate::middleware::{Installed, Slot};

/// The session of this request; loads it on first use. Has all methods of [`session_core::Session`].
///
/// Do not take an `Option<Session>`: Rocket makes `None` of any error, so that a store that is down would look like a visitor
/// without a session. [`OptionalSession`] keeps the two apart.
#[derive(Clone, Debug)]
pub struct Session(session_core::Session);

impl Deref for Session {
    type Target = session_core::Session;

    fn deref(&self) -> &session_core::Session {
        &self.0
    }
}

impl Session {
    /// The session without Rocket: for code that knows no framework.
    pub fn into_inner(self) -> session_core::Session {
        self.0
    }

    pub(crate) async fn load(request: &Request<'_>) -> Result<Self, Error> {
        let access = Slot::of(request).access()?;
        let headers: Vec<&[u8]> = request.headers().get("cookie").map(str::as_bytes).collect();
        if !headers.is_empty() {
            return Ok(Self(access.session(headers).await?));
        }
        // Rocket's local test client puts its cookies into the jar and sends no header. In a request that came over the network
        // and has no such header, the jar holds none either.
        let cookie = request.cookies().get(access.engine().config().cookie_name());
        let pair = cookie.map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        Ok(Self(access.session(pair.as_deref().map(str::as_bytes)).await?))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Session {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        match Self::load(request).await {
            Ok(session) => Outcome::Success(session),
            Err(error) => error::outcome(error),
        }
    }
}

/// The session, or `None` for a visitor for whom nothing is stored. A store that is down is an error, as for [`Session`] (P13).
///
/// ```
/// use adapter_rocket::OptionalSession;
///
/// #[rocket::get("/")]
/// fn home(session: OptionalSession) -> &'static str {
///     match session.0 {
///         Some(_) => "welcome back",
///         None => "hello, stranger",
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OptionalSession(pub Option<Session>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for OptionalSession {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let session = Session::from_request(request).await;
        session.map(|session| Self(Some(session).filter(|session| !session.is_new())))
    }
}

/// A session in which somebody is signed in.
///
/// Anybody else is forwarded with 401: to the next route that matches, if there is one, or to the catcher for 401.
///
/// ```
/// use adapter_rocket::SignedIn;
/// use rocket::response::Redirect;
///
/// #[rocket::get("/account")]
/// fn account(signed_in: SignedIn) -> String {
///     format!("hello {}", signed_in.owner)
/// }
///
/// #[rocket::get("/account", rank = 2)]
/// fn stranger() -> Redirect {
///     Redirect::to("/sign-in")
/// }
/// ```
///
/// Do not take an `Option<SignedIn>`, for the same reason as with [`Session`].
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub owner: Owner,
    /// Their session.
    pub session: Session,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SignedIn {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let session = Session::from_request(request).await;
        session.and_then(|session| match session.owner() {
            Some(owner) => Outcome::Success(Self { owner, session }),
            None => Outcome::Forward(Status::Unauthorized),
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

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Sessions {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        match Slot::of(request).access().and_then(|access| access.engine().sessions()) {
            Ok(sessions) => Outcome::Success(Self(sessions)),
            Err(error) => error::outcome(error),
        }
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

#[rocket::async_trait]
impl<'r, T: FromSession> FromRequest<'r> for Extract<T> {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let session = Session::load(request).await;
        match session.and_then(|session| T::from_session(session.into_inner())) {
            Ok(made) => Outcome::Success(Self(made)),
            Err(error) => error::outcome(error),
        }
    }
}

/// Rocket does not launch if a route takes one of our guards and [`SessionFairing`](crate::SessionFairing) is not attached.
macro_rules! needs_the_fairing {
    ($($guard:ident $(<$type:ident>)?),*) => {
        $(impl $(<$type>)? Sentinel for $guard $(<$type>)? {
            fn abort(rocket: &Rocket<Ignite>) -> bool {
                let missing = rocket.state::<Installed>().is_none();
                if missing {
                    tracing::error!("a route uses a session: add SessionFairing to the rocket with .attach()");
                }
                missing
            }
        })*
    };
}

needs_the_fairing!(
    Session,
    OptionalSession,
    SignedIn,
    Sessions,
    Extract<T>,
    CsrfForm<T>,
    CsrfHeader
);
