//! Every error of this crate in one place: how what the servers report becomes a kind to act on and a message that names the
//! address, never the password.

use redis::{ErrorKind as Reported, RedisError, ServerErrorKind};
use session_core::{Error, ErrorKind};

/// What a failed command says about whether it was carried out, and about where to go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was not: the server refused it, and another one may take it.
    Refused,
    /// It was not: the script is unknown there.
    UnknownScript,
    /// It may have been: the connection broke or the answer is late.
    Unknown,
    /// It was not, and trying again does not help.
    Final,
}

pub(crate) fn verdict(error: &RedisError) -> Verdict {
    match error.kind() {
        Reported::Server(ServerErrorKind::NoScript) => Verdict::UnknownScript,
        Reported::Server(
            ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly,
        ) => Verdict::Refused,
        Reported::Io | Reported::Parse => Verdict::Unknown,
        // Inside a script the code is the first word of the text.
        _ if error.to_string().contains("READONLY") || error.to_string().contains("UNKILLABLE") => Verdict::Refused,
        _ => Verdict::Final,
    }
}

/// A command failed; `doing` is in the form "reading a session".
pub(crate) fn failed(doing: &str, address: &str, error: RedisError) -> Error {
    let text = error.to_string();
    let (kind, remedy) = match error.kind() {
        _ if is_refused_login(&error) => (
            ErrorKind::Unavailable,
            "it refuses the user name or the password; check both, and the rights of the user",
        ),
        _ if text.contains("OOM") => (
            ErrorKind::Unavailable,
            "it is out of memory; raise maxmemory or shorten the lifetime of sessions, and keep maxmemory-policy at noeviction",
        ),
        _ if text.contains("WRONGTYPE") => (
            ErrorKind::Foreign,
            "a key of ours holds something else; give the store a prefix or a database of its own",
        ),
        _ if text.contains("unknown command") && text.contains("HELLO") => (
            ErrorKind::Unavailable,
            "it does not speak RESP3 (HELLO 3), which this store needs; use Redis 6.2 or Valkey 7.2 or newer, and no proxy that is older",
        ),
        Reported::Server(ServerErrorKind::BusyLoading) => (
            ErrorKind::Unavailable,
            "it is loading its data after a start; wait until it is done",
        ),
        Reported::Server(ServerErrorKind::ReadOnly) => (
            ErrorKind::Unavailable,
            "it is a read-only replica; name the primary, or use Sentinel or Cluster, which follow a failover",
        ),
        Reported::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => (
            ErrorKind::Unavailable,
            "the cluster does not serve this slot for now; check that every slot has a primary that most others see",
        ),
        _ if text.contains("NOREPLICAS") => (
            ErrorKind::Unavailable,
            "fewer replicas are connected than min-replicas-to-write asks for; check the replicas",
        ),
        _ if text.contains("MISCONF") => (
            ErrorKind::Unavailable,
            "it cannot write to its disk and refuses writes; check the disk and its free space",
        ),
        _ if error.is_timeout() => (
            ErrorKind::Unavailable,
            "no answer in time; check the server and the network, or raise the timeouts",
        ),
        _ => (
            ErrorKind::Unavailable,
            "it cannot be reached or refuses to work; check that it runs there and takes connections",
        ),
    };
    let failed = Error::new(kind, format!("{doing} at {address}: {remedy}"));
    if text.contains("args beginning with") {
        // The server quotes a command that it does not know, with what is stored.
        return failed;
    }
    failed.with_source(error)
}

/// Whether a server turned away our name or password, or our right to a command.
pub(crate) fn is_refused_login(error: &RedisError) -> bool {
    let text = error.to_string();
    matches!(
        error.kind(),
        Reported::AuthenticationFailed | Reported::Server(ServerErrorKind::NoPerm)
    ) || ["WRONGPASS", "NOAUTH", "NOPERM", "invalid password"]
        .iter()
        .any(|code| text.contains(code))
}

/// Time is up; `doing` is in the form "reading a session".
pub(crate) fn late(doing: &str, address: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing} at {address}: no answer in time; check the servers and the network, or raise the timeouts"),
    )
}

/// A durable change reached fewer replicas than it was to reach.
pub(crate) fn too_few_replicas(doing: &str, address: &str, reached: i64, wanted: u32) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing} at {address}: done there, but {reached} of {wanted} replicas confirmed it in time, so a failover may undo it; check the replicas and their lag"
        ),
    )
}

/// A server cannot be made to tell of changes, which a near cache needs.
pub(crate) fn not_tracked(doing: &str, address: &str, error: RedisError) -> Error {
    let (kind, remedy) = if is_refused_login(&error) {
        (
            ErrorKind::Permission,
            "the near cache needs CLIENT TRACKING, which it refuses to this user; allow +client|tracking, or leave out near_cache",
        )
    } else if error.code() == Some("ERR") {
        (
            ErrorKind::Invalid,
            "the near cache needs CLIENT TRACKING, which it does not know; use Redis 6.2 or Valkey 7.2 or newer, without a proxy between, or leave out near_cache",
        )
    } else {
        return failed(doing, address, error);
    };
    Error::new(kind, format!("{doing} at {address}: {remedy}")).with_source(error)
}

/// A server answered something that no release of ours makes it answer.
pub(crate) fn unexpected(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: a server answered something unexpected; check that it is Redis 6.2 or Valkey 7.2 or newer"),
    )
}

/// A task that carries out an operation was stopped.
pub(crate) fn stopped(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: the runtime that the store was opened on has stopped"),
    )
}

/// A session was to be stored so long after it was listed that a revocation may have been forgotten.
pub(crate) fn too_late(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{doing}: it took longer than a login may take, so it was not stored; check the servers and that their clocks agree"
        ),
    )
}

/// Other logins of the owner were faster, again and again.
pub(crate) fn overtaken(doing: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: the owner's list changed with every look; too many logins of one owner run at once"),
    )
}

/// A setting is not acceptable.
pub(crate) fn invalid(attempted: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, attempted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &'static str) -> RedisError {
        RedisError::from((Reported::Extension, text))
    }

    #[test]
    fn only_what_was_not_carried_out_may_go_again() {
        let server = |kind| RedisError::from((Reported::Server(kind), "as the server says"));
        for kind in [
            ServerErrorKind::Moved,
            ServerErrorKind::Ask,
            ServerErrorKind::ReadOnly,
            ServerErrorKind::BusyLoading,
            ServerErrorKind::ClusterDown,
        ] {
            assert_eq!(verdict(&server(kind)), Verdict::Refused, "{kind:?}");
        }
        assert_eq!(verdict(&server(ServerErrorKind::NoScript)), Verdict::UnknownScript);
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(verdict(&broken), Verdict::Unknown);
        assert_eq!(verdict(&answered("OOM command not allowed")), Verdict::Final);
    }

    #[test]
    fn an_error_names_the_place_and_what_to_do() {
        let error = failed("reading a session", "host:6379", answered("OOM command not allowed"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error
                .to_string()
                .starts_with("reading a session at host:6379: it is out of memory"),
            "{error}"
        );
    }

    #[test]
    fn what_a_server_quotes_of_a_command_is_not_passed_on() {
        let quoted = answered("ERR unknown command 'EVALSHA', with args beginning with: 'hash' 'secret'");
        let error = failed("storing a session", "host:6379", quoted);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
