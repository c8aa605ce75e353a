//! [`Values`]: what a session holds, as one shared run of bytes. Reading one value walks over the others without decoding them;
//! decoding is the caller's. Merging changes into it lives in [`session::changes`](crate::session).

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::Serializer;

/// The values of one record: entries sorted by name, each encoded on its own.
///
/// Layout: for every entry the postcard encoding of `(name: str, version: u16, bytes: [u8])`, one after the other.
#[derive(Clone)]
pub struct Values {
    // Well-formed: every entry decodes, names ascend and none occurs twice.
    encoded: Arc<[u8]>,
}

/// One value as it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredValue<'a> {
    /// The version of the key it was stored under.
    pub version: u16,
    /// The postcard encoding of the value.
    pub bytes: &'a [u8],
}

/// As one run of bytes. A slice is a sequence of numbers to serde, written one by one: the same bytes, twenty times slower.
pub(super) fn at_once<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// One entry, not decoded further than needed to step over it.
pub(crate) struct StoredEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: StoredValue<'a>,
    /// All of it.
    encoded: &'a [u8],
}

/// Puts [`Values`] together, without a serializer: a commit goes through here.
pub(crate) struct ValuesWriter(Vec<u8>);

impl ValuesWriter {
    /// The names must ascend.
    pub(crate) fn push(&mut self, name: &str, value: StoredValue<'_>) {
        self.push_run(name.as_bytes());
        self.push_varint(usize::from(value.version));
        self.push_run(value.bytes);
    }

    /// As it stands in other values.
    pub(crate) fn copy(&mut self, entry: &StoredEntry<'_>) {
        self.0.extend_from_slice(entry.encoded);
    }

    pub(crate) fn finish(self) -> Values {
        Values { encoded: self.0.into() }
    }

    fn push_run(&mut self, bytes: &[u8]) {
        self.push_varint(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn push_varint(&mut self, mut number: usize) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

impl Values {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<StoredValue<'_>> {
        let mut entries = self.entries();
        let found = entries.find(|entry| entry.name >= name.as_bytes())?;
        (found.name == name.as_bytes()).then_some(found.value)
    }

    /// The entries, in the order of their names' bytes. Stepping over one by its lengths is a third of what decoding costs, and a request
    /// does that for each value it reads or leaves as it is.
    pub(crate) fn entries(&self) -> impl Iterator<Item = StoredEntry<'_>> {
        let mut rest: &[u8] = &self.encoded;
        std::iter::from_fn(move || {
            let whole = rest;
            let (name, behind) = run(whole)?;
            let (version, behind) = varint(behind)?;
            let (bytes, behind) = run(behind)?;
            rest = behind;
            Some(StoredEntry {
                name,
                value: StoredValue {
                    version: u16::try_from(version).ok()?,
                    bytes,
                },
                encoded: &whole[..whole.len() - behind.len()],
            })
        })
    }

    /// Names and values, in the order of the names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, StoredValue<'_>)> {
        self.entries()
            .map_while(|entry| Some((std::str::from_utf8(entry.name).ok()?, entry.value)))
    }

    /// Of a record that holds nothing. All share it: an empty slice behind an [`Arc`] is an allocation, too.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<Values> = LazyLock::new(|| Values { encoded: Arc::new([]) });
        &NONE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// Bytes of all entries together.
    pub fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// From entries whose names ascend.
    pub(crate) fn from_sorted<'a>(entries: impl IntoIterator<Item = (&'a str, StoredValue<'a>)>) -> Self {
        let mut writer = Self::writer(0);
        for (name, value) in entries {
            writer.push(name, value);
        }
        writer.finish()
    }

    /// For values that take about so many bytes.
    pub(crate) fn writer(bytes: usize) -> ValuesWriter {
        ValuesWriter(Vec::with_capacity(bytes))
    }

    /// From stored bytes; `None` unless they are well-formed.
    pub(super) fn parse(encoded: &[u8]) -> Option<Self> {
        let mut rest = encoded;
        let mut previous: Option<&str> = None;
        while !rest.is_empty() {
            let ((name, _, _), behind) = postcard::take_from_bytes::<(&str, u16, &[u8])>(rest).ok()?;
            if previous.is_some_and(|previous| previous >= name) {
                return None;
            }
            previous = Some(name);
            rest = behind;
        }
        Some(Self {
            encoded: encoded.into(),
        })
    }
}

/// Bytes behind their length.
fn run(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = varint(bytes)?;
    behind.split_at_checked(length)
}

/// A number, seven bits a byte, the low ones first. Almost all of them are small.
#[inline]
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [number @ ..=0x7f, behind @ ..] => Some((usize::from(*number), behind)),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        number |= usize::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

impl Default for Values {
    fn default() -> Self {
        Self::none().clone()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(name, value)| (name, format!("{} bytes", value.bytes.len()))),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> StoredValue<'_> {
        StoredValue { version: 3, bytes }
    }

    #[test]
    fn each_value_is_found_by_its_name() {
        let values = Values::from_sorted([("a", value(b"1")), ("b", value(b"22")), ("d", value(b""))]);
        assert_eq!(values.get("b").map(|found| found.bytes), Some(b"22".as_slice()));
        assert_eq!(values.get("d").map(|found| found.version), Some(3));
        assert!(values.get("c").is_none());
        assert!(values.get("").is_none());
    }

    #[test]
    fn a_value_is_found_behind_long_ones() {
        let (long, longer) = (vec![7; 300], vec![8; 20_000]);
        let name = "n".repeat(200);
        let values = Values::from_sorted([
            ("a", value(&long)),
            (
                "b",
                StoredValue {
                    version: u16::MAX,
                    bytes: &longer,
                },
            ),
            (name.as_str(), value(b"1")),
        ]);
        for (name, expected) in values.iter() {
            assert!(values.get(name) == Some(expected), "{name}");
        }
        assert_eq!(values.get(&name).map(|found| found.bytes), Some(b"1".as_slice()));
    }

    #[test]
    fn lengths_are_written_as_postcard_does() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let bytes = vec![7; length];
            let written = Values::from_sorted([("a", value(&bytes))]);
            let expected = postcard::to_stdvec(&("a", 3_u16, &bytes)).unwrap();
            assert!(written.as_bytes() == expected, "{length}");
        }
    }

    #[test]
    fn only_values_without_an_entry_are_empty() {
        assert!(Values::default().is_empty());
        assert!(!Values::from_sorted([("a", value(b""))]).is_empty());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = Values::from_sorted([("a", value(b"1")), ("b", value(b"22"))]);
        assert!(Values::parse(good.as_bytes()).is_some());
        assert!(Values::parse(&good.as_bytes()[..good.encoded_len() - 1]).is_none());
    }

    #[test]
    fn names_that_do_not_ascend_are_refused() {
        for names in [["b", "a"], ["a", "a"]] {
            let wrong = Values::from_sorted(names.map(|name| (name, value(b"1"))));
            assert!(Values::parse(wrong.as_bytes()).is_none());
        }
    }
}
