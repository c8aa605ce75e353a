//! Writes `Set-Cookie`: the attributes, what browsers would refuse about them, and the removal.

use std::fmt::{self, Write};
use std::time::Duration;

use super::seal::TOKEN_LEN;
use crate::error::{Error, ErrorKind, Result};

/// When a browser sends the cookie with requests that other sites cause (RFC 6265bis §5.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// With top-level navigation only. The default.
    #[default]
    Lax,
    /// Never.
    Strict,
    /// Always; needs `Secure`, and protection of your own against cross-site request forgery.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        })
    }
}

/// What the cookie is called and where browsers send it, before it is checked.
#[derive(Clone, Debug)]
pub(crate) struct CookieAttributes {
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) partitioned: bool,
}

impl Default for CookieAttributes {
    fn default() -> Self {
        Self {
            name: None,
            path: "/".to_owned(),
            domain: None,
            same_site: SameSite::Lax,
            secure: true,
            http_only: true,
            partitioned: false,
        }
    }
}

/// A cookie that browsers accept, ready to be filled in.
#[derive(Clone, Debug)]
pub(crate) struct CookieTemplate {
    name: String,
    /// Everything from `; Path` on, except the lifetime.
    attributes: String,
}

/// The longest cookie that every browser takes, name, value and attributes together (RFC 6265 §6.1).
const MAX_LEN: usize = 4096;

/// Room for `; Max-Age=` and ten digits.
const MAX_AGE_LEN: usize = 22;

impl CookieTemplate {
    /// Checks what browsers would silently refuse.
    pub(crate) fn new(cookie: &CookieAttributes) -> Result<Self> {
        let default_name = if cookie.secure { "__Host-session" } else { "session" };
        let name = cookie.name.clone().unwrap_or_else(|| default_name.to_owned());
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return refuse("the name may hold letters, digits and !#$%&'*+-.^_`|~ only (RFC 6265 §4.1.1)");
        }
        // RFC 6265bis §4.1.3: prefixes are matched without regard to case.
        let prefixed = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if prefixed("__Host-") && (!cookie.secure || cookie.domain.is_some() || cookie.path != "/") {
            return refuse(
                "a name that starts with __Host- needs Secure, the path / and no domain (RFC 6265bis §4.1.3.2)",
            );
        }
        if prefixed("__Secure-") && !cookie.secure {
            return refuse("a name that starts with __Secure- needs Secure (RFC 6265bis §4.1.3.1)");
        }
        if cookie.same_site == SameSite::None && !cookie.secure {
            return refuse("SameSite=None needs Secure (RFC 6265bis §5.7)");
        }
        if cookie.partitioned && !cookie.secure {
            return refuse("Partitioned needs Secure");
        }
        if !cookie.path.starts_with('/') || !cookie.path.bytes().all(is_attribute_byte) {
            return refuse("the path starts with / and holds neither ; nor control characters (RFC 6265 §4.1.1)");
        }
        let is_domain_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if let Some(domain) = &cookie.domain
            && (domain.is_empty() || !domain.bytes().all(is_domain_byte))
        {
            return refuse("the domain is a host name such as example.com");
        }
        let template = Self {
            name,
            attributes: attributes(cookie),
        };
        if template.name.len() + TOKEN_LEN + template.attributes.len() + MAX_AGE_LEN > MAX_LEN {
            return refuse(
                "name, token and attributes are longer than the 4096 bytes that browsers accept (RFC 6265 §6.1)",
            );
        }
        Ok(template)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `Set-Cookie` with a token; without `max_age` the cookie ends with the browser session.
    pub(crate) fn issue(&self, token: &str, max_age: Option<Duration>) -> String {
        let mut header = String::with_capacity(self.name.len() + 1 + token.len() + self.attributes.len() + MAX_AGE_LEN);
        for part in [&self.name, "=", token, &self.attributes] {
            header.push_str(part);
        }
        if let Some(max_age) = max_age {
            write!(header, "; Max-Age={}", max_age.as_secs()).expect("a String takes any text");
        }
        header
    }

    /// `Set-Cookie` that makes the browser forget it.
    pub(crate) fn remove(&self) -> String {
        format!(
            "{}={}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            self.name, self.attributes
        )
    }
}

fn attributes(cookie: &CookieAttributes) -> String {
    let mut text = format!("; Path={}", cookie.path);
    if let Some(domain) = &cookie.domain {
        write!(text, "; Domain={domain}").expect("a String takes any text");
    }
    for (wanted, attribute) in [
        (cookie.http_only, "; HttpOnly"),
        (cookie.secure, "; Secure"),
        (cookie.partitioned, "; Partitioned"),
    ] {
        text.push_str(if wanted { attribute } else { "" });
    }
    write!(text, "; SameSite={}", cookie.same_site).expect("a String takes any text");
    text
}

fn refuse<T>(why: &'static str) -> Result<T> {
    Err(Error::new(
        ErrorKind::Invalid,
        format!("configuring the session cookie: {why}"),
    ))
}

/// RFC 9110 §5.6.2 `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_attribute_byte(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) && byte != b';'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(change: impl FnOnce(&mut CookieAttributes)) -> Result<CookieTemplate> {
        let mut cookie = CookieAttributes::default();
        change(&mut cookie);
        CookieTemplate::new(&cookie)
    }

    #[test]
    fn the_default_cookie_is_as_strict_as_browsers_allow() {
        assert_eq!(
            template(|_| ()).unwrap().issue("TOKEN", None),
            "__Host-session=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_remembered_cookie_carries_its_age_in_seconds() {
        let header = template(|_| ())
            .unwrap()
            .issue("TOKEN", Some(Duration::from_millis(90_900)));
        assert!(header.ends_with("; Max-Age=90"), "{header}");
    }

    #[test]
    fn a_removal_has_the_attributes_of_the_cookie() {
        let template = template(|cookie| {
            cookie.name = Some("sid".into());
            cookie.path = "/app".into();
            cookie.domain = Some("example.com".into());
            cookie.partitioned = true;
        });
        assert_eq!(
            template.unwrap().remove(),
            "sid=; Path=/app; Domain=example.com; HttpOnly; Secure; Partitioned; SameSite=Lax; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn what_browsers_would_refuse_is_refused() {
        type Change = fn(&mut CookieAttributes);
        let wrong: [(&str, Change); 9] = [
            ("host prefix with a domain", |c| c.domain = Some("example.com".into())),
            ("host prefix without secure", |c| {
                c.name = Some("__host-x".into());
                c.secure = false;
            }),
            ("host prefix with a path", |c| c.path = "/app".into()),
            ("secure prefix without secure", |c| {
                c.name = Some("__Secure-x".into());
                c.secure = false;
            }),
            ("SameSite=None without secure", |c| {
                c.same_site = SameSite::None;
                c.secure = false;
            }),
            ("partitioned without secure", |c| {
                c.partitioned = true;
                c.secure = false;
            }),
            ("a name with a space", |c| c.name = Some("a b".into())),
            ("a path with a header in it", |c| {
                c.name = Some("sid".into());
                c.path = "/\r\nX: y".into();
            }),
            ("too long", |c| {
                c.name = Some("sid".into());
                c.path = format!("/{}", "a".repeat(4096));
            }),
        ];
        for (what, change) in wrong {
            assert_eq!(
                template(change).map(|_| ()).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{what}"
            );
        }
    }

    #[test]
    fn an_insecure_cookie_has_a_name_that_browsers_accept() {
        assert_eq!(template(|cookie| cookie.secure = false).unwrap().name(), "session");
    }
}
