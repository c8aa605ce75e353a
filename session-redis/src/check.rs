//! What is looked at when a store opens, and a health check: servers that forget sessions say so only when it is too late.

use redis::Value;
use session_core::{Error, ErrorKind, Result};

use crate::reply;
use crate::server::Call;
use crate::store::RedisStore;

impl RedisStore {
    /// Asks every primary for a sign of life: for a readiness probe. Costs one round trip.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if one of them does not answer.
    pub async fn health(&self) -> Result<()> {
        let ping = Call::Plain(redis::cmd("PING"));
        for (_, answer) in self
            .backend
            .servers
            .ask_all(ping, "checking the health of the session store")
            .await
        {
            answer?;
        }
        Ok(())
    }

    pub(crate) async fn check(&self) -> Result<()> {
        const DOING: &str = "opening the session store";
        let servers = &self.backend.servers;
        servers.find(DOING).await.map_err(login_first)?;
        let info = Call::Plain(redis::cmd("INFO"));
        for (address, answer) in servers.ask_all(info, DOING).await {
            match answer {
                Ok(info) => warn_of(&address, &text(info)),
                Err(error) => return Err(login_first(error)),
            }
        }
        servers.track_all(DOING).await?;
        // A managed service may refuse CONFIG; then its settings are its operator's.
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg("min-replicas-to-write");
        if servers.access().replicas.is_some() || servers.is_spread() {
            for (address, answer) in servers.ask_all(Call::Plain(config), DOING).await {
                if let Ok(settings) = answer
                    && setting(settings).as_deref() == Some("0")
                {
                    tracing::warn!(
                        %address,
                        "min-replicas-to-write is 0: a primary that is cut off goes on taking writes, which are lost when it comes back; set it to 1 or more"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Refused at the door: the operator has to act, waiting does not help.
fn login_first(error: Error) -> Error {
    let is_refused = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<redis::RedisError>())
        .is_some_and(crate::failure::is_refused_login);
    if !is_refused {
        return error;
    }
    let text = error.to_string();
    let refused = Error::new(ErrorKind::Permission, text);
    match std::error::Error::source(&error).and_then(|source| source.downcast_ref::<redis::RedisError>()) {
        Some(source) => refused.with_source(source.clone()),
        None => refused,
    }
}

/// Settings of a server that may lose sessions.
fn warn_of(address: &str, info: &str) {
    let field = |name: &str| {
        info.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.trim())
    };
    if let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
    {
        tracing::warn!(
            address,
            policy,
            "maxmemory-policy is not noeviction: a server that is full ends sessions and forgets revocations; set it to noeviction"
        );
    }
    if field("aof_enabled") == Some("0") {
        tracing::warn!(
            address,
            "appendonly is no: a server that crashes loses what came after its last snapshot, revocations included; set it to yes"
        );
    }
    if let Some(version) = field("redis_version")
        && field("server_name") != Some("valkey")
        && is_older(version, (6, 2))
    {
        tracing::warn!(
            address,
            version,
            "this is older than Redis 6.2, which the session store is written for; upgrade it"
        );
    }
}

fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < than
}

fn text(value: Value) -> String {
    match value {
        Value::VerbatimString { text, .. } => text,
        other => String::from_utf8_lossy(&reply::bytes(other).unwrap_or_default()).into_owned(),
    }
}

/// The value of the one setting that was asked for.
fn setting(answer: Value) -> Option<String> {
    let value = match answer {
        Value::Map(pairs) => pairs.into_iter().next()?.1,
        Value::Array(parts) => parts.into_iter().nth(1)?,
        _ => return None,
    };
    String::from_utf8(reply::bytes(value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_older("6.0.16", (6, 2)));
        assert!(is_older("5.0", (6, 2)));
        assert!(!is_older("6.2.0", (6, 2)));
        assert!(!is_older("7.0.15", (6, 2)));
        assert!(!is_older("10.0", (6, 2)));
    }
}
