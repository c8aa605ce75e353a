//! [`Cursor`]: where an owner's list continues, and its text.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Handle;
use crate::record::Record;

/// A place in an owner's list: newest first, and by handle among those that began at the same time.
///
/// Its text has 31 characters that are safe in a URL. It is opaque: hand it back as it is. What it holds, a time and a handle, the
/// list shows as well, and nobody can open a session with it.
///
/// ```
/// use session_core::{Cursor, Handle, Timestamp};
///
/// let cursor = Cursor { created_at: Timestamp::default(), handle: Handle::from_bytes([7; 15]) };
/// assert_eq!(cursor.to_string().parse::<Cursor>()?, cursor);
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the last session of the page before began.
    pub created_at: Timestamp,
    /// Its handle.
    pub handle: Handle,
}

/// Bytes of a time, big-endian, and of a handle; and what they make in base64url without padding.
const TIME: usize = 8;
const BYTES: usize = TIME + Handle::LEN;
const TEXT: usize = 31;

impl Cursor {
    /// The place of this record.
    pub fn of(record: &Record) -> Self {
        Self {
            created_at: record.created_at(),
            handle: record.handle(),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, handle) = bytes.split_first_chunk::<TIME>()?;
        let millis = u64::from_be_bytes(*time);
        let created_at = Timestamp::from_unix_millis(millis);
        (created_at.unix_millis() == millis).then_some(Self {
            created_at,
            handle: Handle::from_bytes(handle.try_into().ok()?),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; BYTES];
        bytes[..TIME].copy_from_slice(&self.created_at.unix_millis().to_be_bytes());
        bytes[TIME..].copy_from_slice(self.handle.as_bytes());
        let mut text = [0; TEXT];
        f.pad(Base64UrlUnpadded::encode(&bytes, &mut text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no cursor.
    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; BYTES];
        let decoded = Base64UrlUnpadded::decode(text, &mut bytes).ok();
        decoded.and_then(Self::of_bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "reading the cursor of an owner's sessions: it has 31 characters of base64url; use what the page before answered",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cursor_is_refused() {
        // The last one is a time beyond the year 9999.
        for text in [
            "",
            "abc",
            &"A".repeat(30),
            &"A".repeat(32),
            &"!".repeat(31),
            &"_".repeat(30),
            &format!("{}w", "_".repeat(30)),
        ] {
            let error = text.parse::<Cursor>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(millis in any::<u64>(), handle in any::<[u8; Handle::LEN]>()) {
            let cursor = Cursor { created_at: Timestamp::from_unix_millis(millis), handle: Handle::from_bytes(handle) };
            prop_assert_eq!(cursor.to_string().len(), TEXT);
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
    }
}
