//! Reads a [`SessionConfig`] from the table `session` of Rocket's configuration. What is acceptable is decided in `session-core`.

use std::time::Duration;

use rocket::figment::{Error, Figment};
use rocket::serde::Deserialize;
use session_core::{Lifetime, SessionConfig};

const TABLE: &str = "session";

#[derive(Default, Deserialize)]
#[serde(crate = "rocket::serde", default, deny_unknown_fields)]
struct Table {
    cookie_name: Option<String>,
    /// Seconds, as Rocket's own timeouts.
    idle: Option<u64>,
    /// Seconds.
    absolute: Option<u64>,
    danger: Danger,
}

#[derive(Default, Deserialize)]
#[serde(crate = "rocket::serde", default, deny_unknown_fields)]
struct Danger {
    insecure_cookies: bool,
}

pub(crate) fn read(figment: &Figment) -> Result<SessionConfig, Box<Error>> {
    let table = if figment.contains(TABLE) {
        figment.extract_inner(TABLE)?
    } else {
        Table::default()
    };
    table
        .config()
        .map_err(|error| Box::new(Error::from(error.to_string()).with_path(TABLE)))
}

impl Table {
    fn config(self) -> session_core::Result<SessionConfig> {
        let mut lifetime = Lifetime::default();
        if let Some(idle) = self.idle {
            lifetime = lifetime.with_idle(Duration::from_secs(idle))?;
        }
        if let Some(absolute) = self.absolute {
            lifetime = lifetime.with_absolute(Duration::from_secs(absolute))?;
        }
        let mut builder = SessionConfig::builder().lifetime(lifetime);
        if let Some(name) = self.cookie_name {
            builder = builder.cookie_name(name);
        }
        if self.danger.insecure_cookies {
            builder = builder.danger().insecure_cookies();
        }
        builder.build()
    }
}
