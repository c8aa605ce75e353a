//! [`CsrfToken`]: what a form carries to show that a page of this session sent it (synchronizer token, as in OWASP's cheat sheet on
//! cross-site request forgery). When a secret ends with the session's id is [`session::changes`](crate::session)'s.
//!
//! Stored under [`NAME`], version 0: the postcard encoding of a list of secrets, 32 bytes each. A token is 32 random bytes, then a
//! secret XOR these, as 86 characters of base64url: each one looks different, so that a page that is compressed does not give the
//! secret away bit by bit (BREACH).

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ctutils::{Choice, CtEq};

use crate::error::{Error, ErrorKind, Result};
use crate::id::random_bytes;
use crate::key::Key;
use crate::session::{FromSession, Session};

/// The field of a form that carries a [`CsrfToken`].
pub const CSRF_FIELD: &str = "csrf_token";

/// The header that carries a [`CsrfToken`] where there is no form: in a `fetch` of the page's script.
pub const CSRF_HEADER: &str = "X-CSRF-Token";

/// The name that the secrets are stored under.
pub(crate) const NAME: &str = "_session.csrf";

const SECRETS: Key<Vec<Secret>> = Key::new(NAME);

type Secret = [u8; SECRET_LEN];

const SECRET_LEN: usize = 32;

/// Characters in a token.
const TOKEN_LEN: usize = 86;

/// There is one secret unless several requests were the first to ask at the same time: each has put one into a page, and all count.
const MOST_SECRETS: usize = 8;

const FORM: &str = "application/x-www-form-urlencoded";

/// A token for one form or page: shows the text of the hidden field named [`CSRF_FIELD`], or of the header [`CSRF_HEADER`].
///
/// It consists of letters, digits, `-` and `_`, so it needs no escaping. It is a secret of the visitor: it belongs into pages that are
/// shown to them, never into a URL. It is good for as long as the session keeps its id. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct CsrfToken(String);

impl Session {
    /// A token for a form; see [`verify_csrf`](Self::verify_csrf). Every call masks the session's secret anew, so tokens differ, and all
    /// of them are good.
    ///
    /// The secret is made when it is first asked for, and stored with the session, also for a visitor who had none. A
    /// [`login`](Self::login) or [`renew`](Self::renew) discards it: ask for a token after that, not before.
    ///
    /// Two tokens are never good, and the form is refused and has to be loaded again: the first one of a session in the page of a server
    /// error, because what such a request wanted stored is dropped; and what a ninth request got while eight others were the first to ask
    /// at the same time.
    ///
    /// ```
    /// # use session_core::{CSRF_FIELD, Error, Session};
    /// fn form(session: &Session) -> Result<String, Error> {
    ///     let token = session.csrf_token()?;
    ///     Ok(format!(r#"<form method="post"><input type="hidden" name="{CSRF_FIELD}" value="{token}"><button>Buy</button></form>"#))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ResponseSent`] if the response head is sent and no session is there that could keep the secret;
    /// [`ErrorKind::Unavailable`] if the operating system yields no randomness, and as [`update`](Self::update).
    pub fn csrf_token(&self) -> Result<CsrfToken> {
        let stored = self.get(SECRETS)?.and_then(|secrets| secrets.first().copied());
        let secret = match stored {
            Some(secret) => secret,
            None => {
                if self.state().is_too_late_to_begin() {
                    return Err(Error::new(
                        ErrorKind::ResponseSent,
                        "giving out a token against forgery: the response head is already sent, so the session it would belong to can never begin; ask for it before answering",
                    ));
                }
                let fresh = random_bytes()?;
                self.change(SECRETS, move |present| Some(with(present.unwrap_or_default(), fresh)))?;
                fresh
            }
        };
        Ok(CsrfToken(Base64UrlUnpadded::encode_string(&mask(secret)?)))
    }

    /// Checks a token that a request presents: one of this session's passes, and nothing else. An empty one stands for a missing one.
    ///
    /// Ask before a request changes anything. A request with a safe method (GET, HEAD, OPTIONS) changes nothing and needs no check. A
    /// visitor who never got a token is refused, and nothing is stored for them. The comparison takes the same time wherever a token is
    /// wrong.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Csrf`], status 403, unless the token is good; as [`get`](Self::get) if the stored secret is damaged.
    pub fn verify_csrf(&self, presented: impl AsRef<[u8]>) -> Result<()> {
        let presented = presented.as_ref();
        let secrets = self.get(SECRETS)?.unwrap_or_default();
        if presented.is_empty() {
            return Err(refused(
                "it carries no token; send one as a form's field or as a header",
            ));
        }
        if secrets.is_empty() {
            return Err(refused(
                "no token was given out since the session began or was renewed; ask for tokens after a login",
            ));
        }
        match unmask(presented) {
            Some(found) if is_any_of(&found, &secrets) => Ok(()),
            _ => Err(refused("its token is not one of this session")),
        }
    }

    /// Checks the token in the field [`CSRF_FIELD`] of a form as it came over the wire, and returns the form without that field. For
    /// adapters; `content_type` is the value of that header.
    ///
    /// If the field occurs several times, the first one counts, and none is returned. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    ///
    /// As [`verify_csrf`](Self::verify_csrf), and [`ErrorKind::ContentType`], status 415, unless the form is
    /// `application/x-www-form-urlencoded`.
    pub fn verify_csrf_form(&self, content_type: Option<&[u8]>, body: impl AsRef<[u8]>) -> Result<String> {
        if !content_type.is_some_and(is_form) {
            return Err(Error::new(
                ErrorKind::ContentType,
                format!(
                    "reading a form with a token against forgery: send it as {FORM}, or the token as header {CSRF_HEADER}"
                ),
            ));
        }
        let pairs = || body.as_ref().split(|byte| *byte == b'&');
        let field = pairs().map(halves).find(|(name, _)| is_field(name));
        let presented = field.map_or(&b""[..], |(_, value)| value);
        // One byte more than the longest way to write a token.
        self.verify_csrf(decoded(&presented[..presented.len().min(3 * TOKEN_LEN + 1)]))?;
        let others: Vec<&[u8]> = pairs().filter(|pair| !is_field(halves(pair).0)).collect();
        Ok(String::from_utf8_lossy(&others.join(&b'&')).into_owned())
    }
}

impl FromSession for CsrfToken {
    fn from_session(session: Session) -> Result<Self> {
        session.csrf_token()
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(…)")
    }
}

fn refused(reason: &str) -> Error {
    Error::new(
        ErrorKind::Csrf,
        format!("checking that a page of this site sent a request: {reason}"),
    )
}

/// Keeps what another request has put there first: its pages are out already.
fn with(mut secrets: Vec<Secret>, fresh: Secret) -> Vec<Secret> {
    if secrets.len() < MOST_SECRETS && !secrets.contains(&fresh) {
        secrets.push(fresh);
    }
    secrets
}

fn mask(secret: Secret) -> Result<[u8; 2 * SECRET_LEN]> {
    let pad: Secret = random_bytes()?;
    let mut masked = [0; 2 * SECRET_LEN];
    masked[..SECRET_LEN].copy_from_slice(&pad);
    masked[SECRET_LEN..].copy_from_slice(&xor(&pad, &secret));
    Ok(masked)
}

fn unmask(token: &[u8]) -> Option<Secret> {
    if token.len() != TOKEN_LEN {
        return None;
    }
    let mut masked = [0; 2 * SECRET_LEN];
    Base64UrlUnpadded::decode(token, &mut masked).ok()?;
    let (pad, hidden) = masked.split_first_chunk::<SECRET_LEN>()?;
    Some(xor(pad, hidden.first_chunk()?))
}

fn xor(one: &Secret, other: &Secret) -> Secret {
    std::array::from_fn(|index| one[index] ^ other[index])
}

/// Looks at all secrets, in constant time.
fn is_any_of(found: &Secret, secrets: &[Secret]) -> bool {
    let equal = secrets
        .iter()
        .fold(Choice::FALSE, |equal, secret| equal.or(found.ct_eq(secret)));
    equal.to_bool()
}

fn is_form(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// A pair of a form, at its first `=`.
fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(position) => (&pair[..position], &pair[position + 1..]),
        None => (pair, b""),
    }
}

fn is_field(name: &[u8]) -> bool {
    (CSRF_FIELD.len()..=3 * CSRF_FIELD.len()).contains(&name.len()) && decoded(name) == CSRF_FIELD.as_bytes()
}

/// Without the encoding of forms: `+` for a space, `%` and two hexadecimal digits for any byte (WHATWG URL Standard §5.1).
fn decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        (bytes, text) = match (first, rest) {
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(16 * digit(*high) + digit(*low));
                (bytes, behind)
            }
            (b'+', _) => {
                bytes.push(b' ');
                (bytes, rest)
            }
            (byte, _) => {
                bytes.push(*byte);
                (bytes, rest)
            }
        };
    }
    bytes
}

/// The value of a hexadecimal digit.
fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::SigningKeys;
    use crate::engine::Engine;
    use crate::key::RESERVED_PREFIX;
    use crate::session::state::Base;
    use crate::store::MemoryStore;
    use proptest::prelude::*;

    /// A session that is not stored, as a new visitor has it.
    fn session() -> Session {
        let engine = Engine::new(MemoryStore::new(), SigningKeys::generate().unwrap());
        crate::session::Slot::new(engine).fill(Base::Fresh).0
    }

    fn kind(result: Result<()>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn tokens_of_one_session_differ_and_all_are_good() {
        let session = session();
        let tokens = [(); 3].map(|()| session.csrf_token().unwrap().to_string());
        assert_ne!(tokens[0], tokens[1]);
        assert_ne!(tokens[1][..43], tokens[2][..43], "the pad");
        assert_ne!(tokens[1][44..], tokens[2][44..], "the masked secret");
        for token in tokens {
            assert_eq!(token.len(), TOKEN_LEN);
            session.verify_csrf(token).unwrap();
        }
    }

    #[test]
    fn a_token_of_another_session_is_refused() {
        let (one, two) = (session(), session());
        one.csrf_token().unwrap();
        let foreign = two.csrf_token().unwrap().to_string();
        assert_eq!(kind(one.verify_csrf(foreign)), ErrorKind::Csrf);
    }

    #[test]
    fn a_visitor_without_a_secret_is_refused_and_nothing_is_wanted_for_them() {
        let visitor = session();
        let zeroes = Base64UrlUnpadded::encode_string(&[0; 64]);
        for token in [String::new(), zeroes, session().csrf_token().unwrap().to_string()] {
            assert_eq!(kind(visitor.verify_csrf(token)), ErrorKind::Csrf);
        }
        assert!(visitor.state().names().is_empty());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let session = session();
        let token = session.csrf_token().unwrap().to_string().into_bytes();
        for position in 0..token.len() {
            let mut forged = token.clone();
            forged[position] = if forged[position] == b'A' { b'Q' } else { b'A' };
            assert_eq!(
                kind(session.verify_csrf(forged)),
                ErrorKind::Csrf,
                "character {position}"
            );
        }
    }

    #[test]
    fn a_renewal_or_a_login_discards_the_secret_and_a_later_token_is_good() {
        let renew: fn(&Session) = Session::renew;
        let login: fn(&Session) = |session| session.login("alice").unwrap();
        for new_id in [renew, login] {
            let session = session();
            let before = session.csrf_token().unwrap().to_string();
            new_id(&session);
            assert_eq!(kind(session.verify_csrf(&before)), ErrorKind::Csrf);
            let after = session.csrf_token().unwrap().to_string();
            session.verify_csrf(after).unwrap();
            assert_eq!(kind(session.verify_csrf(before)), ErrorKind::Csrf);
        }
    }

    #[test]
    fn secrets_that_were_made_at_the_same_time_all_count_up_to_a_limit() {
        let secrets = (0..20).fold(Vec::new(), |secrets, byte| with(secrets, [byte; 32]));
        assert_eq!(secrets.len(), MOST_SECRETS);
        assert!(is_any_of(&[0; 32], &secrets) && is_any_of(&[7; 32], &secrets));
        assert!(!is_any_of(&[8; 32], &secrets));
        assert_eq!(with(vec![[1; 32]], [1; 32]).len(), 1, "the same one again");
    }

    #[test]
    fn a_damaged_secret_is_an_error_and_no_pass() {
        let session = session();
        session
            .change(NAME, |_: Option<String>| Some("damaged".to_owned()))
            .unwrap();
        assert_eq!(kind(session.verify_csrf("A".repeat(86))), ErrorKind::Value);
        assert_eq!(session.csrf_token().unwrap_err().kind(), ErrorKind::Value);
    }

    #[test]
    fn a_form_is_returned_without_its_token() {
        let session = session();
        let token = session.csrf_token().unwrap();
        let form = Some(b"Application/X-WWW-form-urlencoded; charset=UTF-8".as_slice());
        let escaped: String = token.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (body, rest) in [
            (format!("csrf_token={token}"), ""),
            (format!("a=1&csrf_token={token}&b=%26+x"), "a=1&b=%26+x"),
            (format!("a&&csrf%5Ftoken={escaped}&a=2"), "a&&a=2"),
            (format!("csrf_token={token}&csrf_token=other"), ""),
        ] {
            assert_eq!(session.verify_csrf_form(form, &body).unwrap(), rest, "{body}");
        }
        for body in [
            "",
            "a=1",
            "csrf_token",
            "csrf_token=",
            &format!("csrf_token=x&csrf_token={token}"),
            &format!("csrf_token={escaped}A"),
        ] {
            let refused = session.verify_csrf_form(form, body).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Csrf, "{body}");
        }
    }

    #[test]
    fn a_form_of_another_content_type_is_refused() {
        let session = session();
        let body = format!("csrf_token={}", session.csrf_token().unwrap());
        for content_type in [None, Some("text/plain"), Some("multipart/form-data; boundary=x")] {
            let refused = session.verify_csrf_form(content_type.map(str::as_bytes), &body);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::ContentType);
        }
    }

    #[test]
    fn no_token_and_no_secret_is_shown() {
        let session = session();
        let token = session.csrf_token().unwrap();
        let error = session.verify_csrf(&token.to_string()[..85]).unwrap_err();
        let shown = format!("{token:?} {error} {error:?} {session:?}");
        assert!(shown.starts_with("CsrfToken(…)"));
        for part in token.to_string().as_bytes().chunks(8) {
            assert!(!shown.contains(&String::from_utf8_lossy(part).into_owned()), "{shown}");
        }
    }

    #[test]
    fn the_secrets_are_stored_as_the_module_says() {
        assert!(NAME.starts_with(RESERVED_PREFIX));
        let stored = postcard::to_stdvec(&vec![[7_u8; 32], [9; 32]]).unwrap();
        assert_eq!(stored, [vec![2], vec![7; 32], vec![9; 32]].concat());
    }

    proptest! {
        #[test]
        fn no_input_is_taken_for_a_token_or_panics(
            presented in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[A-Za-z0-9_-]{86}".prop_map(String::into_bytes),
            ],
        ) {
            let secrets = [[0xA5; 32], [0x5A; 32]];
            prop_assert!(!unmask(&presented).is_some_and(|found| is_any_of(&found, &secrets)));
        }

        #[test]
        fn no_form_passes_without_a_token_or_panics(body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "((csrf_token|csrf%5ftoken|a|%|%4)=?[A-Za-z0-9_%+-]{0,90}&?){0,6}".prop_map(String::into_bytes),
        ]) {
            let session = session();
            session.csrf_token().unwrap();
            let refused = session.verify_csrf_form(Some(FORM.as_bytes()), body).map(|_| ());
            prop_assert_eq!(kind(refused), ErrorKind::Csrf);
        }

        #[test]
        fn a_token_is_good_whatever_the_secret(secret in any::<Secret>()) {
            let token = Base64UrlUnpadded::encode_string(&mask(secret).unwrap());
            prop_assert_eq!(unmask(token.as_bytes()), Some(secret));
        }
    }
}
