//! [`CsrfForm`] and [`CsrfHeader`]: requests that show that a page of their session sent them. What shows it is decided in
//! `session-core`.

use actix_web::dev::Payload;
use actix_web::error::ErrorUnprocessableEntity;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use session_core::CSRF_HEADER;

use crate::error::SessionError;
use crate::extract::{Extracted, Session};

/// A form (`application/x-www-form-urlencoded`) that carries a [`CsrfToken`](crate::CsrfToken) of its session in the field
/// [`CSRF_FIELD`](crate::CSRF_FIELD). `T` need not know that field.
///
/// Take it in every handler that changes something for a form. Without a good token the answer is 403, and `T` is not even looked
/// at; a form that does not fit `T` is answered with 422, another content type with 415. The size limit is that of actix's
/// [`PayloadConfig`](actix_web::web::PayloadConfig). Do not take it as an `Option`, which would let forged requests through.
///
/// ```
/// use adapter_actix::{CsrfForm, CsrfToken, CSRF_FIELD};
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

impl<T: DeserializeOwned + 'static> FromRequest for CsrfForm<T> {
    type Error = actix_web::Error;
    type Future = Extracted<Self, actix_web::Error>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        let content_type = request.headers().get(CONTENT_TYPE).cloned();
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            let form = session
                .await?
                .verify_csrf_form(content_type.as_ref().map(HeaderValue::as_bytes), body.await?)
                .map_err(SessionError::from)?;
            serde_urlencoded::from_str(&form)
                .map(Self)
                .map_err(ErrorUnprocessableEntity)
        })
    }
}

/// A request that carries a [`CsrfToken`](crate::CsrfToken) of its session in the header [`CSRF_HEADER`](crate::CSRF_HEADER), as a
/// page's script sends it; any other is answered with 403. Take it before the body, whatever that is, and never as an `Option`.
///
/// ```
/// use adapter_actix::CsrfHeader;
///
/// async fn rename(_genuine: CsrfHeader, name: String) -> String {
///     format!("renamed to {name}")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CsrfHeader;

impl FromRequest for CsrfHeader {
    type Error = SessionError;
    type Future = Extracted<Self, SessionError>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        let presented = request.headers().get(CSRF_HEADER).cloned();
        Box::pin(async move {
            let presented = presented.as_ref().map_or(&[][..], HeaderValue::as_bytes);
            session.await?.verify_csrf(presented)?;
            Ok(Self)
        })
    }
}
