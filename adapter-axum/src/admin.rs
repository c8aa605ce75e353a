//! [`SessionAdmin`]: mounts the administration of sessions. What it shows and does is decided in `session-core`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use session_core::{Admin, AdminGuard, AdminReply, AdminRequest, CSRF_HEADER};
use tower_service::Service;

use crate::extract::Session;

/// Shows everybody's sessions to administrators, and ends them: a service to nest, inside of the [`SessionLayer`](crate::SessionLayer).
///
/// Whom the guard denies gets 404. See [`session_core::Admin`].
///
/// ```
/// use adapter_axum::session_core::Session;
/// use adapter_axum::{AdminAccess, MemoryStore, SessionAdmin, SessionLayer, SigningKeys};
/// use axum::Router;
///
/// let admin = SessionAdmin::new(|session: &Session| match session.owner() {
///     Some(owner) if owner.as_str() == "root" => AdminAccess::Granted,
///     _ => AdminAccess::Denied,
/// });
/// let app: Router = Router::new()
///     .nest_service("/admin/sessions", admin)
///     .layer(SessionLayer::new(MemoryStore::new(), SigningKeys::generate()?));
/// # Ok::<(), adapter_axum::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionAdmin(Admin);

impl SessionAdmin {
    /// For those whom this guard lets in.
    pub fn new(guard: impl AdminGuard) -> Self {
        Self(Admin::new(guard))
    }
}

impl Service<Request> for SessionAdmin {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let admin = self.0.clone();
        Box::pin(async move { Ok(answer(&admin, request).await) })
    }
}

async fn answer(admin: &Admin, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let session = match <Session as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await {
        Ok(session) => session.into_inner(),
        Err(error) => return error.into_response(),
    };
    let header = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    let body = read(body).await;
    let request = AdminRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        content_type: header(CONTENT_TYPE.as_str()),
        csrf_header: header(CSRF_HEADER),
        body: body.as_deref().map(str::as_bytes),
    };
    respond(admin.answer(&session, request).await)
}

/// axum reads bodies as a part of requests, and so knows their limit. A form is ASCII, so text will do.
async fn read(body: Body) -> Option<String> {
    let mut request = Request::new(body);
    DefaultBodyLimit::max(Admin::BODY_LIMIT).apply(&mut request);
    String::from_request(request, &()).await.ok()
}

fn respond(reply: AdminReply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers.into_iter().map(|(name, value)| {
        let value = HeaderValue::try_from(value.into_owned()).expect("session-core writes visible ASCII");
        (HeaderName::from_static(name), value)
    });
    (status, HeaderMap::from_iter(headers), reply.body).into_response()
}
