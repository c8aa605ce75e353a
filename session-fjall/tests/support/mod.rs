//! Sample records, put together from the bytes that `docs/record-format.md` specifies, and a block on futures.
#![allow(dead_code, unreachable_pub)]

use session_core::{Handle, Record, StoreKey, Timestamp};

/// What the record is to hold; the rest is fixed.
#[derive(Clone)]
pub struct Sample {
    pub handle: [u8; 15],
    pub revision: u64,
    pub created_at: u64,
    pub seen_at: u64,
    pub idle: Option<u64>,
    pub absolute: Option<u64>,
    pub owner: Option<String>,
    pub label: Option<String>,
    /// Bytes in its one value.
    pub payload: usize,
    /// What it holds instead of a payload.
    pub text: Option<String>,
}

/// 2026-01-01T00:00:00Z.
pub const START: u64 = 1_767_225_600_000;
pub const SECOND: u64 = 1000;
pub const HOUR: u64 = 3600 * SECOND;

pub fn sample(number: u64) -> Sample {
    let mut handle = [0; 15];
    handle[..8].copy_from_slice(&number.to_be_bytes());
    Sample {
        handle,
        revision: 1,
        created_at: START,
        seen_at: START,
        idle: Some(HOUR),
        absolute: Some(24 * HOUR),
        owner: None,
        label: None,
        payload: 20,
        text: None,
    }
}

impl Sample {
    pub fn owner(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    pub fn record(&self) -> Record {
        let mut bytes = vec![b'S', 1];
        bytes.extend(self.handle);
        varint(&mut bytes, self.revision);
        varint(&mut bytes, self.created_at);
        bytes.push(0); // authenticated_at
        varint(&mut bytes, self.seen_at);
        option(&mut bytes, self.idle);
        option(&mut bytes, self.absolute);
        bytes.push(0); // remembered
        for name in [&self.owner, &self.label] {
            bytes.push(u8::from(name.is_some()));
            if let Some(name) = name {
                run(&mut bytes, name.as_bytes());
            }
        }
        let mut values = Vec::new();
        run(&mut values, b"value");
        varint(&mut values, 0);
        let payload = match &self.text {
            Some(text) => text.as_bytes().to_vec(),
            None => (0..self.payload).map(|at| (at as u8) ^ self.handle[7]).collect(),
        };
        run(&mut values, &payload);
        run(&mut bytes, &values);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        Record::decode(&bytes).expect("the bytes follow the record format")
    }

    pub fn handle(&self) -> Handle {
        Handle::from_bytes(self.handle)
    }
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn option(bytes: &mut Vec<u8>, number: Option<u64>) {
    bytes.push(u8::from(number.is_some()));
    if let Some(number) = number {
        varint(bytes, number);
    }
}

fn run(bytes: &mut Vec<u8>, content: &[u8]) {
    varint(bytes, content.len() as u64);
    bytes.extend(content);
}

/// A key that looks like a hash: spread evenly, the same for the same number.
pub fn key(number: u64) -> StoreKey {
    let mut bytes = [0; 32];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for chunk in bytes.chunks_mut(8) {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    StoreKey::from_bytes(bytes)
}

pub fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}
