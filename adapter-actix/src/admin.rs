//! [`SessionAdmin`]: mounts the administration of sessions. What it shows and does is decided in `session-core`.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{HttpRequest, HttpResponse};
use session_core::{Admin, AdminGuard, AdminReply, AdminRequest, CSRF_HEADER};

use crate::extract::Session;

/// Shows everybody's sessions to administrators, and ends them: the service of a scope, inside of the
/// [`SessionMiddleware`](crate::SessionMiddleware).
///
/// Whom the guard denies gets 404. See [`session_core::Admin`].
///
/// ```
/// use actix_web::{App, web};
/// use adapter_actix::session_core::Session;
/// use adapter_actix::{AdminAccess, MemoryStore, SessionAdmin, SessionMiddleware, SigningKeys};
///
/// let admin = SessionAdmin::new(|session: &Session| match session.owner() {
///     Some(owner) if owner.as_str() == "root" => AdminAccess::Granted,
///     _ => AdminAccess::Denied,
/// });
/// let app = App::new()
///     .service(web::scope("/admin/sessions").service(admin))
///     .wrap(SessionMiddleware::new(MemoryStore::new(), SigningKeys::generate()?));
/// # let _ = app;
/// # Ok::<(), adapter_actix::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionAdmin(Admin);

impl SessionAdmin {
    /// For those whom this guard lets in.
    pub fn new(guard: impl AdminGuard) -> Self {
        Self(Admin::new(guard))
    }
}

impl HttpServiceFactory for SessionAdmin {
    fn register(self, config: &mut AppService) {
        let answer = move |session: Session, request: HttpRequest, body: Result<Bytes, actix_web::Error>| {
            answer(self.0.clone(), session, request, body.ok())
        };
        web::resource(["", "/{path:.*}"])
            .app_data(PayloadConfig::new(Admin::BODY_LIMIT))
            .to(answer)
            .register(config);
    }
}

async fn answer(admin: Admin, session: Session, request: HttpRequest, body: Option<Bytes>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let asked = AdminRequest {
        method: request.method().as_str(),
        path: request.match_info().get("path").unwrap_or_default(),
        query: Some(request.query_string()),
        content_type: header(CONTENT_TYPE.as_str()),
        csrf_header: header(CSRF_HEADER),
        body: body.as_deref(),
    };
    respond(admin.answer(&session.into_inner(), asked).await)
}

fn respond(reply: AdminReply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &reply.headers {
        response.insert_header((*name, value.as_ref()));
    }
    response.body(reply.body)
}
