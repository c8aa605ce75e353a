//! Signs an id into a token and verifies tokens: 24 random bytes, 24 bytes of HMAC-SHA256, base64url, 64 characters (P1).
//! A token that fails costs no store access (P3). Which cookies are tried is [`parse`](super::parse)'s business.

use hmac::Mac;
use zeroize::Zeroizing;

use super::{SigningKeys, base64url};
use crate::id::SessionId;

/// Characters in a token.
pub(crate) const TOKEN_LEN: usize = base64url::ENCODED;

const MAC_LEN: usize = 24;

/// Keeps these MACs apart from any other use of the same key.
const PURPOSE: &[u8] = b"session token v1\0";

/// A token whose MAC is right.
pub(crate) struct Verified {
    pub(crate) id: SessionId,
    pub(crate) standing: Standing,
}

/// Which key a token was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The signing key.
    Current,
    /// A verifying one: the token is to be issued again.
    OldKey,
}

impl SigningKeys {
    /// The token of an id, under the signing key.
    pub(crate) fn sign(&self, id: &SessionId) -> String {
        let mac = self
            .signing()
            .mac()
            .chain_update(PURPOSE)
            .chain_update(id.as_bytes())
            .finalize()
            .into_bytes();
        let mut token = Zeroizing::new([0; base64url::DECODED]);
        token[..SessionId::LEN].copy_from_slice(id.as_bytes());
        token[SessionId::LEN..].copy_from_slice(&mac[..MAC_LEN]);
        base64url::encode(&token)
    }

    /// The id in a token, if any key of the ring has signed it. The MAC is compared in constant time.
    pub(crate) fn verify(&self, token: &[u8]) -> Option<Verified> {
        let bytes = base64url::decode(token.try_into().ok()?)?;
        let (id, mac) = bytes.split_first_chunk::<{ SessionId::LEN }>()?;
        let old = self.verifying().iter().map(|key| (key, Standing::OldKey));
        std::iter::once((self.signing(), Standing::Current))
            .chain(old)
            .find(|(key, _)| {
                key.mac()
                    .chain_update(PURPOSE)
                    .chain_update(id)
                    .verify_truncated_left(mac)
                    .is_ok()
            })
            .map(|(_, standing)| Verified {
                id: SessionId::from_bytes(*id),
                standing,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::SigningKey;
    use proptest::prelude::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_token_is_64_characters_of_base64url() {
        let token = SigningKeys::new(key(1)).sign(&SessionId::generate().unwrap());
        assert_eq!(token.len(), TOKEN_LEN);
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
    }

    #[test]
    fn a_token_is_what_the_specification_says() {
        // python: hmac.new(bytes([1])*32, b"session token v1\0" + bytes(range(24)), "sha256").digest()[:24]
        let id: [u8; 24] = std::array::from_fn(|index| index as u8);
        let token = SigningKeys::new(key(1)).sign(&SessionId::from_bytes(id));
        assert_eq!(token, EXPECTED);
    }

    const EXPECTED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXw1gdiijI9oF1jW9pM475vdmu709Q3NeB";

    #[test]
    fn every_changed_character_is_noticed() {
        let keys = SigningKeys::new(key(1));
        let token = keys.sign(&SessionId::generate().unwrap()).into_bytes();
        assert!(keys.verify(&token).is_some());
        for position in 0..token.len() {
            let mut forged = token.clone();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            assert!(keys.verify(&forged).is_none(), "character {position}");
        }
    }

    #[test]
    fn a_token_under_an_older_key_is_accepted_and_told_apart() {
        let token = SigningKeys::new(key(1)).sign(&SessionId::generate().unwrap());
        let rotated = SigningKeys::new(key(2)).and_verify(key(3)).and_verify(key(1));
        assert_eq!(
            rotated.verify(token.as_bytes()).map(|verified| verified.standing),
            Some(Standing::OldKey)
        );
        assert!(SigningKeys::new(key(2)).verify(token.as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_verify_by_chance_or_panic(token in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(SigningKeys::new(key(1)).verify(&token).is_none());
        }
    }
}
