//! [`CsrfForm`] and [`CsrfHeader`]: requests that show that a page of their session sent them. What shows it is decided in
//! `session-core`.

use axum_core::extract::{FromRequest, FromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use serde::de::DeserializeOwned;
use session_core::CSRF_HEADER;

use crate::error::SessionError;
use crate::extract::Session;

/// A form (`application/x-www-form-urlencoded`) that carries a [`CsrfToken`](crate::CsrfToken) of its session in the field
/// [`CSRF_FIELD`](crate::CSRF_FIELD). `T` need not know that field.
///
/// Take it in every handler that changes something for a form. Without a good token the answer is 403, and `T` is not even looked
/// at; a form that does not fit `T` is answered with 422, another content type with 415. The size limit is axum's
/// `DefaultBodyLimit`.
///
/// ```
/// use adapter_axum::{CsrfForm, CsrfToken, CSRF_FIELD};
///
/// #[derive(serde::Deserialize)]
/// struct Transfer {
///     to: String,
///     amount: u32,
/// }
///
/// async fn form(token: CsrfToken) -> String {
///     format!(r#"<form method="post"><input type="hidden" name="{CSRF_FIELD}" value="{token}"> … </form>"#)
/// }
///
/// async fn transfer(CsrfForm(Transfer { to, amount }): CsrfForm<Transfer>) -> String {
///     format!("{amount} for {to}")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CsrfForm<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for CsrfForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let session = session(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let content_type = parts.headers.get(CONTENT_TYPE).cloned();
        let body = String::from_request(Request::from_parts(parts, body), state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let form = session
            .verify_csrf_form(content_type.as_ref().map(HeaderValue::as_bytes), body)
            .map_err(|error| SessionError::from(error).into_response())?;
        let form = serde_urlencoded::from_str(&form).map(Self);
        form.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response())
    }
}

/// A request that carries a [`CsrfToken`](crate::CsrfToken) of its session in the header [`CSRF_HEADER`](crate::CSRF_HEADER), as a
/// page's script sends it; any other is answered with 403. Take it before the body, whatever that is.
///
/// ```
/// use adapter_axum::CsrfHeader;
///
/// async fn rename(_genuine: CsrfHeader, name: String) -> String {
///     format!("renamed to {name}")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CsrfHeader;

impl<S: Sync> FromRequestParts<S> for CsrfHeader {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionError> {
        let session = session(parts, state).await?;
        session.verify_csrf(parts.headers.get(CSRF_HEADER).map_or(&[][..], HeaderValue::as_bytes))?;
        Ok(Self)
    }
}

async fn session<S: Sync>(parts: &mut Parts, state: &S) -> Result<Session, SessionError> {
    <Session as FromRequestParts<S>>::from_request_parts(parts, state).await
}
