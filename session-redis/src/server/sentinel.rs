//! [`Sentinels`]: who knows where the primary is.

use std::sync::Arc;

use futures_util::future::select_ok;
use redis::{ErrorKind, RedisError, Value};

use super::access::{Access, Class, Live, Role};
use crate::address::Address;
use crate::reply;

/// The sentinels that watch one primary.
#[derive(Debug)]
pub(crate) struct Sentinels {
    addresses: Vec<Address>,
    service: String,
}

impl Sentinels {
    pub(crate) fn new(addresses: Vec<Address>, service: String) -> Self {
        Self { addresses, service }
    }

    pub(crate) fn shown(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("the primary {} of sentinels {}", self.service, addresses.join(", "))
    }

    /// A connection to the present primary. Redis' guide for Sentinel clients asks to make sure by `ROLE`: a sentinel may be behind.
    pub(crate) async fn connect(&self, access: &Arc<Access>, class: Class) -> Result<Live, RedisError> {
        let asking = self.addresses.iter().map(|address| Box::pin(self.ask(access, address)));
        let (primary, _) = select_ok(asking).await?;
        let mut live = access.connect(&primary, Role::Data, class).await?;
        match redis::cmd("ROLE").query_async(&mut live.connection).await? {
            Value::Array(role) if role.first().cloned().and_then(reply::bytes).as_deref() == Some(b"master") => {
                Ok(live)
            }
            _ => Err(RedisError::from((
                ErrorKind::Client,
                "the sentinels name a server that is no primary: a failover is under way",
            ))),
        }
    }

    async fn ask(&self, access: &Arc<Access>, address: &Address) -> Result<Address, RedisError> {
        let mut live = access.connect(address, Role::Sentinel, Class::Read).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(&self.service);
        let answer: Value = command.query_async(&mut live.connection).await?;
        let unknown = || RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no primary of that name"));
        let Value::Array(parts) = answer else {
            return Err(unknown());
        };
        let mut parts = parts.into_iter().filter_map(reply::bytes);
        let (host, port) = parts.next().zip(parts.next()).ok_or_else(unknown)?;
        Ok(Address {
            host: String::from_utf8(host).map_err(|_| unknown())?,
            port: reply::number(&port)
                .and_then(|port| port.try_into().ok())
                .ok_or_else(unknown)?,
        })
    }
}
