//! [`Cluster`]: which server has which slot. The map is read when a store opens, and again whenever a server refuses or is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::select_ok;
use redis::Value;

use super::access::{Access, Class};
use super::call::Call;
use super::link::Target;
use super::node::{Asking, Failed, Node};
use crate::address::Address;
use crate::reply;

pub(crate) struct Cluster {
    access: Arc<Access>,
    seeds: Vec<Address>,
    map: RwLock<SlotMap>,
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    refreshed: tokio::sync::Mutex<Option<Instant>>,
}

/// Ranges of slots and the primary of each, sorted.
type SlotMap = Vec<(u16, u16, Address)>;

/// A map that was read this short a time ago is not read again: many requests notice a failover at once.
const FRESH: Duration = Duration::from_millis(100);

impl Cluster {
    pub(crate) fn new(access: Arc<Access>, seeds: Vec<Address>) -> Self {
        Self {
            access,
            seeds,
            map: RwLock::default(),
            nodes: Mutex::default(),
            refreshed: tokio::sync::Mutex::new(None),
        }
    }

    pub(crate) fn shown(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(ToString::to_string).collect();
        format!("the cluster of {}", seeds.join(", "))
    }

    /// The server that has this key, as far as is known.
    pub(crate) fn owner_of(&self, key: &[u8]) -> Option<Arc<Node>> {
        let slot = slot(key);
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let behind = map.partition_point(|(start, ..)| *start <= slot);
        let (_, end, address) = map.get(behind.checked_sub(1)?)?;
        let address = (slot <= *end).then(|| address.clone())?;
        drop(map);
        Some(self.node(&address))
    }

    pub(crate) fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes
            .entry(address.clone())
            .or_insert_with(|| Arc::new(Node::new(&self.access, Target::Server(address.clone()))));
        Arc::clone(node)
    }

    /// All primaries.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut addresses: Vec<Address> = map.iter().map(|(.., address)| address.clone()).collect();
        drop(map);
        addresses.sort();
        addresses.dedup();
        addresses.iter().map(|address| self.node(address)).collect()
    }

    /// Reads the map again, from whoever answers first.
    pub(crate) async fn refresh(&self) -> Result<(), Failed> {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        let known: Vec<Address> = {
            let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            nodes.keys().cloned().collect()
        };
        let mut asked = known;
        asked.extend(self.seeds.iter().cloned());
        asked.sort();
        asked.dedup();
        let asking = asked.into_iter().map(|address| Box::pin(self.read_map(address)));
        let (map, _) = select_ok(asking).await?;
        let mut addresses: Vec<&Address> = map.iter().map(|(.., address)| address).collect();
        addresses.extend(&self.seeds);
        self.nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|address, _| addresses.contains(&address));
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    async fn read_map(&self, address: Address) -> Result<SlotMap, Failed> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let node = self.node(&address);
        let answer = node.send(&Call::Plain(command), Class::Read, Asking::No).await?;
        let mut map: SlotMap = match answer {
            Value::Array(ranges) => ranges
                .into_iter()
                .filter_map(|range| one_range(range, &address))
                .collect(),
            _ => Vec::new(),
        };
        map.sort();
        Ok(map)
    }
}

/// `[first slot, last slot, [host, port, …] of the primary, replicas…]`
fn one_range(range: Value, asked: &Address) -> Option<(u16, u16, Address)> {
    let Value::Array(parts) = range else { return None };
    let mut parts = parts.into_iter();
    let (Some(Value::Int(start)), Some(Value::Int(end)), Some(Value::Array(primary))) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let mut primary = primary.into_iter();
    // A server that does not know its own name means the one that was asked.
    let host = match primary.next().and_then(reply::bytes).map(String::from_utf8) {
        Some(Ok(host)) if !host.is_empty() && host != "?" => host,
        _ => asked.host.clone(),
    };
    let Some(Value::Int(port)) = primary.next() else {
        return None;
    };
    let port = u16::try_from(port).ok()?;
    Some((start.try_into().ok()?, end.try_into().ok()?, Address { host, port }))
}

/// The slot of a key: CRC16 of its hash tag, or of all of it (Redis Cluster specification, "Key distribution model").
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let close = inside.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &inside[..close])
    });
    crc16(tag.unwrap_or(key)) % 16384
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the specification, and slots that `CLUSTER KEYSLOT` answers.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{foo}.bar"), slot(b"foo"));
        assert_eq!(slot(b"o:{foo}"), slot(b"r:{foo}"));
        assert_ne!(slot(b"{}foo"), slot(b"{}bar"));
    }

    #[test]
    fn a_range_without_a_host_is_at_the_server_that_was_asked() {
        let asked = Address {
            host: "here".to_owned(),
            port: 1,
        };
        let range = |host| {
            Value::Array(vec![
                Value::Int(0),
                Value::Int(100),
                Value::Array(vec![host, Value::Int(7000)]),
            ])
        };
        let (.., unnamed) = one_range(range(Value::Nil), &asked).unwrap();
        assert_eq!(unnamed.to_string(), "here:7000");
        let (.., named) = one_range(range(Value::BulkString(b"there".to_vec())), &asked).unwrap();
        assert_eq!(named.to_string(), "there:7000");
    }
}
