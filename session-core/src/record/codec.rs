//! The bytes of a record: one mark, one version, the postcard of [`RecordV1`], a checksum. `docs/record-format.md` is the
//! specification; what a released version wrote stays readable (P16).

use serde::{Deserialize, Serialize};

use super::{Persistence, Record, Values};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Handle, Owner};
use crate::lifetime::Lifetime;

/// The version of the record format that this release writes.
pub const FORMAT_VERSION: u8 = 1;

/// The first byte of every record: what is stored under our keys by somebody else is told apart at once.
const MARK: u8 = b'S';
const HEAD: usize = 2;
const CHECKSUM: usize = 4;

/// Field order is the format. Never reorder, never remove: a change is a new version.
#[derive(Serialize, Deserialize)]
struct RecordV1<'a> {
    handle: Handle,
    revision: u64,
    created_at: Timestamp,
    authenticated_at: Option<Timestamp>,
    seen_at: Timestamp,
    lifetime: Lifetime,
    remembered: bool,
    #[serde(borrow)]
    owner: Option<&'a str>,
    #[serde(borrow)]
    label: Option<&'a str>,
    #[serde(borrow, serialize_with = "super::values::at_once")]
    values: &'a [u8],
}

impl Record {
    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + self.values.encoded_len());
        bytes.extend([MARK, FORMAT_VERSION]);
        let record = RecordV1 {
            handle: self.handle,
            revision: self.revision,
            created_at: self.created_at,
            authenticated_at: self.authenticated_at,
            seen_at: self.seen_at,
            lifetime: self.lifetime,
            remembered: self.persistence == Persistence::Remembered,
            owner: self.owner().map(Owner::as_str),
            label: self.label(),
            values: self.values.as_bytes(),
        };
        let mut bytes = postcard::to_extend(&record, bytes)
            .expect("a Vec takes any record, and nothing in a record fails to serialize");
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, in this release or in an earlier one. Values are checked for form only; each is
    /// decoded when it is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnsupportedFormat`] if a newer release wrote it, [`ErrorKind::Corrupt`] if it is damaged or not a record.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (Some((body, checksum)), [mark, version, ..]) = (bytes.split_last_chunk::<CHECKSUM>(), bytes) else {
            return Err(corrupt("it is too short"));
        };
        if *mark != MARK {
            return Err(corrupt("it does not start with the mark of a record"));
        }
        if *version > FORMAT_VERSION {
            return Err(Error::new(
                ErrorKind::UnsupportedFormat,
                format!(
                    "reading a session record of format {version}: this release reads up to {FORMAT_VERSION}; run the release that wrote it, or a newer one"
                ),
            ));
        }
        if crc32fast::hash(body).to_le_bytes() != *checksum {
            return Err(corrupt("its checksum does not match"));
        }
        let body = body.get(HEAD..).ok_or_else(|| corrupt("it is too short"))?;
        match version {
            1 => RecordV1::decode(body),
            _ => Err(corrupt("its format version is 0, which no release ever wrote")),
        }
    }
}

impl RecordV1<'_> {
    fn decode(body: &[u8]) -> Result<Record> {
        let (record, rest) = postcard::take_from_bytes::<RecordV1<'_>>(body)
            .map_err(|error| corrupt("a field does not decode").with_source(error))?;
        if !rest.is_empty() {
            return Err(corrupt("bytes are left over behind it"));
        }
        if !record.lifetime.is_valid() {
            return Err(corrupt("its lifetime is out of bounds"));
        }
        let owner = record.owner.map(Owner::new).transpose();
        Ok(Record {
            handle: record.handle,
            revision: record.revision,
            created_at: record.created_at,
            authenticated_at: record.authenticated_at,
            seen_at: record.seen_at,
            lifetime: record.lifetime,
            persistence: if record.remembered {
                Persistence::Remembered
            } else {
                Persistence::Browser
            },
            owner: owner.map_err(|error| corrupt("its owner is out of bounds").with_source(error))?,
            label: record.label.map(Into::into),
            values: Values::parse(record.values).ok_or_else(|| corrupt("its values are malformed"))?,
        })
    }
}

fn corrupt(why: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("reading a session record: {why}; the store was changed from outside or its disk is failing"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::StoredValue;
    use super::*;
    use proptest::prelude::*;

    fn full() -> Record {
        let now = Timestamp::from_unix_millis(1_767_225_600_000);
        let mut record = Record::new(Handle::from_bytes([7; 15]), now, Lifetime::default());
        record.revision = 300;
        record.authenticated_at = Some(now);
        record.persistence = Persistence::Remembered;
        record.owner = Some(Owner::new("alice").unwrap());
        record.label = Some("Firefox on Linux".into());
        record.values = Values::from_sorted([
            (
                "cart",
                StoredValue {
                    version: 2,
                    bytes: &[1, 2, 3],
                },
            ),
            (
                "visits",
                StoredValue {
                    version: 0,
                    bytes: &[42],
                },
            ),
        ]);
        record
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let record = full();
        let read = Record::decode(&record.encode()).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.owner().map(Owner::as_str), Some("alice"));
        assert_eq!(
            read.values().get("visits").map(|value| value.bytes),
            Some([42].as_slice())
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = full().encode();
        for position in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[position / 8] ^= 1 << (position % 8);
            assert!(Record::decode(&bad).is_err(), "bit {position}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let good = full().encode();
        for length in 0..good.len() {
            assert!(Record::decode(&good[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        let mut bytes = full().encode();
        bytes[1] = FORMAT_VERSION + 1;
        assert_eq!(Record::decode(&bytes).unwrap_err().kind(), ErrorKind::UnsupportedFormat);
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(&bytes);
        }

        #[test]
        fn no_body_with_a_good_checksum_makes_decoding_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = vec![MARK, FORMAT_VERSION];
            bytes.extend(body);
            let checksum = crc32fast::hash(&bytes);
            bytes.extend(checksum.to_le_bytes());
            if let Ok(record) = Record::decode(&bytes) {
                let times = (record.expires_at().to_string(), record.authenticated_at().map(|at| at.to_string()));
                let _ = (times, format!("{record:?}"));
            }
        }
    }
}
