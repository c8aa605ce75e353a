//! [`Node`]: one server, with the connections to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis::{Cmd, RedisError, Value};

use super::access::{Access, Class, Role};
use super::call::Call;
use super::link::{Link, Target};
use crate::address::Address;
use crate::failure::{self, Verdict};
use crate::script::Spelling;

pub(crate) struct Node {
    access: Arc<Access>,
    target: Target,
    shared: Box<[Link]>,
    durable: Box<[Link]>,
    near: Option<Link>,
    turn: AtomicUsize,
}

/// Whether a cluster has told us to ask here although the slot is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    No,
    Yes,
}

/// Why a call was not answered.
pub(crate) enum Failed {
    Command {
        error: RedisError,
        verdict: Verdict,
    },
    /// The change is made, and fewer replicas than wanted have it.
    Replicas {
        reached: i64,
        wanted: u32,
    },
}

impl Node {
    pub(crate) fn new(access: &Arc<Access>, target: Target) -> Self {
        let links = |class| {
            let new = || Link::new(Arc::clone(access), target.clone(), Role::Data, class);
            (0..access.connections.max(1)).map(|_| new()).collect()
        };
        Self {
            shared: links(Class::Relaxed),
            durable: links(Class::Durable),
            near: (access.near.as_ref())
                .map(|_| Link::new(Arc::clone(access), target.clone(), Role::Data, Class::Near)),
            access: Arc::clone(access),
            target,
            turn: AtomicUsize::new(0),
        }
    }

    /// The link that records are read through, if some are kept near.
    pub(super) fn near(&self) -> Option<&Link> {
        self.near.as_ref()
    }

    pub(super) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.access.runtime
    }

    pub(crate) fn shown(&self) -> String {
        self.target.shown()
    }

    /// The server is not what it was, for example no primary any more: all connections are made again.
    pub(crate) fn discard(&self) {
        for link in self.shared.iter().chain(&self.durable).chain(&self.near) {
            link.discard();
        }
    }

    /// Another server is the primary now: no connection stays with the old one, whenever it was made.
    pub(crate) fn leave_all_but(&self, primary: &Address) {
        for link in self.shared.iter().chain(&self.durable).chain(&self.near) {
            link.leave_all_but(primary);
        }
    }

    pub(crate) async fn send(&self, call: &Call, class: Class, asking: Asking) -> Result<Value, Failed> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let links = match class {
            Class::Durable if self.access.replicas.is_some() => &self.durable,
            _ => &self.shared,
        };
        let link = &links[turn % links.len()];
        let mut sent = self.send_on(link, &call.command(Spelling::Hash), class, asking).await;
        if let Err(Failed::Command { verdict, .. }) = &sent
            && *verdict == Verdict::UnknownScript
        {
            sent = self.send_on(link, &call.command(Spelling::Text), class, asking).await;
        }
        sent
    }

    async fn send_on(&self, link: &Link, command: &Cmd, class: Class, asking: Asking) -> Result<Value, Failed> {
        // Nothing was sent yet, so nothing was carried out.
        let mut live = link.connection().await.map_err(|error| Failed::Command {
            error,
            verdict: Verdict::Refused,
        })?;
        let wait = self.access.replicas.filter(|_| class == Class::Durable);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        if asking == Asking::Yes {
            pipeline.cmd("ASKING").ignore();
        }
        pipeline.add_command(command.clone());
        if let Some(replicas) = wait {
            // On the same connection: WAIT is about the writes of the connection that it is sent on.
            let millis = u64::try_from(replicas.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
            pipeline.cmd("WAIT").arg(replicas.count).arg(millis);
        }
        let answered = if pipeline.len() == 1 {
            command
                .query_async::<Value>(&mut live.connection)
                .await
                .map(|value| vec![Ok(value)])
        } else {
            pipeline
                .query_async::<Vec<Result<Value, RedisError>>>(&mut live.connection)
                .await
        };
        let failed = |error: RedisError| {
            let verdict = failure::verdict(&error);
            if verdict == Verdict::Unknown {
                live.end();
            }
            Failed::Command { error, verdict }
        };
        let mut answers = answered.map_err(&failed)?.into_iter();
        let value = match answers.next() {
            Some(answer) => answer.map_err(&failed)?,
            None => Value::Nil,
        };
        if let Some(replicas) = wait {
            let reached = match answers.next() {
                Some(Ok(Value::Int(reached))) => reached,
                Some(Err(error)) => return Err(failed(error)),
                _ => 0,
            };
            if reached < i64::from(replicas.count) {
                return Err(Failed::Replicas {
                    reached,
                    wanted: replicas.count,
                });
            }
        }
        Ok(value)
    }
}
