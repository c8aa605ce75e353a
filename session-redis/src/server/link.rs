//! [`Link`]: one connection that comes back by itself. Whoever needs it reconnects it; after a failure others fail at once for a
//! while that grows, so that a server which is down is not flooded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisError;

use super::access::{Access, Class, Live, Role};
use super::sentinel::Sentinels;
use crate::address::Address;

/// Where a link leads.
#[derive(Clone)]
pub(crate) enum Target {
    Server(Address),
    /// Whoever is the primary when it connects.
    Primary(Arc<Sentinels>),
}

impl Target {
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Server(address) => address.to_string(),
            Self::Primary(sentinels) => sentinels.shown(),
        }
    }
}

pub(crate) struct Link {
    access: Arc<Access>,
    target: Target,
    role: Role,
    class: Class,
    live: Mutex<Option<Live>>,
    attempts: tokio::sync::Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    failed: u32,
    last: Option<(Instant, RedisError)>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Link {
    pub(crate) fn new(access: Arc<Access>, target: Target, role: Role, class: Class) -> Self {
        Self {
            access,
            target,
            role,
            class,
            live: Mutex::new(None),
            attempts: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn shown(&self) -> String {
        self.target.shown()
    }

    /// The connection; made if there is none. One caller connects, the others wait for it.
    pub(crate) async fn connection(&self) -> Result<Live, RedisError> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut attempts = self.attempts.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((_, error)) = &attempts.last
            && attempts.is_too_early()
        {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(live) => {
                *attempts = Attempts::default();
                *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
            Err(error) => {
                attempts.failed = attempts.failed.saturating_add(1);
                attempts.last = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Whether nobody is making a connection, and it is not too early to try again.
    pub(super) fn is_due(&self) -> bool {
        match self.attempts.try_lock() {
            Ok(attempts) => !attempts.is_too_early(),
            Err(_) => false,
        }
    }

    /// Gives up the connection, if there is one: the next caller makes another.
    pub(crate) fn discard(&self) {
        if let Some(live) = self.live.lock().unwrap_or_else(PoisonError::into_inner).take() {
            live.end();
        }
    }

    /// The same, if it leads anywhere else.
    pub(crate) fn leave_all_but(&self, primary: &Address) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(elsewhere) = live.take_if(|live| live.address != *primary) {
            elsewhere.end();
        }
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Live> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.clone().filter(|live| !live.has_ended())
    }

    async fn connect(&self) -> Result<Live, RedisError> {
        let connecting = async {
            match &self.target {
                Target::Server(address) => self.access.connect(address, self.role, self.class).await,
                // A sentinel has links of its own: boxed, so that the two do not contain each other.
                Target::Primary(sentinels) => Box::pin(sentinels.connect(&self.access, self.class)).await,
            }
        };
        match tokio::time::timeout(self.access.connect_timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

impl Attempts {
    fn is_too_early(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|(at, _)| at.elapsed() < pause(self.failed))
    }
}

fn pause(failed: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << failed.saturating_sub(1).min(8))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_attempts_grow_and_end() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), 2 * FIRST_PAUSE);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
