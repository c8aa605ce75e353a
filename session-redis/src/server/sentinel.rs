//! [`Sentinels`]: who knows where the primary is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{ErrorKind, RedisError, Value};

use super::access::{Access, Class, Live, Role};
use super::link::{Link, Target};
use super::node::Node;
use crate::address::Address;
use crate::reply;

/// The sentinels that watch one primary.
pub(crate) struct Sentinels {
    links: Vec<Link>,
    service: String,
}

/// What a sentinel says, newer words last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    epoch: u64,
    primary: Address,
}

/// After most of them have answered, the others get this long: the one that knows of a failover first may be among them.
const OTHERS: Duration = Duration::from_millis(50);
/// Between two looks. An old primary goes on taking writes, all of which are lost, until Sentinel gets at it; so we leave it first.
const LOOK: Duration = Duration::from_millis(250);

impl Sentinels {
    pub(crate) fn new(access: &Arc<Access>, addresses: Vec<Address>, service: String) -> Self {
        let link = |address| Link::new(Arc::clone(access), Target::Server(address), Role::Sentinel, Class::Read);
        Self {
            links: addresses.into_iter().map(link).collect(),
            service,
        }
    }

    pub(crate) fn shown(&self) -> String {
        let addresses: Vec<String> = self.links.iter().map(Link::shown).collect();
        format!("the primary {} of sentinels {}", self.service, addresses.join(", "))
    }

    /// A connection to the present primary. Redis' guide for Sentinel clients asks to make sure by `ROLE`: a sentinel may be behind.
    pub(crate) async fn connect(&self, access: &Arc<Access>, class: Class) -> Result<Live, RedisError> {
        let under_way = || {
            RedisError::from((
                ErrorKind::Client,
                "the sentinels name a server that is no primary: a failover is under way",
            ))
        };
        let primary = self.primary().await?;
        let mut live = access.connect(&primary, Role::Data, class).await?;
        match redis::cmd("ROLE").query_async(&mut live.connection).await? {
            Value::Array(role) if role.first().cloned().and_then(reply::bytes).as_deref() == Some(b"master") => {}
            _ => return Err(under_way()),
        }
        // A server that stood still meanwhile takes itself for what it was.
        if self.primary().await? == primary {
            Ok(live)
        } else {
            Err(under_way())
        }
    }

    /// Leaves the old primary when the sentinels name another one, even if it still answers. Never ends.
    pub(crate) async fn watch(&self, node: &Node) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(primary) = self.primary().await {
                node.leave_all_but(&primary);
            }
        }
    }

    /// Where the primary is, as the sentinel says that has learned of the latest failover.
    async fn primary(&self) -> Result<Address, RedisError> {
        let mut asking: FuturesUnordered<_> = self.links.iter().map(|link| self.ask(link)).collect();
        let (mut latest, mut error) = (None, None);
        for _ in 0..=self.links.len() / 2 {
            match asking.next().await {
                Some(Ok(word)) => latest = latest.max(Some(word)),
                Some(Err(failed)) => error = Some(failed),
                None => break,
            }
        }
        let others = async {
            while let Some(answer) = asking.next().await {
                match answer {
                    Ok(word) => latest = latest.take().max(Some(word)),
                    Err(failed) => error = Some(failed),
                }
            }
        };
        let _ = tokio::time::timeout(OTHERS, others).await;
        match (latest, error) {
            (Some(word), _) => Ok(word.primary),
            (None, Some(error)) => Err(error),
            (None, None) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    async fn ask(&self, link: &Link) -> Result<Word, RedisError> {
        let mut live = link.connection().await?;
        let mut both = redis::pipe();
        both.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        both.cmd("SENTINEL").arg("MASTER").arg(&self.service);
        let answers: Vec<Value> = match both.query_async(&mut live.connection).await {
            Ok(answers) => answers,
            Err(error) => {
                if error.is_io_error() {
                    live.end();
                }
                return Err(error);
            }
        };
        let mut answers = answers.into_iter();
        let unknown = || RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no primary of that name"));
        let (Some(Value::Array(parts)), Some(about)) = (answers.next(), answers.next()) else {
            return Err(unknown());
        };
        let mut parts = parts.into_iter().filter_map(reply::bytes);
        let (host, port) = parts.next().zip(parts.next()).ok_or_else(unknown)?;
        let primary = Address {
            host: String::from_utf8(host).map_err(|_| unknown())?,
            port: reply::number(&port)
                .and_then(|port| port.try_into().ok())
                .ok_or_else(unknown)?,
        };
        Ok(Word {
            epoch: config_epoch(about).unwrap_or(0),
            primary,
        })
    }
}

/// Counts failovers; in the answer to `SENTINEL MASTER`, a map or a list of names and values.
fn config_epoch(about: Value) -> Option<u64> {
    let (_, value) = match about {
        Value::Map(pairs) => pairs
            .into_iter()
            .find(|(name, _)| reply::bytes(name.clone()).as_deref() == Some(b"config-epoch"))?,
        Value::Array(parts) => {
            let at = parts
                .iter()
                .position(|name| reply::bytes(name.clone()).as_deref() == Some(b"config-epoch"))?;
            (Value::Nil, parts.into_iter().nth(at + 1)?)
        }
        _ => return None,
    };
    reply::number(&reply::bytes(value)?)
}
