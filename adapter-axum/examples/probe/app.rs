//! The routes of the probe in axum. What they do is in `session_core::conformance::probe`, the same for every framework.

use adapter_axum::{
    CsrfForm, CsrfHeader, CsrfToken, Flashes, Session, SessionAdmin, SessionError, SessionLayer, Sessions, Value,
};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, extract::DefaultBodyLimit};
use session_core::conformance::probe::{self, Gate, Note, Probe, Remember, Reply, Tally};

/// The probe as an axum application.
pub(crate) fn app(probe: Probe) -> Router {
    Router::new()
        .route("/plain", get(|| async { "plain" }))
        .route("/get/{key}", get(get_value))
        .route("/set/{key}", post(set))
        .route("/add/{key}", post(add))
        .route("/remove/{key}", post(remove))
        .route("/clear", post(clear))
        .route("/login/{owner}", post(login))
        .route("/logout", post(logout))
        .route("/renew", post(renew))
        .route("/info", get(info))
        .route("/sessions", get(list))
        .route("/revoke/{handle}", post(revoke))
        .route("/revoke-others", post(revoke_others))
        .route("/revoke-all", post(revoke_all))
        .route("/slow/{key}", post(slow))
        .route("/fail/{status}", get(fail))
        .route("/cached/{key}", get(cached))
        .route("/csrf", get(csrf))
        .route("/csrf/form", post(csrf_form))
        .route("/csrf/header", post(csrf_header))
        .route("/flash/{text}", post(leave_flash))
        .route("/flash", get(show_flashes))
        .route("/typed", get(tally))
        .route("/typed/{n}", post(add_to_tally))
        .route("/stream", get(stream))
        .nest_service("/admin", SessionAdmin::new(probe::root_only))
        .layer(DefaultBodyLimit::max(1024 * 1024))
        .layer(SessionLayer::from_engine(probe.engine))
        .with_state(probe.gate)
}

type Answer = Result<Response, SessionError>;

async fn get_value(session: Session, Path(key): Path<String>) -> Answer {
    Ok(json(probe::get(&session, &key)?))
}

async fn set(session: Session, Path(key): Path<String>, body: String) -> Answer {
    Ok(json(probe::set(&session, &key, body)?))
}

async fn add(session: Session, Path(key): Path<String>) -> Answer {
    Ok(json(probe::add(&session, &key).await?))
}

async fn remove(session: Session, Path(key): Path<String>) -> Response {
    json(probe::remove(&session, &key))
}

async fn clear(session: Session) -> Response {
    json(probe::clear(&session))
}

async fn login(session: Session, Path(owner): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Ok(json(probe::login(
        &session,
        &owner,
        Remember::in_query(query.as_deref()),
        user_agent,
    )?))
}

async fn logout(session: Session) -> Response {
    json(probe::logout(&session))
}

async fn renew(session: Session) -> Response {
    json(probe::renew(&session))
}

async fn info(session: Session) -> Response {
    json(probe::info(&session))
}

async fn list(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::list(&session, &sessions).await?))
}

async fn revoke(session: Session, sessions: Sessions, Path(handle): Path<String>) -> Answer {
    Ok(json(probe::revoke(&session, &sessions, &handle).await?))
}

async fn revoke_others(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::revoke_others(&session, &sessions).await?))
}

async fn revoke_all(session: Session, sessions: Sessions) -> Answer {
    Ok(json(probe::revoke_all(&session, &sessions).await?))
}

async fn slow(
    session: Session,
    State(gate): State<Gate>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    body: String,
) -> Answer {
    Ok(json(probe::slow(&session, &gate, &key, query.as_deref(), body).await?))
}

async fn fail(session: Session, Path(status): Path<u16>, RawQuery(query): RawQuery) -> Answer {
    Ok(json(probe::fail(&session, status, query.as_deref())?))
}

async fn cached(session: Session, Path(key): Path<String>) -> Answer {
    let reply = json(probe::set(&session, &key, "cached".to_owned())?);
    let public = [(CACHE_CONTROL, "public, max-age=60"), (VARY, "Accept-Language")];
    Ok((public, reply).into_response())
}

async fn csrf(token: CsrfToken) -> Response {
    json(probe::csrf(&token))
}

async fn csrf_form(session: Session, CsrfForm(Note { text }): CsrfForm<Note>) -> Answer {
    Ok(json(probe::note(&session, text)?))
}

async fn csrf_header(session: Session, _genuine: CsrfHeader, body: String) -> Answer {
    Ok(json(probe::note(&session, body)?))
}

async fn leave_flash(flashes: Flashes, Path(text): Path<String>) -> Answer {
    Ok(json(probe::leave_flash(&flashes, &text)?))
}

async fn show_flashes(flashes: Flashes) -> Answer {
    Ok(json(probe::show_flashes(&flashes)?))
}

async fn tally(tally: Value<Tally>) -> Response {
    json(probe::tally(&tally))
}

async fn add_to_tally(mut tally: Value<Tally>, Path(n): Path<u64>) -> Answer {
    Ok(json(probe::add_to_tally(&mut tally, n)?))
}

async fn stream(session: Session) -> Body {
    Body::from_stream(futures_util::stream::unfold(
        (session, 0),
        |(session, part)| async move {
            let text = probe::stream_part(&session, part).await?;
            Some((Ok::<_, std::convert::Infallible>(text), (session, part + 1)))
        },
    ))
}

fn json(Reply { status, body }: Reply) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
