//! The routes of the probe in actix. What they do is in `session_core::conformance::probe`, the same for every framework.

use std::convert::Infallible;

use actix_web::body::MessageBody;
use actix_web::dev::{Handler, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, USER_AGENT, VARY};
use actix_web::web::{self, Data, Path, PayloadConfig};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, Resource, Responder, guard};
use adapter_actix::{
    CsrfForm, CsrfHeader, CsrfToken, Flashes, Session, SessionAdmin, SessionError, SessionMiddleware, Sessions, Value,
};
use session_core::conformance::probe::{self, Gate, Note, Probe, Remember, Reply, Tally};

/// The probe as an actix application: for every worker, the same engine and gate.
pub(crate) fn app(
    probe: Probe,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(PayloadConfig::new(1024 * 1024))
        .app_data(Data::new(probe.gate))
        .service(get("/plain", || async { "plain" }))
        .service(get("/get/{key}", get_value))
        .service(post("/set/{key}", set))
        .service(post("/add/{key}", add))
        .service(post("/remove/{key}", remove))
        .service(post("/clear", clear))
        .service(post("/login/{owner}", login))
        .service(post("/logout", logout))
        .service(post("/renew", renew))
        .service(get("/info", info))
        .service(get("/sessions", list))
        .service(post("/revoke/{handle}", revoke))
        .service(post("/revoke-others", revoke_others))
        .service(post("/revoke-all", revoke_all))
        .service(post("/slow/{key}", slow))
        .service(get("/fail/{status}", fail))
        .service(get("/cached/{key}", cached))
        .service(get("/csrf", csrf))
        .service(post("/csrf/form", csrf_form))
        .service(post("/csrf/header", csrf_header))
        .service(post("/flash/{text}", leave_flash))
        .service(get("/flash", show_flashes))
        .service(get("/typed", tally))
        .service(post("/typed/{n}", add_to_tally))
        .service(get("/stream", stream))
        .service(web::scope("/admin").service(SessionAdmin::new(probe::root_only)))
        .wrap(SessionMiddleware::from_engine(probe.engine))
}

/// GET, and HEAD, which actix does not answer by itself.
fn get<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + 'static,
{
    let methods = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path).route(web::route().guard(methods).to(handler))
}

fn post<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A, Output: Responder + 'static>,
    A: FromRequest + 'static,
{
    web::resource(path).route(web::post().to(handler))
}

type Answer = Result<HttpResponse, SessionError>;

async fn get_value(session: Session, key: Path<String>) -> Answer {
    Ok(json(probe::get(&session, &key)?))
}

async fn set(session: Session, key: Path<String>, body: String) -> Answer {
    Ok(json(probe::set(&session, &key, body)?))
}

async fn add(session: Session, key: Path<String>) -> Answer {
    Ok(json(probe::add(&session, &key).await?))
}

async fn remove(session: Session, key: Path<String>) -> HttpResponse {
    json(probe::remove(&session, &key))
}

async fn clear(session: Session) -> HttpResponse {
    json(probe::clear(&session))
}

async fn login(session: Session, owner: Path<String>, request: HttpRequest) -> Answer {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let remember = Remember::in_query(Some(request.query_string()));
    Ok(json(probe::login(&session, &owner, remember, user_agent)?))
}

async fn logout(session: Session) -> HttpResponse {
    json(probe::logout(&session))
}

async fn renew(session: Session) -> HttpResponse {
    json(probe::renew(&session))
}

async fn info(session: Session) -> HttpResponse {
    json(probe::info(&session))
}

async fn list(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::list(&session, &sessions).await?))
}

async fn revoke(session: Session, sessions: Sessions, handle: Path<String>) -> Answer {
    Ok(json(probe::revoke(&session, &sessions, &handle).await?))
}

async fn revoke_others(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::revoke_others(&session, &sessions).await?))
}

async fn revoke_all(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::revoke_all(&session, &sessions).await?))
}

async fn slow(session: Session, gate: Data<Gate>, key: Path<String>, request: HttpRequest, body: String) -> Answer {
    let query = Some(request.query_string());
    Ok(json(probe::slow(&session, &gate, &key, query, body).await?))
}

async fn fail(session: Session, status: Path<u16>, request: HttpRequest) -> Answer {
    let query = Some(request.query_string());
    Ok(json(probe::fail(&session, *status, query)?))
}

async fn cached(session: Session, key: Path<String>) -> Answer {
    let mut reply = json(probe::set(&session, &key, "cached".to_owned())?);
    let public = HeaderValue::from_static("public, max-age=60");
    reply.headers_mut().insert(CACHE_CONTROL, public);
    let language = HeaderValue::from_static("Accept-Language");
    reply.headers_mut().insert(VARY, language);
    Ok(reply)
}

async fn csrf(token: CsrfToken) -> HttpResponse {
    json(probe::csrf(&token))
}

async fn csrf_form(session: Session, CsrfForm(Note { text }): CsrfForm<Note>) -> Answer {
    Ok(json(probe::note(&session, text)?))
}

async fn csrf_header(session: Session, _genuine: CsrfHeader, body: String) -> Answer {
    Ok(json(probe::note(&session, body)?))
}

async fn leave_flash(flashes: Flashes, text: Path<String>) -> Answer {
    Ok(json(probe::leave_flash(&flashes, &text)?))
}

async fn show_flashes(flashes: Flashes) -> Answer {
    Ok(json(probe::show_flashes(&flashes)?))
}

async fn tally(tally: Value<Tally>) -> HttpResponse {
    json(probe::tally(&tally))
}

async fn add_to_tally(mut tally: Value<Tally>, n: Path<u64>) -> Answer {
    Ok(json(probe::add_to_tally(&mut tally, *n)?))
}

async fn stream(session: Session) -> HttpResponse {
    HttpResponse::Ok().streaming(futures_util::stream::unfold(
        (session, 0),
        |(session, part)| async move {
            let text = probe::stream_part(&session, part).await?;
            Some((Ok::<_, Infallible>(web::Bytes::from(text)), (session, part + 1)))
        },
    ))
}

fn json(Reply { status, body }: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("application/json").body(body)
}
