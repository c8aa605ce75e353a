//! [`Backend`]: what is done to one session. Each method is one step on one key, and so atomic on any topology.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Value;
use session_core::{Created, Deleted, Owner, Record, Replaced, Result, Revision, StoreKey, Timestamp, Touched};

use crate::epoch::Clocks;
use crate::failure;
use crate::layout::{self, Keys, Place, Stored};
use crate::near_cache;
use crate::reply::{self, Reply};
use crate::script;
use crate::server::{Call, Class, Near, Servers, decimal};

/// A server keeps a session this much longer than its deadline says: so clocks of machines and servers may differ, and the deadline in
/// the value alone decides.
pub(crate) const GRACE: Duration = Duration::from_secs(60);
/// How long it is remembered that a session has ended: much longer than any operation takes.
pub(crate) const TOMBSTONE: Duration = Duration::from_secs(600);
/// From being listed to being stored; after this a server does not store a login any more.
pub(crate) const LOGIN: Duration = Duration::from_secs(20);
/// After this a listed session that is not there is not being stored any more: longer than [`LOGIN`] by what clocks may differ.
pub(crate) const PENDING: Duration = Duration::from_secs(60);
/// Keys that are read by one command, or at once.
const BATCH: usize = 128;

pub(crate) struct Backend {
    pub(crate) servers: Servers,
    pub(crate) keys: Keys,
    pub(crate) clocks: Clocks,
    /// Records that are kept in this process, if any are.
    pub(crate) near: Option<Arc<Near>>,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Deleted,
    Revoked,
    MadeRoom,
}

impl Reason {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Deleted => b'd',
            Self::Revoked => b'v',
            Self::MadeRoom => b'l',
        }
    }
}

/// What [`Backend::put`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Stored,
    Taken,
    /// It was ended before it was stored.
    Ended(u8),
    Late,
}

/// What [`Backend::retire`] did.
#[derive(Clone, Debug)]
pub(crate) enum Retired {
    /// The session is at its successor now; it was last seen then.
    Done(Timestamp),
    Conflict(Record),
    Gone,
}

/// What [`Backend::end`] found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A session: its value, or only its header.
    Session(Vec<u8>),
    Nothing,
    Ended(u8),
    Moved {
        to: Place,
        /// Its header; empty once the successor is stored.
        kept: Vec<u8>,
    },
}

impl Backend {
    /// Carries out an operation of several steps to its end, whether or not its caller still waits for it.
    pub(crate) async fn carry_out<T, F>(&self, doing: &'static str, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let running = self.servers.access().runtime.spawn(operation);
        running.await.map_err(|_| failure::stopped(doing))?
    }

    /// Does something that nobody waits for: what is lost is made good by the next list.
    pub(crate) fn later<T>(&self, work: impl Future<Output = Result<T>> + Send + 'static) {
        self.servers.access().runtime.spawn(async move {
            if let Err(error) = work.await {
                tracing::debug!(%error, "keeping an owner's list of sessions was put off");
            }
        });
    }

    pub(crate) async fn run(
        &self,
        script: &'static script::Lua,
        key: Vec<u8>,
        args: Vec<Vec<u8>>,
        class: Class,
        doing: &'static str,
    ) -> Result<Value> {
        // Before the answer is passed on: whoever has it never reads here what was before.
        let _changing = self.near.as_ref().and_then(|near| near.changing(&key));
        let call = Call::script(script, [key.clone()], args);
        self.servers.call(&key, call, class, doing).await
    }

    pub(crate) async fn read(&self, key: StoreKey, doing: &'static str) -> Result<Option<Stored>> {
        let key = self.keys.session(key);
        let mut command = redis::cmd("GET");
        command.arg(&key);
        let value = self
            .servers
            .call(&key, Call::Plain(command), Class::Read, doing)
            .await?;
        reply::bytes(value).map(|value| Stored::decode(&value)).transpose()
    }

    /// Several keys: at one moment if one server has them all and there are not too many.
    pub(crate) async fn read_all(&self, keys: &[StoreKey], doing: &'static str) -> Result<Vec<Option<Stored>>> {
        let mut all = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            if self.servers.is_spread() {
                all.extend(try_join_all(batch.iter().map(|key| self.read(*key, doing))).await?);
                continue;
            }
            let names: Vec<Vec<u8>> = batch.iter().map(|key| self.keys.session(*key)).collect();
            let mut command = redis::cmd("MGET");
            command.arg(&names);
            let values = self
                .servers
                .call(&names[0], Call::Plain(command), Class::Read, doing)
                .await?;
            let Value::Array(values) = values else {
                return Err(failure::unexpected(doing));
            };
            for value in values {
                all.push(reply::bytes(value).map(|value| Stored::decode(&value)).transpose()?);
            }
        }
        Ok(all)
    }

    /// Whether [`read_all`](Self::read_all) reads so many keys at one moment.
    pub(crate) fn reads_at_once(&self, keys: usize) -> bool {
        keys <= 1 || (!self.servers.is_spread() && keys <= BATCH)
    }

    /// The first two bytes at each of these keys; `None` where nothing is.
    pub(crate) async fn heads(&self, keys: &[StoreKey], doing: &'static str) -> Result<Vec<Option<Vec<u8>>>> {
        let one = |key: &StoreKey| {
            let key = self.keys.session(*key);
            let mut command = redis::cmd("GETRANGE");
            command.arg(&key).arg(0).arg(1);
            async move { self.servers.call(&key, Call::Plain(command), Class::Read, doing).await }
        };
        let mut all = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            for head in try_join_all(batch.iter().map(one)).await? {
                all.push(reply::bytes(head).filter(|head| !head.is_empty()));
            }
        }
        Ok(all)
    }

    pub(crate) async fn is_taken(&self, key: StoreKey, doing: &'static str) -> Result<bool> {
        let key = self.keys.session(key);
        let mut command = redis::cmd("GETRANGE");
        command.arg(&key).arg(0).arg(1);
        let head = self
            .servers
            .call(&key, Call::Plain(command), Class::Read, doing)
            .await?;
        // What has ended is not taken: a login that was ended before it was stored learns so when it stores.
        Ok(reply::bytes(head).is_some_and(|head| !head.is_empty() && !layout::is_tombstone(&head)))
    }

    /// Stores a new session; until `not_after` (milliseconds by the server's clock), if it is given.
    pub(crate) async fn put(
        &self,
        key: StoreKey,
        record: &Record,
        now: Timestamp,
        not_after: Option<u64>,
        class: Class,
        doing: &'static str,
    ) -> Result<Put> {
        let args = vec![
            layout::session(record),
            life(record.expires_at(), now),
            decimal(not_after.unwrap_or(0)),
        ];
        let answer = self
            .run(&script::CREATE, self.keys.session(key), args, class, doing)
            .await?;
        let mut answer = Reply::new(answer, doing)?;
        match answer.bytes()?.as_slice() {
            b"stored" => Ok(Put::Stored),
            b"taken" => Ok(Put::Taken),
            b"late" => Ok(Put::Late),
            b"ended" => Ok(Put::Ended(answer.bytes()?.first().copied().unwrap_or_default())),
            _ => Err(failure::unexpected(doing)),
        }
    }

    pub(crate) async fn create_anonymous(&self, key: StoreKey, record: &Record, now: Timestamp) -> Result<Created> {
        let put = self.put(key, record, now, None, Class::Relaxed, "storing a new session");
        Ok(match put.await? {
            Put::Stored => Created::Stored,
            Put::Taken | Put::Ended(_) | Put::Late => Created::Collision,
        })
    }

    pub(crate) async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        const DOING: &str = "reading a session";
        let stored = match &self.near {
            None => self.read(key, DOING).await?,
            Some(near) => self.read_near(near, key, DOING).await?,
        };
        Ok(match stored {
            Some(Stored::Session(record)) if !record.is_expired(now) => Some(record),
            _ => None,
        })
    }

    /// What is kept near, or else what the server has, which is kept.
    async fn read_near(&self, near: &Near, key: StoreKey, doing: &'static str) -> Result<Option<Stored>> {
        let name = self.keys.session(key);
        let node = self.servers.node_of(&name);
        let tracked = match &node {
            Some(node) => node.tracked(),
            None => None,
        };
        let ticket = match near.cache.look_up(key, tracked.as_ref().map(|tracked| &tracked.source)) {
            near_cache::Found::Here(record) => return Ok(Some(Stored::Session(record))),
            near_cache::Found::Absent(ticket) => ticket,
        };
        let reading = async {
            let read = match &node {
                Some(node) => self.servers.read_tracked(node, &name).await,
                None => None,
            };
            let Some((value, tracked)) = read else {
                return self.read(key, doing).await;
            };
            let Some(value) = reply::bytes(value) else {
                return Ok(None);
            };
            let stored = Stored::decode(&value)?;
            if let Stored::Session(record) = &stored {
                near.cache.keep(ticket, &tracked.source, record.clone(), value.len());
            }
            Ok(Some(stored))
        };
        // Both ways of reading together take no longer than one may.
        match tokio::time::timeout(self.servers.access().patience(Class::Read), reading).await {
            Ok(read) => read,
            Err(_) => Err(failure::late(doing, &self.servers.shown())),
        }
    }

    pub(crate) async fn replace(
        &self,
        key: StoreKey,
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Replaced> {
        const DOING: &str = "storing a session";
        let lifetime = record.lifetime();
        let idle = lifetime
            .idle()
            .map_or_else(|| b"-1".to_vec(), |idle| decimal(idle.as_millis()));
        let absolute = lifetime
            .absolute()
            .map_or(Timestamp::MAX, |absolute| record.created_at().saturating_add(absolute));
        let mut args = vec![
            decimal(now.unix_millis()),
            expected.to_be_bytes().to_vec(),
            record.revision().to_be_bytes().to_vec(),
            record.encode(),
            decimal(record.seen_at().unix_millis()),
            idle,
            decimal(absolute.unix_millis()),
            decimal(GRACE.as_millis()),
            decimal(0),
        ];
        let name = self.keys.session(key);
        let mut answer = self
            .run(&script::REPLACE, name.clone(), args.clone(), Class::Relaxed, DOING)
            .await?;
        let mut parts = Reply::new(answer, DOING)?;
        let mut what = parts.bytes()?;
        if what == b"extend" {
            let bound = self.extend(key, record, now, DOING).await?;
            if let Some(last) = args.last_mut() {
                *last = decimal(bound.unix_millis());
            }
            answer = self.run(&script::REPLACE, name, args, Class::Relaxed, DOING).await?;
            parts = Reply::new(answer, DOING)?;
            what = parts.bytes()?;
        }
        match what.as_slice() {
            b"stored" => Ok(Replaced::Stored),
            b"gone" => Ok(Replaced::Gone),
            b"conflict" => Ok(Replaced::Conflict(layout::record(&parts.bytes()?)?)),
            b"unknown" => Err(layout::unreadable(&parts.bytes()?)),
            _ => Err(failure::unexpected(DOING)),
        }
    }

    pub(crate) async fn touch(&self, key: StoreKey, seen: Timestamp, deadline: Timestamp) -> Result<Touched> {
        const DOING: &str = "recording that a session was seen";
        let name = self.keys.session(key);
        let args = |bound: u64| {
            vec![
                decimal(seen.unix_millis()),
                decimal(deadline.unix_millis()),
                life(deadline, seen),
                decimal(bound),
            ]
        };
        let mut bound = 0;
        loop {
            let answer = self
                .run(&script::TOUCH, name.clone(), args(bound), Class::Relaxed, DOING)
                .await?;
            let mut parts = Reply::new(answer, DOING)?;
            match parts.bytes()?.as_slice() {
                b"recorded" => return Ok(Touched::Recorded),
                b"gone" => return Ok(Touched::Gone),
                b"extend" if bound == 0 => {
                    let record = layout::record(&parts.bytes()?)?.seen(seen);
                    bound = self.extend(key, &record, seen, DOING).await?.unix_millis();
                }
                b"unknown" => return Err(layout::unreadable(&parts.bytes()?)),
                _ => return Err(failure::unexpected(DOING)),
            }
        }
    }

    /// Makes the owner's list outlive what the session is about to become.
    async fn extend(&self, key: StoreKey, record: &Record, now: Timestamp, doing: &'static str) -> Result<Timestamp> {
        let bound = layout::listed_until(record);
        if let Some(owner) = record.owner() {
            let args = vec![
                b"extend".to_vec(),
                Place::of(record, key).encode(),
                decimal(bound.unix_millis()),
                life(bound, now),
            ];
            let list = self.keys.owner(owner).list;
            self.run(&script::SETTLE, list, args, Class::Relaxed, doing).await?;
        }
        Ok(bound)
    }

    /// The first half of a rotation; `successor` if it stays with its owner.
    pub(crate) async fn retire(
        &self,
        old: StoreKey,
        expected: Revision,
        successor: Option<Place>,
        now: Timestamp,
        doing: &'static str,
    ) -> Result<Retired> {
        let args = vec![
            decimal(now.unix_millis()),
            expected.to_be_bytes().to_vec(),
            successor.map(Place::encode).unwrap_or_default(),
            decimal(TOMBSTONE.as_millis()),
        ];
        let answer = self
            .run(&script::RETIRE, self.keys.session(old), args, Class::Durable, doing)
            .await?;
        let mut answer = Reply::new(answer, doing)?;
        match answer.bytes()?.as_slice() {
            b"gone" => Ok(Retired::Gone),
            b"conflict" => Ok(Retired::Conflict(layout::record(&answer.bytes()?)?)),
            b"retired" => {
                let seen = answer.bytes()?.try_into().map_err(|_| failure::unexpected(doing))?;
                Ok(Retired::Done(Timestamp::from_unix_millis(u64::from_be_bytes(seen))))
            }
            b"unknown" => Err(layout::unreadable(&answer.bytes()?)),
            _ => Err(failure::unexpected(doing)),
        }
    }

    pub(crate) async fn delete(self: &Arc<Self>, key: StoreKey) -> Result<Deleted> {
        const DOING: &str = "ending a session";
        let args = vec![
            vec![Reason::Deleted.byte()],
            decimal(TOMBSTONE.as_millis()),
            b"if there".to_vec(),
            b"whole".to_vec(),
        ];
        match self.end_with(key, args, DOING).await? {
            Found::Session(value) => {
                if let Ok(record) = layout::record(&value)
                    && let Some(owner) = record.owner().cloned()
                {
                    self.forget(owner, vec![Place::of(&record, key)]);
                }
                Ok(Deleted::Removed)
            }
            Found::Nothing | Found::Ended(_) | Found::Moved { .. } => Ok(Deleted::Absent),
        }
    }

    /// Ends what is at a key, and keeps anything from being stored there for a while.
    pub(crate) async fn end(&self, key: StoreKey, reason: Reason, doing: &'static str) -> Result<Found> {
        let args = vec![
            vec![reason.byte()],
            decimal(TOMBSTONE.as_millis()),
            b"mark".to_vec(),
            b"header".to_vec(),
        ];
        self.end_with(key, args, doing).await
    }

    async fn end_with(&self, key: StoreKey, args: Vec<Vec<u8>>, doing: &'static str) -> Result<Found> {
        let answer = self
            .run(&script::END, self.keys.session(key), args, Class::Durable, doing)
            .await?;
        let mut answer = Reply::new(answer, doing)?;
        match answer.bytes()?.as_slice() {
            b"live" => Ok(Found::Session(answer.bytes()?)),
            b"absent" => Ok(Found::Nothing),
            b"ended" => Ok(Found::Ended(answer.bytes()?.first().copied().unwrap_or_default())),
            b"moved" => Ok(Found::Moved {
                to: Place::decode(&answer.bytes()?).ok_or_else(|| failure::unexpected(doing))?,
                kept: answer.bytes()?,
            }),
            b"unknown" => Err(layout::unreadable(&answer.bytes()?)),
            _ => Err(failure::unexpected(doing)),
        }
    }

    /// Takes places out of an owner's list; nobody waits for it.
    pub(crate) fn forget(self: &Arc<Self>, owner: Owner, places: Vec<Place>) {
        let backend = Arc::clone(self);
        self.later(async move {
            backend
                .unlist(&owner, &places, Class::Relaxed, "keeping an owner's list")
                .await
        });
    }

    pub(crate) async fn unlist(
        &self,
        owner: &Owner,
        places: &[Place],
        class: Class,
        doing: &'static str,
    ) -> Result<Value> {
        let mut args = vec![b"remove".to_vec(), Vec::new(), Vec::new(), Vec::new()];
        args.extend(places.iter().map(|place| place.encode()));
        self.run(&script::SETTLE, self.keys.owner(owner).list, args, class, doing)
            .await
    }
}

/// How long a server keeps a key whose deadline is that.
pub(crate) fn life(deadline: Timestamp, now: Timestamp) -> Vec<u8> {
    decimal((deadline.saturating_since(now) + GRACE).as_millis())
}
