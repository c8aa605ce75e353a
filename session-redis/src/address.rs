//! [`Topology`]: which servers a URL names, and how they work together.

use std::fmt;

use session_core::Result;

use crate::failure::invalid;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the servers work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    Standalone(Address),
    Sentinel { sentinels: Vec<Address>, service: String },
    Cluster { seeds: Vec<Address> },
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// What a URL says.
pub(crate) struct Parsed {
    pub(crate) topology: Topology,
    pub(crate) transport: Transport,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: i64,
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

pub(crate) fn parse(url: &str) -> Result<Parsed> {
    // No message shows the URL: it may hold a password.
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        invalid("reading the URL of a Redis store: it starts with a scheme, as in redis://localhost:6379")
    })?;
    let (transport, kind) = match scheme {
        "redis" | "valkey" => (Transport::Plain, ""),
        "rediss" | "valkeys" => (Transport::Tls, ""),
        _ => match scheme.split_once('+') {
            Some(("redis" | "valkey", kind)) => (Transport::Plain, kind),
            Some(("rediss" | "valkeys", kind)) => (Transport::Tls, kind),
            _ => return Err(unknown_scheme()),
        },
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let (username, password) = match login {
        None => (None, None),
        Some(login) => match login.split_once(':') {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (decoded(login)?, None),
        },
    };
    let database = match path {
        "" => 0,
        number => number.parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
            invalid("reading the URL of a Redis store: its path is the number of a database, as in /0")
        })?,
    };
    let mut service = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("service", name)) => service = decoded(name)?,
            _ => {
                return Err(invalid(
                    "reading the URL of a Redis store: the only parameter is service, the name of the primary that Sentinel watches",
                ));
            }
        }
    }
    let port = if kind == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
    let mut addresses = hosts
        .split(',')
        .map(|host| address(host, port))
        .collect::<Result<Vec<_>>>()?;
    let topology = match kind {
        "" if addresses.len() == 1 => Topology::Standalone(addresses.remove(0)),
        "" => {
            return Err(invalid(
                "reading the URL of a Redis store: several hosts need redis+cluster:// or redis+sentinel://",
            ));
        }
        "sentinel" => Topology::Sentinel {
            sentinels: addresses,
            service: service.take().ok_or_else(|| {
                invalid(
                    "reading the URL of a Redis store: name the primary that Sentinel watches, as in ?service=mymaster",
                )
            })?,
        },
        "cluster" if database == 0 => Topology::Cluster { seeds: addresses },
        "cluster" => {
            return Err(invalid(
                "reading the URL of a Redis store: a cluster has database 0 only",
            ));
        }
        _ => return Err(unknown_scheme()),
    };
    if service.is_some() {
        return Err(invalid(
            "reading the URL of a Redis store: service is for redis+sentinel:// only",
        ));
    }
    Ok(Parsed {
        topology,
        transport,
        username: username.filter(|name| !name.is_empty()),
        password,
        database,
    })
}

fn unknown_scheme() -> session_core::Error {
    invalid(
        "reading the URL of a Redis store: the scheme is redis, rediss (TLS), redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster",
    )
}

fn address(text: &str, default_port: u16) -> Result<Address> {
    let malformed = || invalid("reading the URL of a Redis store: a server is host:port, or [address]:port for IPv6");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(malformed)?;
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| malformed())?,
        None => default_port,
    };
    if host.is_empty() {
        return Err(malformed());
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

/// Percent-decoding (RFC 3986 §2.1), for passwords with characters that a URL gives a meaning.
fn decoded(text: &str) -> Result<Option<String>> {
    let malformed = || {
        invalid(
            "reading the URL of a Redis store: a percent sign is followed by two hexadecimal digits; write %25 for the sign",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).ok_or_else(malformed)?;
        let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| malformed())?);
        rest = behind;
    }
    String::from_utf8(bytes).map(Some).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use session_core::ErrorKind;

    fn at(host: &str, port: u16) -> Address {
        Address {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_plain_url_names_one_server() {
        let parsed = parse("redis://localhost").unwrap();
        assert_eq!(parsed.topology, Topology::Standalone(at("localhost", 6379)));
        assert_eq!((parsed.transport, parsed.database), (Transport::Plain, 0));
        assert_eq!((parsed.username, parsed.password), (None, None));
    }

    #[test]
    fn a_url_carries_login_and_database() {
        let parsed = parse("rediss://app:p%40ss:%2Fword@[::1]:7000/3").unwrap();
        assert_eq!(parsed.topology, Topology::Standalone(at("::1", 7000)));
        assert_eq!((parsed.transport, parsed.database), (Transport::Tls, 3));
        assert_eq!(parsed.username.as_deref(), Some("app"));
        assert_eq!(parsed.password.as_deref(), Some("p@ss:/word"));
        assert_eq!(parse("redis://:secret@host").unwrap().username, None);
    }

    #[test]
    fn sentinels_and_clusters_have_several_hosts() {
        let parsed = parse("redis+sentinel://one,two:5/1?service=main").unwrap();
        let sentinels = vec![at("one", 26379), at("two", 5)];
        assert_eq!(
            parsed.topology,
            Topology::Sentinel {
                sentinels,
                service: "main".to_owned()
            }
        );
        let parsed = parse("redis+cluster://one,two:5").unwrap();
        let seeds = vec![at("one", 6379), at("two", 5)];
        assert_eq!(parsed.topology, Topology::Cluster { seeds });
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for url in [
            "localhost",
            "http://secret@localhost",
            "redis://",
            "redis://secret@one,two",
            "redis://:sec%zz@host",
            "redis://:sec%a@host",
            "redis://secret@host/zero",
            "redis://secret@host/-1",
            "redis://secret@host:port",
            "redis+sentinel://secret@host",
            "redis+cluster://secret@host/1",
            "redis+cluster://secret@host?service=x",
            "redis+ring://secret@host",
            "redis://secret@host?tls=no",
        ] {
            let error = parse(url).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
