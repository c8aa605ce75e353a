//! [`CsrfForm`] and [`CsrfHeader`]: requests that show that a page of their session sent them. What shows it is decided in
//! `session-core`.

use std::fmt;

use rocket::Request;
use rocket::data::{self, Data, FromData, Limits};
use rocket::form::{Errors, Form, FromForm, ValueField};
use rocket::http::{RawStr, Status};
use rocket::request::{self, FromRequest, local_cache};
use session_core::{CSRF_HEADER, Error};

use crate::error::{self, SessionError};
use crate::extract::Session;

/// A form (`application/x-www-form-urlencoded`) that carries a [`CsrfToken`](crate::CsrfToken) of its session in the field
/// [`CSRF_FIELD`](crate::CSRF_FIELD). `T` need not know that field.
///
/// Take it in every handler that changes something for a form. Without a good token the answer is 403, and `T` is not even looked
/// at; a form that does not fit `T` is answered with 422, another content type with 415. The size limit is Rocket's `form`. Do not
/// take it as an `Option`, which would let forged requests through.
///
/// ```
/// use adapter_rocket::{CSRF_FIELD, CsrfForm, CsrfToken};
/// use rocket::response::content::RawHtml;
///
/// #[derive(rocket::FromForm)]
/// struct Transfer<'r> {
///     to: &'r str,
///     #[field(validate = range(1..))]
///     amount: u32,
/// }
///
/// #[rocket::get("/transfer")]
/// fn form(token: CsrfToken) -> RawHtml<String> {
///     RawHtml(format!(r#"<form method="post"><input type="hidden" name="{CSRF_FIELD}" value="{token}"> … </form>"#))
/// }
///
/// #[rocket::post("/transfer", data = "<form>")]
/// fn transfer(form: CsrfForm<Transfer<'_>>) -> String {
///     format!("{} for {}", form.0.amount, form.0.to)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CsrfForm<T>(pub T);

/// Why a [`CsrfForm`] was refused.
///
/// `Debug` names fields and what is wrong with them, but no value: Rocket writes it to its log, and a field may be a password.
pub struct FormErrors<'r>(Errors<'r>);

impl<'r> FormErrors<'r> {
    /// Rocket's own, with the values that were sent: to show the form again.
    pub fn into_inner(self) -> Errors<'r> {
        self.0
    }
}

impl fmt::Debug for FormErrors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.iter().map(|error| (error.name.as_ref(), error.kind.to_string()));
        f.debug_list().entries(fields).finish()
    }
}

#[rocket::async_trait]
impl<'r, T: FromForm<'r>> FromData<'r> for CsrfForm<T> {
    type Error = FormErrors<'r>;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Self> {
        let form = match verified(request, data).await {
            Ok(form) => RawStr::new(&form)
                .split('&')
                .map(|pair| pair.split_at_byte(b'='))
                .filter(|(name, _)| !name.is_empty())
                .map(|(name, value)| [name, value].map(|half| half.url_decode_lossy().into_owned()))
                .collect::<Vec<_>>(),
            Err(errors) => return refused(errors),
        };
        let fields = local_cache!(request, form).iter();
        match Form::parse_iter(fields.map(|[name, value]| ValueField::from((name.as_str(), value.as_str())))) {
            Ok(form) => data::Outcome::Success(Self(form)),
            Err(errors) => refused(errors),
        }
    }
}

fn refused<'r, T: FromForm<'r>>(errors: Errors<'r>) -> data::Outcome<'r, CsrfForm<T>> {
    data::Outcome::Error((errors.status(), FormErrors(errors)))
}

async fn verified<'r>(request: &Request<'_>, data: Data<'_>) -> Result<String, Errors<'r>> {
    let session = Session::load(request).await.map_err(as_form_error)?;
    let limit = request.limits().get("form").unwrap_or(Limits::FORM);
    let body = data.open(limit).into_bytes().await?;
    if !body.is_complete() {
        return Err((None, Some(limit)).into());
    }
    let content_type = request.headers().get_one("content-type").map(str::as_bytes);
    session
        .verify_csrf_form(content_type, body.into_inner())
        .map_err(as_form_error)
}

fn as_form_error<'r>(error: Error) -> Errors<'r> {
    error.log();
    let status = Status::new(error.status_code());
    let error: Box<dyn std::error::Error + Send> = Box::new(error);
    (status, error).into()
}

/// A request that carries a [`CsrfToken`](crate::CsrfToken) of its session in the header [`CSRF_HEADER`](crate::CSRF_HEADER), as a
/// page's script sends it; any other is answered with 403. Never take it as an `Option`.
///
/// ```
/// use adapter_rocket::CsrfHeader;
///
/// #[rocket::post("/rename", data = "<name>")]
/// fn rename(_genuine: CsrfHeader, name: String) -> String {
///     format!("renamed to {name}")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CsrfHeader;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CsrfHeader {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, SessionError> {
        let presented = request.headers().get_one(CSRF_HEADER).unwrap_or_default();
        let session = Session::load(request).await;
        match session.and_then(|session| session.verify_csrf(presented)) {
            Ok(()) => request::Outcome::Success(Self),
            Err(error) => error::outcome(error),
        }
    }
}
