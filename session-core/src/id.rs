//! The three names of a session: [`SessionId`] (secret, known to the browser alone), [`StoreKey`] (its hash, known to the store)
//! and [`Handle`] (public, to list and revoke by). All randomness of the library enters here.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::error::{Error, ErrorKind, Result};

/// The secret that names a session: 24 bytes (192 bits) from the operating system's generator.
///
/// OWASP ASVS 5.0 V7.2.3 asks for at least 128 bits. Only the browser keeps it, inside its token; a store sees
/// [`StoreKey`] (P1, P2). It has no `Display`, and `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// Bytes in an id.
    pub const LEN: usize = 24;

    /// A fresh id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the operating system yields no randomness.
    pub(crate) fn generate() -> Result<Self> {
        random_bytes().map(Self)
    }

    /// A fresh id and a fresh public name, from one draw: asking the operating system costs more than what it answers, and each bit is
    /// independent of all others.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate).
    pub(crate) fn generate_with_handle() -> Result<(Self, Handle)> {
        let mut drawn: [u8; Self::LEN + Handle::LEN] = random_bytes()?;
        let (mut id, mut handle) = ([0; Self::LEN], [0; Handle::LEN]);
        id.copy_from_slice(&drawn[..Self::LEN]);
        handle.copy_from_slice(&drawn[Self::LEN..]);
        drawn.zeroize();
        Ok((Self(id), Handle(handle)))
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The name under which a store keeps this session.
    pub(crate) fn store_key(&self) -> StoreKey {
        StoreKey(Sha256::digest(self.0).into())
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// The name of a session in a store: SHA-256 of its id.
///
/// The id cannot be computed from it, so a stolen database opens no session (P2). `Debug` shows the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey([u8; Self::LEN]);

impl StoreKey {
    /// Bytes in a store key.
    pub const LEN: usize = 32;

    /// From the bytes that a store has kept.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store under.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "StoreKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The public name of a session: 15 random bytes, shown as 20 characters of base64url.
///
/// It is safe in a page, a URL or a log: it opens nothing, and it revokes only together with the owner it belongs to. It stays
/// the same when the session is renewed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle([u8; Self::LEN]);

impl Handle {
    /// Bytes in a handle.
    pub const LEN: usize = 15;

    pub(crate) fn generate() -> Result<Self> {
        random_bytes().map(Self)
    }

    /// From the bytes that a store has kept in its owner index.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, for an owner index.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 20];
        f.pad(Base64UrlUnpadded::encode(&self.0, &mut text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

impl FromStr for Handle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; Self::LEN];
        match Base64UrlUnpadded::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == Self::LEN => Ok(Self(bytes)),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                "reading a session handle: it has 20 characters of base64url",
            )),
        }
    }
}

/// As text where people read it (JSON, a URL's path), as its bytes elsewhere.
impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(Self)
        }
    }
}

/// Who is signed in: the application's own name for a user, at most 255 bytes.
///
/// A store indexes it by hash; it is kept in the record itself, so use an account id rather than an e-mail address. `Debug` does not show
/// it, so that nobody's name gets into a log by accident; `Display` does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(std::sync::Arc<str>);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(…)")
    }
}

impl Owner {
    /// The most bytes an owner may have.
    pub const MAX_LEN: usize = 255;

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is empty, [`ErrorKind::TooLarge`] if it has more than [`MAX_LEN`](Self::MAX_LEN) bytes.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "naming a session's owner: the name is empty",
            ));
        }
        if name.len() > Self::MAX_LEN {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "naming a session's owner: {} bytes, at most {} are allowed",
                    name.len(),
                    Self::MAX_LEN
                ),
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the name: the key of an owner index, of one length for every owner.
    pub fn index_key(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl AsRef<str> for Owner {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Owner {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            "drawing random bytes from the operating system: check that getrandom is allowed in this sandbox",
        )
        .with_source(error)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_key_is_the_hash_of_its_id() {
        let key = SessionId::from_bytes([0; 24]).store_key();
        // sha256 of 24 zero bytes, by coreutils
        let expected = "9d908ecfb6b256def8b49a7c504e6c889c4b0e41fe6ce3e01863dd7b61a20aa0";
        let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn debug_shows_nothing_of_an_id() {
        let id = SessionId::from_bytes(*b"abcdefghijklmnopqrstuvwx");
        assert_eq!(format!("{id:?}"), "SessionId(…)");
    }

    #[test]
    fn a_handle_survives_its_text() {
        let handle = Handle::generate().unwrap();
        assert_eq!(handle.to_string().len(), 20);
        assert_eq!(handle.to_string().parse::<Handle>().unwrap(), handle);
    }

    #[test]
    fn a_handle_is_text_for_people_and_bytes_for_machines() {
        let handle = Handle::from_bytes([7; 15]);
        assert_eq!(postcard::to_stdvec(&handle).unwrap(), [7; 15]);
        let json = serde_json::to_string(&handle).unwrap();
        assert_eq!(json, format!("\"{handle}\""));
        assert_eq!(serde_json::from_str::<Handle>(&json).unwrap(), handle);
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for text in [
            "",
            "abc",
            "!!!!!!!!!!!!!!!!!!!!",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(text.parse::<Handle>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn an_owner_has_a_length_limit() {
        assert!(Owner::new("a".repeat(255)).is_ok());
        assert_eq!(Owner::new("a".repeat(256)).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(Owner::new("").unwrap_err().kind(), ErrorKind::Invalid);
    }
}
