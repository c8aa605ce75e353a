//! [`SessionLayer`]: puts the session within a handler's reach and commits it before the response head leaves. It decides nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use session_core::{Engine, Error, Finish, Inbound, Outbound, Outcome, SessionConfig, SigningKeys, Store};
use tower_layer::Layer;
use tower_service::Service;

use crate::error;
use crate::headers::Headers;

/// Gives every request of a service a session.
///
/// A request that never asks for it costs next to nothing; one that does loads it once. Works with axum and with any tower service
/// on `http` 1 whose response body has a default.
///
/// ```
/// use adapter_axum::{MemoryStore, SessionLayer, SigningKeys};
/// use axum::{Router, routing::get};
///
/// let sessions = SessionLayer::new(MemoryStore::new(), SigningKeys::generate()?);
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(sessions);
/// # Ok::<(), adapter_axum::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    engine: Engine,
}

impl SessionLayer {
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

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            inner,
            engine: self.engine.clone(),
        }
    }
}

/// A service within a [`SessionLayer`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    engine: Engine,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let (inbound, access) = self.engine.begin();
        request.extensions_mut().insert(access);
        ResponseFuture::Running {
            handler: self.inner.call(request),
            inbound: Some(inbound),
        }
    }
}

pin_project! {
    /// The response of a [`SessionService`]: the handler runs, then its session is committed.
    #[project = Step]
    #[allow(missing_docs, reason = "variants of a future that nobody matches")]
    pub enum ResponseFuture<F, B, E> {
        #[doc(hidden)]
        Running { #[pin] handler: F, inbound: Option<Inbound> },
        #[doc(hidden)]
        Finishing { commit: Finish, answer: Option<Result<Response<B>, E>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                Step::Running { handler, inbound } => {
                    let answer = ready!(handler.poll(context));
                    let inbound = inbound.take().expect("a future is not polled after it is ready");
                    let Some(inbound) = inbound.if_used() else {
                        return Poll::Ready(answer);
                    };
                    let commit = match &answer {
                        Ok(response) => inbound.finish(Outcome::of_status(response.status().as_u16())),
                        Err(_) => inbound.finish_unanswered(),
                    };
                    Self::Finishing {
                        commit,
                        answer: Some(answer),
                    }
                }
                Step::Finishing { commit, answer } => {
                    let committed = ready!(Pin::new(commit).poll(context));
                    let answer = answer.take().expect("a future is not polled after it is ready");
                    return Poll::Ready(answer.map(|response| with_session(committed, response)));
                }
            };
            self.set(next);
        }
    }
}

/// The handler's response with the session's headers, or an error in its place if the commit failed.
fn with_session<B: Default>(committed: Result<Outbound, Error>, mut response: Response<B>) -> Response<B> {
    let outbound = committed.unwrap_or_else(|failure| {
        failure.log();
        response = Response::new(B::default());
        *response.status_mut() = error::status(&failure);
        Outbound::failed()
    });
    outbound.write_to(&mut Headers(response.headers_mut()));
    response
}
