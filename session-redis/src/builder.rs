//! [`RedisStoreBuilder`]: the settings of a store, checked once, and how one is opened.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use session_core::Result;

use crate::address::{self, Topology, Transport};
use crate::epoch::Clocks;
use crate::failure::invalid;
use crate::layout::Keys;
use crate::near_cache::NearCache;
use crate::server::{Access, Near, Replicas, Servers};
use crate::session::Backend;
use crate::store::RedisStore;

/// Settings of a [`RedisStore`].
///
/// ```no_run
/// use std::time::Duration;
/// use session_redis::RedisStore;
///
/// # async fn open() -> session_core::Result<()> {
/// let store = RedisStore::builder("redis+cluster://node1,node2,node3")
///     .username("sessions")
///     .password("from your vault")
///     .prefix("shop:")
///     .wait_replicas(1, Duration::from_millis(200))
///     .open()
///     .await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    username: Option<String>,
    password: Option<String>,
    sentinel_username: Option<String>,
    sentinel_password: Option<String>,
    database: Option<i64>,
    root_certificate: Option<Vec<u8>>,
    connect_timeout: Duration,
    response_timeout: Duration,
    connections: usize,
    replicas: Option<Replicas>,
    near: Option<(u64, Duration)>,
}

/// What a near cache may be allowed: less asks too often, more is no protection.
const STALENESS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

impl RedisStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "session:".to_owned(),
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: None,
            root_certificate: None,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(1),
            connections: 2,
            replicas: None,
            near: None,
        }
    }

    /// What is in front of every key. Default `session:`. Stores with different prefixes do not see each other.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The user of the servers' access control list. Overrides the URL.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password. Overrides the URL; keeps it out of the URL, too.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The login at the sentinels, if they ask for one. Default: none.
    pub fn sentinel_login(mut self, username: Option<&str>, password: impl Into<String>) -> Self {
        self.sentinel_username = username.map(ToOwned::to_owned);
        self.sentinel_password = Some(password.into());
        self
    }

    /// The number of the database. Overrides the URL; a cluster has 0 only.
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(i64::from(number));
        self
    }

    /// Trusts servers whose certificate this one (PEM) has signed, in place of those that the system trusts. Needs a `rediss` URL.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// How long making a connection may take, finding the primary included. Default 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a server may take to answer a command. Default 1 s. A command that has to connect first takes both times at most; loading,
    /// creating for a visitor, replacing, touching and deleting send one command.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Connections to each server, and as many again for what waits for replicas. Default 2, at least 1. Each carries any number of
    /// requests at once.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Durable operations (delete, rotate, revoke) answer when this many replicas have confirmed them, by `WAIT`, and fail with
    /// [`ErrorKind::Unavailable`](session_core::ErrorKind::Unavailable) if they do not in time. Default: none.
    pub fn wait_replicas(mut self, count: u32, timeout: Duration) -> Self {
        self.replicas = Some(Replicas { count, timeout }).filter(|replicas| replicas.count > 0);
        self
    }

    /// Keeps records that were read lately in this process, in about so many bytes of memory, and reads them from there: without a round
    /// trip. Default: none are kept.
    ///
    /// The servers tell this process when a record changes (`CLIENT TRACKING`), so what another process revokes is turned away here within
    /// one such message, well under a millisecond in a healthy network; what this process changes, at once. While the connection that
    /// tells is lost, or its server is no longer the one that has the keys, the cache is empty and off.
    ///
    /// A network may lose messages and say nothing. So each server is asked for a sign of life four times within `staleness`, and nothing
    /// is read from here that was not confirmed within that time: **a session that was revoked elsewhere is never accepted for longer
    /// than this**, whatever happens to the network. Between 50 ms and 60 s; a second is a good choice. Time in which the machine sleeps
    /// does not count.
    ///
    /// Costs one more connection to each server, and on the server some memory for each record that is kept here. Needs `CLIENT|TRACKING`
    /// in the access control list; [`open`](Self::open) fails if a server cannot do it.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use session_redis::RedisStore;
    ///
    /// # async fn open() -> session_core::Result<()> {
    /// let store = RedisStore::builder("redis://sessions.internal")
    ///     .near_cache(64 << 20, Duration::from_secs(1)) // 64 MiB: some 80,000 small sessions
    ///     .open()
    ///     .await?;
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    pub fn near_cache(mut self, bytes: u64, staleness: Duration) -> Self {
        self.near = Some((bytes, staleness)).filter(|(bytes, _)| *bytes > 0);
        self
    }

    /// Opens the store: connects, and looks at the servers' settings; each one that may lose sessions is a warning in the log.
    ///
    /// The store lives on the runtime that this is called on.
    ///
    /// # Errors
    ///
    /// [`Invalid`](session_core::ErrorKind::Invalid) if a setting makes no sense, [`Permission`](session_core::ErrorKind::Permission) if
    /// a server refuses the login or what a near cache needs, [`Unavailable`](session_core::ErrorKind::Unavailable) if none can be reached.
    pub async fn open(self) -> Result<RedisStore> {
        let store = self.build()?;
        store.check().await?;
        Ok(store)
    }

    fn build(self) -> Result<RedisStore> {
        let parsed = address::parse(&self.url)?;
        if self.prefix.contains(['{', '}']) {
            return Err(invalid(
                "opening a Redis store: the prefix has a brace, which would put keys of a cluster on one server; leave it out",
            ));
        }
        let database = self.database.unwrap_or(parsed.database);
        if database != 0 && matches!(parsed.topology, Topology::Cluster { .. }) {
            return Err(invalid("opening a Redis store: a cluster has database 0 only"));
        }
        if self.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return Err(invalid(
                "opening a Redis store: a timeout of 0 leaves no time to answer; allow at least a millisecond",
            ));
        }
        let too_long = crate::session::LOGIN / 4;
        if self.connect_timeout + self.response_timeout > too_long {
            return Err(invalid(format!(
                "opening a Redis store: connecting and answering may take {} s together, so that a login ends before its revocation is forgotten",
                too_long.as_secs()
            )));
        }
        if self
            .replicas
            .is_some_and(|replicas| replicas.timeout.is_zero() || replicas.timeout > too_long)
        {
            return Err(invalid(format!(
                "opening a Redis store: replicas get from 1 ms to {} s to confirm",
                too_long.as_secs()
            )));
        }
        if let Some((_, staleness)) = self.near
            && !STALENESS.contains(&staleness)
        {
            return Err(invalid(format!(
                "opening a Redis store: what a near cache shows may be from {} ms to {} s old",
                STALENESS.start().as_millis(),
                STALENESS.end().as_secs()
            )));
        }
        match (parsed.transport, &self.root_certificate) {
            (Transport::Plain, Some(_)) => {
                return Err(invalid(
                    "opening a Redis store: a root certificate needs a rediss:// URL; nothing else is encrypted",
                ));
            }
            (Transport::Tls, _) if !cfg!(feature = "tls") => {
                return Err(invalid(
                    "opening a Redis store: a rediss:// URL needs the feature tls of session-redis",
                ));
            }
            _ => {}
        }
        #[cfg(feature = "tls")]
        if parsed.transport == Transport::Tls {
            // An application may bring several; rustls panics unless one is chosen. If it has chosen one already, that one stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            invalid("opening a Redis store: it needs a tokio runtime; open it inside of one").with_source(error)
        })?;
        let keys = Keys::new(self.prefix);
        let near = self.near.map(|(bytes, staleness)| {
            Arc::new(Near {
                cache: NearCache::new(bytes, staleness),
                keys: keys.clone(),
            })
        });
        let access = Access {
            transport: parsed.transport,
            username: self.username.or(parsed.username),
            password: self.password.or(parsed.password),
            sentinel_username: self.sentinel_username,
            sentinel_password: self.sentinel_password,
            database,
            #[cfg(feature = "tls")]
            root_certificate: self.root_certificate,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            connections: self.connections,
            replicas: self.replicas,
            near: near.clone(),
            runtime,
        };
        let backend = Backend {
            servers: Servers::new(access, parsed.topology),
            keys,
            clocks: Clocks::default(),
            near,
        };
        Ok(RedisStore {
            backend: Arc::new(backend),
        })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("database", &self.database)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("connections", &self.connections)
            .field("replicas", &self.replicas)
            .field("near", &self.near)
            .finish_non_exhaustive()
    }
}
