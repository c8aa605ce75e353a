//! [`SessionAdmin`]: mounts the administration of sessions. What it shows and does is decided in `session-core`.

use std::io::Cursor;

use rocket::data::{Capped, Data, ToByteUnit};
use rocket::http::{Method, Status};
use rocket::route::{Handler, Outcome};
use rocket::{Request, Response, Route};
use session_core::{Admin, AdminGuard, AdminReply, AdminRequest, CSRF_HEADER};

use crate::error;
use crate::extract::Session;

/// Shows everybody's sessions to administrators, and ends them: routes to mount on a rocket with
/// [`SessionFairing`](crate::SessionFairing). Without the fairing every request is answered with 500, and the log says why.
///
/// Whom the guard denies gets 404. See [`session_core::Admin`].
///
/// ```
/// use adapter_rocket::session_core::Session;
/// use adapter_rocket::{AdminAccess, MemoryStore, SessionAdmin, SessionFairing, SigningKeys};
///
/// let admin = SessionAdmin::new(|session: &Session| match session.owner() {
///     Some(owner) if owner.as_str() == "root" => AdminAccess::Granted,
///     _ => AdminAccess::Denied,
/// });
/// let rocket = rocket::build()
///     .attach(SessionFairing::new(MemoryStore::new(), SigningKeys::generate()?))
///     .mount("/admin/sessions", admin);
/// # let _ = rocket;
/// # Ok::<(), adapter_rocket::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionAdmin(Admin);

impl SessionAdmin {
    /// For those whom this guard lets in.
    pub fn new(guard: impl AdminGuard) -> Self {
        Self(Admin::new(guard))
    }
}

impl From<SessionAdmin> for Vec<Route> {
    fn from(admin: SessionAdmin) -> Self {
        let methods = [Method::Get, Method::Post];
        methods
            .map(|method| Route::new(method, "/<path..>", admin.clone()))
            .into()
    }
}

#[rocket::async_trait]
impl Handler for SessionAdmin {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let session = match Session::load(request).await {
            Ok(session) => session.into_inner(),
            Err(failure) => return Outcome::Success(error::response(&failure)),
        };
        let header = |name| request.headers().get_one(name).map(str::as_bytes);
        let path: Vec<&str> = request.routed_segments(0..).collect();
        let body = data.open(Admin::BODY_LIMIT.bytes()).into_bytes().await;
        let body = body.ok().filter(Capped::is_complete).map(Capped::into_inner);
        let asked = AdminRequest {
            method: request.method().as_str(),
            path: &path.join("/"),
            query: request.uri().query().map(|query| query.as_str()),
            content_type: header("content-type"),
            csrf_header: header(CSRF_HEADER),
            body: body.as_deref(),
        };
        Outcome::Success(respond(self.0.answer(&session, asked).await))
    }
}

fn respond<'r>(reply: AdminReply) -> Response<'r> {
    let mut response = Response::build();
    response.status(Status::new(reply.status));
    for (name, value) in reply.headers {
        response.raw_header(name, value);
    }
    response
        .sized_body(reply.body.len(), Cursor::new(reply.body))
        .finalize()
}
