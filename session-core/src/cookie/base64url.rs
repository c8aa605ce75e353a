//! Base64url of exactly one token (RFC 4648 §5): 48 bytes, 64 characters. No table and no branch depends on what is in it, so neither
//! time nor cache tells anything about it, and the compiler works on sixteen characters at once.
//!
//! Ours because every request that carries a token pays for it: 2,120 instructions with `base64ct` 1.8, 410 so (callgrind, x86-64; reading
//! a session takes some 10,000 in all).

/// Bytes of an id and its MAC.
pub(super) const DECODED: usize = 48;
/// Characters of a token.
pub(super) const ENCODED: usize = 64;

/// `None` if a character is not of the alphabet. Each text stands for other bytes: no bits are left over.
pub(super) fn decode(text: &[u8; ENCODED]) -> Option<[u8; DECODED]> {
    let mut sextets = [0; ENCODED];
    let mut foreign = [0; ENCODED];
    // By index and into two arrays: the compiler does not vectorize it otherwise.
    for at in 0..ENCODED {
        let character = text[at];
        let upper = within(character, b'A', 26);
        let lower = within(character, b'a', 26);
        let digit = within(character, b'0', 10);
        let minus = within(character, b'-', 1);
        let underscore = within(character, b'_', 1);
        foreign[at] = !(upper | lower | digit | minus | underscore);
        sextets[at] = (upper & character.wrapping_sub(b'A'))
            | (lower & character.wrapping_sub(b'a' - 26))
            | (digit & character.wrapping_add(52 - b'0'))
            | (minus & 62)
            | (underscore & 63);
    }
    let mut bytes = [0; DECODED];
    for (six, eight) in bytes.as_chunks_mut::<6>().0.iter_mut().zip(sextets.as_chunks::<8>().0) {
        // Eight times 6 bits move together: first in pairs, then in fours, then all.
        let all = u64::from_be_bytes(*eight);
        let all = (all >> 2 & 0x0fc0_0fc0_0fc0_0fc0) | (all & 0x003f_003f_003f_003f);
        let all = (all >> 4 & 0x00ff_f000_00ff_f000) | (all & 0x0000_0fff_0000_0fff);
        let all = (all >> 8 & 0x0000_ffff_ff00_0000) | (all & 0x00ff_ffff);
        six.copy_from_slice(&all.to_be_bytes()[2..]);
    }
    let any_foreign = foreign.iter().fold(0, |any, one| any | one);
    (any_foreign == 0).then_some(bytes)
}

pub(super) fn encode(bytes: &[u8; DECODED]) -> String {
    let mut sextets = [0; ENCODED];
    for (four, three) in sextets.as_chunks_mut::<4>().0.iter_mut().zip(bytes.as_chunks::<3>().0) {
        *four = [
            three[0] >> 2,
            (three[0] << 4 | three[1] >> 4) & 63,
            (three[1] << 2 | three[2] >> 6) & 63,
            three[2] & 63,
        ];
    }
    for sextet in &mut sextets {
        let value = *sextet;
        *sextet = (within(value, 0, 26) & value.wrapping_add(b'A'))
            | (within(value, 26, 26) & value.wrapping_add(b'a' - 26))
            | (within(value, 52, 10) & value.wrapping_sub(52 - b'0'))
            | (within(value, 62, 1) & b'-')
            | (within(value, 63, 1) & b'_');
    }
    String::from_utf8(sextets.to_vec()).expect("the alphabet is ASCII")
}

/// All bits set if `byte` is one of the `many` from `first` on, none otherwise.
fn within(byte: u8, first: u8, many: u8) -> u8 {
    u8::from(byte.wrapping_sub(first) < many).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_character_at_every_place_is_read_as_base64ct_does() {
        for place in 0..ENCODED {
            for character in 0..=u8::MAX {
                let mut text = [b'A'; ENCODED];
                text[place] = character;
                let mut expected = [0; DECODED];
                let known = Base64UrlUnpadded::decode(text, &mut expected).is_ok();
                assert_eq!(decode(&text), known.then_some(expected), "{character} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_are_written_as_base64ct_does_and_read_again(bytes in any::<[u8; 24]>(), more in any::<[u8; 24]>()) {
            let bytes: [u8; DECODED] = std::array::from_fn(|at| if at < 24 { bytes[at] } else { more[at - 24] });
            let text = encode(&bytes);
            prop_assert_eq!(&text, &Base64UrlUnpadded::encode_string(&bytes));
            prop_assert_eq!(text.as_bytes().try_into().ok().and_then(decode), Some(bytes));
        }
    }
}
