//! [`Access`]: how a connection is made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError,
};

use super::tracking::{Near, Tracked};
use crate::address::{Address, Transport};

/// What every connection of a store has in common.
pub(crate) struct Access {
    pub(crate) transport: Transport,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<String>,
    pub(crate) database: i64,
    /// PEM; `None` trusts what the system trusts.
    #[cfg(feature = "tls")]
    pub(crate) root_certificate: Option<Vec<u8>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) replicas: Option<Replicas>,
    /// Records that are kept in this process, if any are.
    pub(crate) near: Option<Arc<Near>>,
    /// Connections live on the runtime that the store was opened on, whoever uses them: a worker with a runtime of its own may stop.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// How many replicas confirm a durable change, and in what time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) timeout: Duration,
}

/// Which login a server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Data,
    Sentinel,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Reads: carried out twice at worst.
    Read,
    /// Writes that answer when the server has them.
    Relaxed,
    /// Writes that answer when the replicas have them. They wait, so they have connections of their own.
    Durable,
    /// Reads of what is kept near. They have a connection of their own, on which the server tells when it changes.
    Near,
}

/// A connection, and whether it has ended.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) address: Address,
    ended: Arc<AtomicBool>,
    /// What makes it one of class [`Near`](Class::Near).
    pub(super) tracked: Option<Arc<Tracked>>,
}

impl Live {
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(tracked) = &self.tracked {
            tracked.lose();
        }
    }
}

impl Access {
    /// The longest that one command takes, with everything that may have to be done for it first.
    pub(crate) fn patience(&self, class: Class) -> Duration {
        let wait = match (class, self.replicas) {
            (Class::Durable, Some(replicas)) => replicas.timeout,
            _ => Duration::ZERO,
        };
        self.connect_timeout + self.response_timeout + wait
    }

    pub(crate) async fn connect(
        self: &Arc<Self>,
        address: &Address,
        role: Role,
        class: Class,
    ) -> Result<Live, RedisError> {
        let client = self.client(address, role)?;
        let ended = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&ended);
        let near = self.near.as_ref().filter(|_| class == Class::Near);
        let tracked = near.map(|near| Tracked::new(near, address.to_string(), Arc::clone(&ended)));
        // Weak: the connection would keep itself.
        let listening = tracked.as_ref().map(Arc::downgrade).unwrap_or_default();
        let wait = match (class, self.replicas) {
            (Class::Durable, Some(replicas)) => replicas.timeout,
            _ => Duration::ZERO,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout + wait))
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    noticed.store(true, Ordering::Release);
                }
                if let Some(tracked) = listening.upgrade() {
                    tracked.hear(push);
                }
                Ok::<(), ()>(())
            });
        let connecting = self
            .runtime
            .spawn(async move { client.get_multiplexed_async_connection_with_config(&config).await });
        let connection = connecting.await.map_err(std::io::Error::other)??;
        if let Some(tracked) = &tracked {
            tracked.begin(&connection, &self.runtime).await?;
        }
        Ok(Live {
            connection,
            address: address.clone(),
            ended,
            tracked,
        })
    }

    fn client(&self, address: &Address, role: Role) -> Result<Client, RedisError> {
        let (username, password) = match role {
            Role::Data => (&self.username, &self.password),
            Role::Sentinel => (&self.sentinel_username, &self.sentinel_password),
        };
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        if role == Role::Data {
            login = login.set_db(self.database);
        }
        if let Some(username) = username {
            login = login.set_username(username);
        }
        if let Some(password) = password {
            login = login.set_password(password);
        }
        let (host, port) = (address.host.clone(), address.port);
        let plain = match self.transport {
            Transport::Plain => ConnectionAddr::Tcp(host, port),
            Transport::Tls => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let info = plain.into_connection_info()?.set_redis_settings(login);
        #[cfg(feature = "tls")]
        if let (Transport::Tls, Some(root)) = (self.transport, &self.root_certificate) {
            let certificates = redis::TlsCertificates {
                client_tls: None,
                root_cert: Some(root.clone()),
            };
            return Client::build_with_tls(info, certificates);
        }
        Client::open(info)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("transport", &self.transport)
            .field("database", &self.database)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("connections", &self.connections)
            .field("replicas", &self.replicas)
            .field("near", &self.near)
            .finish_non_exhaustive()
    }
}
