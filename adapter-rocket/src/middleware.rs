//! [`SessionFairing`]: puts the session within a handler's reach and commits it before the response head leaves. It decides nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocket::fairing::{self, AdHoc, Fairing, Info, Kind};
use rocket::{Build, Data, Orbit, Request, Response, Rocket};
use session_core::{Access, Engine, Error, ErrorKind, Inbound, Outbound, Outcome, SessionConfig, SigningKeys, Store};

use crate::headers::Headers;
use crate::{config, error};

/// Gives every request of a rocket a session.
///
/// A request that never asks for it costs next to nothing; one that does loads it once. Attach one; of several, the last counts.
///
/// ```
/// use adapter_rocket::{MemoryStore, SessionFairing, SigningKeys};
///
/// let rocket = rocket::build().attach(SessionFairing::new(MemoryStore::new(), SigningKeys::generate()?));
/// # let _ = rocket;
/// # Ok::<(), adapter_rocket::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionFairing {
    engine: Engine,
}

impl SessionFairing {
    /// With the default configuration.
    pub fn new(store: impl Store, keys: SigningKeys) -> Self {
        Self::from_engine(Engine::new(store, keys))
    }

    /// With a configuration of your own.
    pub fn with_config(store: impl Store, keys: SigningKeys, config: SessionConfig) -> Self {
        Self::from_engine(Engine::builder(Arc::new(store), keys).config(config).build())
    }

    /// With the table `session` of Rocket's own configuration, for example of `Rocket.toml`. It is read when the rocket ignites,
    /// which fails if a value is not acceptable or a name is not known.
    ///
    /// | name | | default |
    /// |---|---|---|
    /// | `cookie_name` | as [`cookie_name`](session_core::SessionConfigBuilder::cookie_name) | `__Host-session` |
    /// | `idle` | idle timeout in seconds | 24 hours |
    /// | `absolute` | absolute timeout in seconds | 30 days |
    /// | `danger.insecure_cookies` | as [`insecure_cookies`](session_core::danger::Danger::insecure_cookies) | `false` |
    ///
    /// What it returns attaches a [`SessionFairing`] after all others.
    ///
    /// ```
    /// use adapter_rocket::{MemoryStore, SessionFairing, SigningKeys};
    ///
    /// let figment = rocket::Config::figment().merge(("session.idle", 3600));
    /// let sessions = SessionFairing::from_figment(MemoryStore::new(), SigningKeys::generate()?);
    /// let rocket = rocket::custom(figment).attach(sessions);
    /// # let _ = rocket;
    /// # Ok::<(), adapter_rocket::Error>(())
    /// ```
    pub fn from_figment(store: impl Store, keys: SigningKeys) -> impl Fairing {
        AdHoc::try_on_ignite("session configuration", |rocket| async {
            match config::read(rocket.figment()) {
                Ok(config) => Ok(rocket.attach(Self::with_config(store, keys, config))),
                Err(error) => {
                    tracing::error!("configuring sessions: {error}");
                    Err(rocket)
                }
            }
        })
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

#[rocket::async_trait]
impl Fairing for SessionFairing {
    fn info(&self) -> Info {
        Info {
            name: "sessions",
            kind: Kind::Ignite | Kind::Liftoff | Kind::Request | Kind::Response | Kind::Singleton,
        }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        Ok(rocket.manage(Installed))
    }

    async fn on_liftoff(&self, _rocket: &Rocket<Orbit>) {
        // It stops with the last clone of the engine, which other servers may share: not when this one shuts down.
        self.engine.start_cleaner();
    }

    async fn on_request(&self, request: &mut Request<'_>, _data: &mut Data<'_>) {
        Slot::of(request).put(self.engine.begin());
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Some(inbound) = Slot::of(request).take() else {
            return;
        };
        let outcome = Outcome::of_status(response.status().code);
        let outbound = inbound.finish(outcome).await.unwrap_or_else(|failure| {
            // A fairing cannot fail, but it can answer otherwise. Nothing of the handler's response stays, its cookies least (P13).
            *response = error::response(&failure);
            Outbound::failed()
        });
        outbound.write_to(&mut Headers(response));
    }
}

/// In Rocket's managed state: there is a [`SessionFairing`].
pub(crate) struct Installed;

/// In Rocket's request-local cache: the two halves of a request, from the request fairing to the response fairing.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<(Inbound, Access)>>);

impl Slot {
    pub(crate) fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    pub(crate) fn access(&self) -> Result<Access, Error> {
        let access = self.lock().as_ref().map(|(_, access)| access.clone());
        access.ok_or_else(|| {
            Error::new(
                ErrorKind::NotInstalled,
                "using a session outside of SessionFairing: add it to the rocket with .attach(), before fairings that use \
                 sessions for requests and after those that use them for responses",
            )
        })
    }

    /// Replaces what is there: requests that were cloned in a test share their cache.
    fn put(&self, begun: (Inbound, Access)) {
        *self.lock() = Some(begun);
    }

    fn take(&self) -> Option<Inbound> {
        self.lock().take().map(|(inbound, _)| inbound)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Inbound, Access)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
