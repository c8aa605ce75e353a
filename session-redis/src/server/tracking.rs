//! [`Tracked`]: a connection on which the server tells when something changes that was read through it (`CLIENT TRACKING`, Redis 6
//! and newer).
//!
//! Answers and news come on one connection, so they come in order: when a server has answered, it has told of everything that had
//! changed before. A connection on which nothing is answered for a while is therefore not trusted, and soon given up; if nothing has
//! to be read, the last read is repeated. It is a read and no `PING`, because a server that has handed over its keys, or is cut off
//! from its cluster, still answers a `PING`.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::node::Node;
use super::{Route, Servers};
use crate::failure::{self, Verdict};
use crate::layout::Keys;
use crate::near_cache::{Changing, NearCache, Source};
use crate::reply;

/// The records of a store that are kept near, and how a server's names of them are read.
pub(crate) struct Near {
    pub(crate) cache: NearCache,
    pub(crate) keys: Keys,
}

pub(crate) struct Tracked {
    near: Arc<Near>,
    pub(crate) source: Source,
    address: String,
    /// What was read last.
    last_read: Mutex<Option<Vec<u8>>>,
    heartbeat: Mutex<Option<AbortHandle>>,
}

/// Times that a connection answers within the time for which one answer is trusted.
const BEATS: u32 = 4;

impl Near {
    /// If `name` is that of a session: until this is dropped, the session is being changed by this process.
    pub(crate) fn changing(&self, name: &[u8]) -> Option<Changing<'_>> {
        self.keys.session_of(name).map(|key| self.cache.changing(key))
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cache.fmt(f)
    }
}

impl Tracked {
    pub(super) fn new(near: &Arc<Near>, address: String, ended: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            near: Arc::clone(near),
            source: Source::new(ended),
            address,
            last_read: Mutex::default(),
            heartbeat: Mutex::default(),
        })
    }

    /// Asks the server to tell of changes; from here on records may be read.
    pub(super) async fn begin(
        self: &Arc<Self>,
        connection: &MultiplexedConnection,
        runtime: &Handle,
    ) -> Result<(), RedisError> {
        let mut connection = connection.clone();
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON");
        tracking.exec_async(&mut connection).await?;
        let beating = runtime.spawn(beat(Arc::downgrade(self), connection));
        *self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = Some(beating.abort_handle());
        Ok(())
    }

    /// What a server says without having been asked.
    pub(super) fn hear(&self, push: PushInfo) {
        match push.kind {
            PushKind::Invalidate => match push.data.into_iter().next() {
                Some(Value::Array(names)) => {
                    for name in names {
                        if let Some(key) = reply::bytes(name).and_then(|name| self.near.keys.session_of(&name)) {
                            self.near.cache.changed(key);
                        }
                    }
                }
                // No names: all of them.
                _ => self.near.cache.all_changed(),
            },
            PushKind::Disconnection => self.lose(),
            _ => {}
        }
    }

    /// Nothing is told any more, its source has ended: what was read through this connection goes.
    pub(super) fn lose(&self) {
        let heartbeat = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(heartbeat) = heartbeat {
            tracing::debug!(address = %self.address, "what was kept near is forgotten: the connection that tells of changes has ended");
            heartbeat.abort();
        }
        self.near.cache.forget(&self.source);
    }

    fn end(&self) {
        self.source.end();
        self.lose();
    }

    fn last_read(&self) -> Option<Vec<u8>> {
        self.last_read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server has answered a read.
    fn has_read(&self, name: &[u8], sent: Instant) {
        self.near.cache.trust(&self.source, sent);
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_vec());
    }
}

impl Drop for Tracked {
    /// The server has left the cluster, or the store is closed.
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads again what was read last, until a read is not answered in time or not answered as it should be.
async fn beat(tracked: Weak<Tracked>, mut connection: MultiplexedConnection) {
    loop {
        let Some(staleness) = tracked.upgrade().map(|tracked| tracked.near.cache.staleness()) else {
            return;
        };
        tokio::time::sleep(staleness / BEATS).await;
        // Whoever has read nothing keeps nothing.
        let Some(name) = tracked.upgrade().and_then(|tracked| tracked.last_read()) else {
            continue;
        };
        let sent = Instant::now();
        let mut read = redis::cmd("GETRANGE");
        read.arg(&name).arg(0).arg(0);
        let answer = tokio::time::timeout(staleness, read.query_async::<Value>(&mut connection)).await;
        let Some(tracked) = tracked.upgrade() else { return };
        match answer {
            Ok(Ok(_)) => tracked.near.cache.trust(&tracked.source, sent),
            Ok(Err(error)) if is_on_its_way(&error) => tracked.near.cache.trust(&tracked.source, sent),
            _ => return tracked.end(),
        }
    }
}

/// The server has the slot and is moving it, key by key; it tells of each key that leaves.
fn is_on_its_way(error: &RedisError) -> bool {
    matches!(error.code(), Some("ASK" | "TRYAGAIN"))
}

impl Node {
    /// The connection that records are read through, if there is one now. If there is none it is made, and nobody waits for it.
    pub(crate) fn tracked(self: &Arc<Self>) -> Option<Arc<Tracked>> {
        Some(self.near_live()?.1)
    }

    fn near_live(self: &Arc<Self>) -> Option<(MultiplexedConnection, Arc<Tracked>)> {
        let link = self.near()?;
        if let Some(live) = link.current() {
            return Some((live.connection, live.tracked?));
        }
        if link.is_due() {
            let node = Arc::clone(self);
            self.runtime().spawn(async move {
                if let Some(link) = node.near() {
                    // Whatever goes wrong, the next load tries again.
                    if let Err(error) = link.connection().await {
                        tracing::debug!(address = %node.shown(), %error, "the near cache stays off");
                    }
                }
            });
        }
        None
    }
}

impl Servers {
    /// Reads a key through the connection on which its server tells of changes. `None` if it cannot be read so, for whatever reason:
    /// then it has to be read in the usual way, which follows redirections and explains errors.
    pub(crate) async fn read_tracked(&self, node: &Arc<Node>, name: &[u8]) -> Option<(Value, Arc<Tracked>)> {
        let (mut connection, tracked) = node.near_live()?;
        let sent = Instant::now();
        let mut read = redis::cmd("GET");
        read.arg(name);
        match read.query_async::<Value>(&mut connection).await {
            Ok(value) => {
                tracked.has_read(name, sent);
                Some((value, tracked))
            }
            Err(error) => {
                if !is_on_its_way(&error) && failure::verdict(&error) != Verdict::Final {
                    tracked.end();
                    if let Route::Slots(cluster) = &self.route {
                        let _ = cluster.refresh().await;
                    }
                }
                None
            }
        }
    }
}
