//! Whether the time that a rejection takes tells how much of a MAC was right. Timing is mostly noise: so samples of all kinds are taken
//! in turns, only the quicker half of each kind counts, and a verification that does leak is measured beside ours. The leak must be
//! found, and ours must stay far below it; noise may spoil a run, but not one run after the other.

use std::hint::black_box;
use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::Mac;

use super::seal::TOKEN_LEN;
use super::{SigningKey, SigningKeys};
use crate::id::SessionId;

const SAMPLES: usize = 4000;
const RUNS: usize = 20;

/// What a careless implementation does: it stops at the first byte that differs.
fn verify_carelessly(key: &SigningKey, token: &[u8]) -> bool {
    let mut bytes = [0; TOKEN_LEN / 4 * 3];
    if Base64UrlUnpadded::decode(token, &mut bytes).is_err() {
        return false;
    }
    let (id, mac) = bytes.split_at(SessionId::LEN);
    let right = key.mac().chain_update(b"session token v1\0").chain_update(id);
    let right = right.finalize().into_bytes();
    mac.iter().zip(right).all(|(one, other)| *black_box(one) == other)
}

/// Mean of the quicker half.
fn typical(mut samples: Vec<u64>) -> f64 {
    samples.sort_unstable();
    samples.truncate(samples.len() / 2);
    samples.iter().sum::<u64>() as f64 / samples.len() as f64
}

/// By how many nanoseconds the second token takes longer than the first, for ours and for the careless verification.
fn differences(keys: &SigningKeys, key: &SigningKey, tokens: [&[u8]; 2]) -> [f64; 2] {
    let mut samples = [const { Vec::new() }; 4];
    let mut token = [0; TOKEN_LEN];
    for turn in 0..4 * SAMPLES {
        // Another order in each round, so that no kind always follows the same one.
        let kind = (turn + turn / 4) % 4;
        token.copy_from_slice(tokens[kind % 2]);
        let started = Instant::now();
        let accepted = match kind / 2 {
            0 => keys.verify(black_box(&token)).is_some(),
            _ => verify_carelessly(key, black_box(&token)),
        };
        let took = started.elapsed().as_nanos();
        assert!(!accepted);
        samples[kind].push(u64::try_from(took).unwrap_or(u64::MAX));
    }
    let [ours_first, ours_second, theirs_first, theirs_second] = samples.map(typical);
    [ours_second - ours_first, theirs_second - theirs_first]
}

#[test]
fn the_time_of_a_rejection_does_not_tell_how_much_of_the_mac_was_right() {
    let key = SigningKey::from_bytes(&[1; 32]).unwrap();
    let keys = SigningKeys::new(key.clone());
    let token = keys.sign(&SessionId::generate().unwrap());
    let bytes = Base64UrlUnpadded::decode_vec(&token).unwrap();
    let wrong_at = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[SessionId::LEN + place] ^= 1;
        Base64UrlUnpadded::encode_string(&bytes).into_bytes()
    };
    let (first, last) = (wrong_at(0), wrong_at(23));
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        let [ours, careless] = differences(&keys, &key, [&first, &last]);
        if careless > 0.0 && ours.abs() < careless / 3.0 {
            return;
        }
        seen.push((ours, careless));
    }
    panic!("a MAC that is right to its last byte is rejected later than one that is wrong at once, in ns: {seen:?}");
}
