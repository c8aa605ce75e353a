//! [`SessionConfig`]: every choice an application makes about its sessions, checked once when it is built.

use crate::cleaner::CleanerPolicy;
use crate::cookie::{CookieAttributes, CookieTemplate, SameSite};
use crate::error::Result;
use crate::lifetime::Lifetime;
use crate::record::Limits;
use crate::store::OwnerLimit;

/// How sessions behave. The default is right for most applications served over HTTPS.
///
/// ```
/// use session_core::{Lifetime, SameSite, SessionConfig};
///
/// let config = SessionConfig::builder()
///     .cookie_name("__Host-shop")
///     .same_site(SameSite::Strict)
///     .lifetime(Lifetime::aal2())
///     .build()?;
/// # let _ = config;
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionConfig {
    pub(crate) cookie: CookieTemplate,
    pub(crate) lifetime: Lifetime,
    pub(crate) remember_lifetime: Lifetime,
    pub(crate) limits: Limits,
    pub(crate) owner_limit: Option<OwnerLimit>,
    pub(crate) on_server_error: OnServerError,
    pub(crate) cleaner: CleanerPolicy,
    pub(crate) transport: Transport,
}

/// Whether cookies travel over HTTPS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Secure,
    Plain,
}

/// What happens to a session's changes when the handler answers with a server error (5xx).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnServerError {
    /// Drop changes of data and a login; destroying and renewing are carried out, as leaving them undone would be less safe.
    #[default]
    DropData,
    /// Commit as with any other answer.
    Commit,
}

impl SessionConfig {
    /// Starts from the default.
    pub fn builder() -> SessionConfigBuilder {
        SessionConfigBuilder::default()
    }

    /// How long a session lives.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// How long a remembered session lives.
    pub fn remember_lifetime(&self) -> Lifetime {
        self.remember_lifetime
    }

    /// What the cookie is called.
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self::builder()
            .build()
            .expect("the default is what browsers accept, as a test shows")
    }
}

/// Builds a [`SessionConfig`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionConfigBuilder {
    cookie: CookieAttributes,
    lifetime: Lifetime,
    remember_lifetime: Lifetime,
    limits: Limits,
    owner_limit: Option<OwnerLimit>,
    on_server_error: OnServerError,
    cleaner: CleanerPolicy,
}

impl Default for SessionConfigBuilder {
    fn default() -> Self {
        Self {
            cookie: CookieAttributes::default(),
            lifetime: Lifetime::default(),
            remember_lifetime: Lifetime::aal1(),
            limits: Limits::default(),
            owner_limit: None,
            on_server_error: OnServerError::default(),
            cleaner: CleanerPolicy::default(),
        }
    }
}

impl SessionConfigBuilder {
    /// The cookie's name. Default `__Host-session`, which browsers bind to this very host over HTTPS (RFC 6265bis §4.1.3.2).
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie.name = Some(name.into());
        self
    }

    /// The path below which browsers send the cookie. Default `/`; another one needs a name without `__Host-`.
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie.path = path.into();
        self
    }

    /// Shares the cookie with all subdomains of this domain: every one of them can then take over sessions. Default none; needs a
    /// name without `__Host-`.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie.domain = Some(domain.into());
        self
    }

    /// When browsers send the cookie with requests that other sites cause. Default [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookie.same_site = same_site;
        self
    }

    /// Keeps a jar of its own under each top-level site (CHIPS), for an application that is embedded in others.
    pub fn partitioned(mut self) -> Self {
        self.cookie.partitioned = true;
        self
    }

    /// How long a session lives. Default 24 hours idle, 30 days in all.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long a session lives after [`Session::remember`](crate::Session::remember). Default 30 days in all.
    pub fn remember_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.remember_lifetime = lifetime;
        self
    }

    /// How large values and records may become.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many sessions one owner may have, and what happens to a login beyond that (OWASP ASVS 5.0 V7.1.2). Default any number.
    ///
    /// Counted are live sessions, in the same step that stores the login, so that logins that run at once cannot exceed it. A login
    /// to a session that is the owner's already does not count again. A limit that is lowered ends nothing by itself: the next
    /// login of that owner meets it. The store needs an owner index: without one every login fails with
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    pub fn owner_limit(mut self, limit: OwnerLimit) -> Self {
        self.owner_limit = Some(limit);
        self
    }

    /// What happens to changes when the handler answers with a server error.
    pub fn on_server_error(mut self, policy: OnServerError) -> Self {
        self.on_server_error = policy;
        self
    }

    /// When expired sessions are removed from the store. Default every 60 s.
    pub fn cleaner(mut self, policy: CleanerPolicy) -> Self {
        self.cleaner = policy;
        self
    }

    /// Weaker settings, each for a reason that it names.
    pub fn danger(self) -> danger::Danger {
        danger::Danger(self)
    }

    /// Checks the choices.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if browsers would refuse the cookie, with the rule that says so.
    pub fn build(self) -> Result<SessionConfig> {
        Ok(SessionConfig {
            transport: if self.cookie.secure {
                Transport::Secure
            } else {
                Transport::Plain
            },
            cookie: CookieTemplate::new(&self.cookie)?,
            lifetime: self.lifetime,
            remember_lifetime: self.remember_lifetime,
            limits: self.limits,
            owner_limit: self.owner_limit,
            on_server_error: self.on_server_error,
            cleaner: self.cleaner,
        })
    }
}

/// Settings that weaken a promise.
pub mod danger {
    use super::SessionConfigBuilder;

    /// Gives access to settings that weaken a promise; each goes back to the builder.
    #[derive(Clone, Debug)]
    #[must_use]
    pub struct Danger(pub(super) SessionConfigBuilder);

    impl Danger {
        /// Sends the cookie over plain HTTP too, where anybody on the way can take it: for development on this machine. The
        /// default name becomes `session`, and the engine logs a warning when it starts.
        pub fn insecure_cookies(mut self) -> SessionConfigBuilder {
            self.0.cookie.secure = false;
            self.0
        }

        /// Lets scripts in the page read the cookie, so that an injected script can send it away.
        pub fn script_readable_cookies(mut self) -> SessionConfigBuilder {
            self.0.cookie.http_only = false;
            self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(SessionConfig::default().cookie_name(), "__Host-session");
    }

    #[test]
    fn insecure_cookies_lose_the_host_prefix() {
        let config = SessionConfig::builder().danger().insecure_cookies().build().unwrap();
        assert_eq!(config.cookie_name(), "session");
    }
}
