//! [`Servers`]: sends a command to the server that has its key, and follows failovers. Connections and the protocol are the redis
//! crate's; where a command goes, and whether it may be sent again, is decided here.
//!
//! A command is sent again only if it was certainly not carried out, or if it only reads: a compare-and-set that is sent twice takes its
//! own success for somebody else's.

mod access;
mod call;
mod cluster;
mod link;
mod node;
mod sentinel;
mod tracking;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::Value;
use session_core::{Error, Result};
use tokio::task::AbortHandle;

use crate::address::{Address, Topology};
use crate::failure::{self, Verdict};
use cluster::Cluster;
use link::Target;
use node::{Asking, Failed, Node};
use sentinel::Sentinels;

pub(crate) use access::{Access, Class, Replicas};
pub(crate) use call::{Call, decimal};
pub(crate) use tracking::Near;

pub(crate) struct Servers {
    access: Arc<Access>,
    route: Route,
    /// The task that looks after a primary under Sentinel.
    watch: Option<AbortHandle>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

enum Route {
    /// One primary, wherever it is.
    One(Arc<Node>),
    Slots(Cluster),
}

/// Servers that one command is sent to, at most: the first, where it redirects, and where that redirects.
const MOST_ATTEMPTS: u32 = 4;
/// Before a command that was refused goes out again: a failover is under way.
const PAUSE: Duration = Duration::from_millis(20);

impl Servers {
    pub(crate) fn new(access: Access, topology: Topology) -> Self {
        let access = Arc::new(access);
        let mut watch = None;
        let route = match topology {
            Topology::Standalone(address) => Route::One(Arc::new(Node::new(&access, Target::Server(address)))),
            Topology::Sentinel { sentinels, service } => {
                let sentinels = Arc::new(Sentinels::new(&access, sentinels, service));
                let node = Arc::new(Node::new(&access, Target::Primary(Arc::clone(&sentinels))));
                let watched = Arc::clone(&node);
                watch = Some(
                    access
                        .runtime
                        .spawn(async move { sentinels.watch(&watched).await })
                        .abort_handle(),
                );
                Route::One(node)
            }
            Topology::Cluster { seeds } => Route::Slots(Cluster::new(Arc::clone(&access), seeds)),
        };
        Self { access, route, watch }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether keys are spread over servers, so that no command sees two of them at one moment.
    pub(crate) fn is_spread(&self) -> bool {
        matches!(self.route, Route::Slots(_))
    }

    pub(crate) fn shown(&self) -> String {
        match &self.route {
            Route::One(node) => node.shown(),
            Route::Slots(cluster) => cluster.shown(),
        }
    }

    /// A name of the server that has `key`, as far as is known.
    pub(crate) fn place_of(&self, key: &[u8]) -> String {
        match &self.route {
            Route::One(node) => node.shown(),
            Route::Slots(cluster) => cluster.owner_of(key).map(|node| node.shown()).unwrap_or_default(),
        }
    }

    /// Sends a command to the server that has `key`. Answers within [`Access::patience`].
    pub(crate) async fn call(&self, key: &[u8], call: Call, class: Class, doing: &'static str) -> Result<Value> {
        match tokio::time::timeout(self.access.patience(class), self.deliver(key, &call, class)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err((failed, address))) => Err(explained(failed, doing, &address)),
            Err(_) => Err(failure::late(doing, &self.shown())),
        }
    }

    /// The server that has `key`, as far as is known.
    pub(crate) fn node_of(&self, key: &[u8]) -> Option<Arc<Node>> {
        match &self.route {
            Route::One(node) => Some(Arc::clone(node)),
            Route::Slots(cluster) => cluster.owner_of(key),
        }
    }

    /// Makes every primary tell of changes, if records are kept near.
    pub(crate) async fn track_all(&self, doing: &'static str) -> Result<()> {
        let nodes = match &self.route {
            Route::One(node) => vec![Arc::clone(node)],
            Route::Slots(cluster) => cluster.primaries(),
        };
        let tracked = nodes.iter().map(|node| async {
            match node.near() {
                Some(link) => link
                    .connection()
                    .await
                    .map(|_| ())
                    .map_err(|error| failure::not_tracked(doing, &node.shown(), error)),
                None => Ok(()),
            }
        });
        join_all(tracked).await.into_iter().collect()
    }

    /// Sends a command to every primary.
    pub(crate) async fn ask_all(&self, call: Call, doing: &'static str) -> Vec<(String, Result<Value>)> {
        let nodes = match &self.route {
            Route::One(node) => return vec![self.ask(node, &call, doing).await],
            Route::Slots(cluster) => cluster.primaries(),
        };
        join_all(nodes.iter().map(|node| self.ask(node, &call, doing))).await
    }

    /// Reads where everything is, if that has to be known: what opening a store does first.
    pub(crate) async fn find(&self, doing: &'static str) -> Result<()> {
        let Route::Slots(cluster) = &self.route else {
            return Ok(());
        };
        match tokio::time::timeout(self.access.patience(Class::Read), cluster.refresh()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(explained(failed, doing, &cluster.shown())),
            Err(_) => Err(failure::late(doing, &cluster.shown())),
        }
    }

    async fn ask(&self, node: &Node, call: &Call, doing: &'static str) -> (String, Result<Value>) {
        let sent = node.send(call, Class::Read, Asking::No);
        let answer = match tokio::time::timeout(self.access.patience(Class::Read), sent).await {
            Ok(answer) => answer.map_err(|failed| explained(failed, doing, &node.shown())),
            Err(_) => Err(failure::late(doing, &node.shown())),
        };
        (node.shown(), answer)
    }

    async fn deliver(&self, key: &[u8], call: &Call, class: Class) -> std::result::Result<Value, (Failed, String)> {
        match &self.route {
            Route::One(node) => self.deliver_to_one(node, call, class).await,
            Route::Slots(cluster) => deliver_by_slot(cluster, key, call, class).await,
        }
    }

    async fn deliver_to_one(
        &self,
        node: &Node,
        call: &Call,
        class: Class,
    ) -> std::result::Result<Value, (Failed, String)> {
        let failed = match node.send(call, class, Asking::No).await {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        if let Failed::Command { error, verdict } = &failed {
            if error.code() == Some("READONLY") || error.to_string().contains("READONLY") {
                node.discard();
            }
            if may_go_again(*verdict, class) {
                tokio::time::sleep(PAUSE).await;
                return node
                    .send(call, class, Asking::No)
                    .await
                    .map_err(|failed| (failed, node.shown()));
            }
        }
        Err((failed, node.shown()))
    }
}

async fn deliver_by_slot(
    cluster: &Cluster,
    key: &[u8],
    call: &Call,
    class: Class,
) -> std::result::Result<Value, (Failed, String)> {
    let mut redirected: Option<(Arc<Node>, Asking)> = None;
    let mut attempt = 1;
    loop {
        let (node, asking) = match redirected.take() {
            Some(redirected) => redirected,
            None => match cluster.owner_of(key) {
                Some(node) => (node, Asking::No),
                None => {
                    cluster.refresh().await.map_err(|failed| (failed, cluster.shown()))?;
                    match cluster.owner_of(key) {
                        Some(node) => (node, Asking::No),
                        None => return Err((nobody_has_it(), cluster.shown())),
                    }
                }
            },
        };
        let failed = match node.send(call, class, asking).await {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        let Failed::Command { error, verdict } = &failed else {
            return Err((failed, node.shown()));
        };
        if matches!(verdict, Verdict::Refused | Verdict::Unknown) {
            // The next request finds the new map even if this one is lost.
            let _ = cluster.refresh().await;
        }
        if attempt == MOST_ATTEMPTS || !may_go_again(*verdict, class) {
            return Err((failed, node.shown()));
        }
        attempt += 1;
        match error.redirect_node() {
            Some((address, _)) => {
                let asking = if error.code() == Some("ASK") {
                    Asking::Yes
                } else {
                    Asking::No
                };
                redirected = node_at(cluster, address).map(|node| (node, asking));
            }
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn may_go_again(verdict: Verdict, class: Class) -> bool {
    match verdict {
        Verdict::Refused => true,
        Verdict::Unknown => class == Class::Read,
        Verdict::UnknownScript | Verdict::Final => false,
    }
}

fn node_at(cluster: &Cluster, address: &str) -> Option<Arc<Node>> {
    let (host, port) = address.rsplit_once(':')?;
    let address = Address {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: port.parse().ok()?,
    };
    // Without a host, the redirection means the host that sent it; the refreshed map knows.
    (!address.host.is_empty()).then(|| cluster.node(&address))
}

fn nobody_has_it() -> Failed {
    let error = redis::RedisError::from((
        redis::ErrorKind::Server(redis::ServerErrorKind::ClusterDown),
        "no server has the slot of this key",
    ));
    Failed::Command {
        error,
        verdict: Verdict::Final,
    }
}

fn explained(failed: Failed, doing: &str, address: &str) -> Error {
    match failed {
        Failed::Command { error, .. } => failure::failed(doing, address, error),
        Failed::Replicas { reached, wanted } => failure::too_few_replicas(doing, address, reached, wanted),
    }
}
