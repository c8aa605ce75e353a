//! [`SessionMiddleware`]: puts the session within a handler's reach and commits it before the response head leaves. It decides nothing.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage};
use pin_project_lite::pin_project;
use session_core::{Engine, Inbound, Outbound, Outcome, SessionConfig, SigningKeys, Store};

use crate::error::SessionError;
use crate::headers::Headers;

/// Gives every request of an app, a scope or a resource a session.
///
/// A request that never asks for it costs next to nothing; one that does loads it once. Make it once and clone it into every worker:
/// the clones share the store, the keys and the cleaner.
///
/// ```
/// use actix_web::{App, HttpServer, web};
/// use adapter_actix::{MemoryStore, SessionMiddleware, SigningKeys};
///
/// let sessions = SessionMiddleware::new(MemoryStore::new(), SigningKeys::generate()?);
/// let server = HttpServer::new(move || {
///     App::new()
///         .route("/", web::get().to(|| async { "hello" }))
///         .wrap(sessions.clone())
/// });
/// # drop(server);
/// # Ok::<(), adapter_actix::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    engine: Engine,
}

impl SessionMiddleware {
    /// With the default configuration.
    pub fn new(store: impl Store, keys: SigningKeys) -> Self {
        Self::from_engine(Engine::new(store, keys))
    }

    /// With a configuration of your own.
    pub fn with_config(store: impl Store, keys: SigningKeys, config: SessionConfig) -> Self {
        Self::from_engine(Engine::builder(std::sync::Arc::new(store), keys).config(config).build())
    }

    /// On an engine that has its own clock or observers, or that other adapters share.
    pub fn from_engine(engine: Engine) -> Self {
        Self { engine }
    }

    /// The engine: for the registry of sessions, the cleaner's status and the store.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<SessionService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService {
            inner,
            engine: self.engine.clone(),
        }))
    }
}

/// A service within a [`SessionMiddleware`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    engine: Engine,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inbound, access) = self.engine.begin();
        request.extensions_mut().insert(access);
        ResponseFuture::Running {
            handler: self.inner.call(request),
            inbound: Some(inbound),
        }
    }
}

type Answer<B> = Result<ServiceResponse<B>, Error>;

pin_project! {
    /// The response of a [`SessionService`]: the handler runs, then its session is committed.
    #[project = Step]
    #[allow(missing_docs, reason = "variants of a future that nobody matches")]
    pub enum ResponseFuture<F, B> {
        #[doc(hidden)]
        Running { #[pin] handler: F, inbound: Option<Inbound> },
        #[doc(hidden)]
        Finishing { commit: Pin<Box<dyn Future<Output = Answer<EitherBody<B>>>>> },
    }
}

impl<F, B> Future for ResponseFuture<F, B>
where
    F: Future<Output = Answer<B>>,
    B: 'static,
{
    type Output = Answer<EitherBody<B>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                Step::Running { handler, inbound } => {
                    let answer = ready!(handler.poll(context));
                    let inbound = inbound.take().expect("a future is not polled after it is ready");
                    let Some(inbound) = inbound.if_used() else {
                        return Poll::Ready(answer.map(ServiceResponse::map_into_left_body));
                    };
                    Self::Finishing {
                        commit: Box::pin(finish(inbound, answer)),
                    }
                }
                Step::Finishing { commit } => return commit.as_mut().poll(context),
            };
            self.set(next);
        }
    }
}

/// The handler's answer with the session's headers, or an error in its place if the commit failed.
async fn finish<B>(inbound: Inbound, answer: Answer<B>) -> Answer<EitherBody<B>> {
    match answer {
        Ok(response) => Ok(finish_response(inbound, response).await),
        Err(error) => Err(finish_error(inbound, error).await),
    }
}

async fn finish_response<B>(inbound: Inbound, mut response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let outcome = Outcome::of_status(response.status().as_u16());
    match inbound.finish(outcome).await {
        Ok(outbound) => {
            outbound.write_to(&mut Headers(response.headers_mut()));
            response.map_into_left_body()
        }
        Err(failure) => {
            let mut response = response.error_response(SessionError::from(failure));
            Outbound::failed().write_to(&mut Headers(response.headers_mut()));
            response.map_into_right_body()
        }
    }
}

/// For what a middleware or service inside of ours refused: handlers' errors are responses by now. A response takes a request, and
/// that went inside; so it stays an error, and the headers wait in it until actix makes the response.
async fn finish_error(inbound: Inbound, mut error: Error) -> Error {
    let mut response = error.error_response();
    let outcome = Outcome::of_status(response.status().as_u16());
    let outbound = inbound.finish(outcome).await.unwrap_or_else(|failure| {
        error = SessionError::from(failure).into();
        response = error.error_response();
        Outbound::failed()
    });
    outbound.write_to(&mut Headers(response.headers_mut()));
    let headers = response.headers().clone();
    error.add_response_mapper(move |mut response| {
        response.headers_mut().clone_from(&headers);
        response
    });
    error
}
