//! [`Inventory`]: everything that a store holds, page by page, and the end of all of it. For operators; no request needs it.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::{Error, ErrorKind, Result};
use crate::id::StoreKey;
use crate::record::Record;

/// Walks over everything that is stored, and ends it.
///
/// A store that keeps its records in the order of their keys offers it with a few lines. A store that cannot answers `None` from
/// [`Store::inventory`](crate::Store::inventory), and applications learn so from
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
///
/// Errors and cancellation are as for [`Store`](crate::Store).
#[async_trait]
pub trait Inventory: Send + Sync {
    /// One page of what is stored, in the order of store keys, starting behind `after`; at most `limit` entries, at least 1.
    ///
    /// Behaviour: what has expired is shown until it is swept, so that operators see it; ask
    /// [`Record::is_expired`](crate::Record::is_expired). Records come with their latest sighting. The work of a page is bounded by
    /// `limit`. Stable under concurrent change: a session that is stored throughout the walk under one key is on exactly one page.
    /// One that is renewed or ends meanwhile is on one page or on none; if it is renewed, it may also be on two, under two keys.
    async fn page(&self, after: Option<StoreKey>, limit: usize) -> Result<InventoryPage>;

    /// Ends every session: everybody is signed out. Answers how many records it removed, expired ones included. Durable.
    ///
    /// Behaviour: from the moment it answers, nothing that was stored when it was called loads (P11), also not under another key that
    /// it was renewed to meanwhile; and no login that began before it was called succeeds afterwards (P12). A session that begins
    /// meanwhile may be ended or may stay. Works in bounded batches, so that other operations get in between.
    ///
    /// Cancellation: what was ended stays ended, the rest stays.
    async fn clear(&self) -> Result<u64>;
}

/// One page of an [`Inventory`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct InventoryPage {
    /// The records, in the order of their keys.
    pub records: Vec<(StoreKey, Record)>,
    /// Where bytes are stored that are no record of a format that this release reads: damage is shown, and holds up no walk.
    pub unreadable: Vec<StoreKey>,
    /// Where to continue; `None` if this is the end.
    pub next: Option<StoreKey>,
}

impl InventoryPage {
    /// A page on which everything can be read.
    pub fn new(records: Vec<(StoreKey, Record)>, next: Option<StoreKey>) -> Self {
        Self {
            records,
            unreadable: Vec::new(),
            next,
        }
    }
}

/// Where a walk over all sessions continues, as 43 characters that are safe in a URL.
///
/// Opaque: hand it back as it is. What it holds is the store key of the last session of the page before, which is a hash of a session
/// id and opens nothing (P2). It is still meant for administrators alone, as the list itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryCursor(StoreKey);

/// Characters of a cursor: base64url of 32 bytes, without padding.
const TEXT: usize = 43;

impl InventoryCursor {
    /// A place right behind this key.
    pub const fn behind(key: StoreKey) -> Self {
        Self(key)
    }

    /// The key that the walk continues behind.
    pub const fn key(self) -> StoreKey {
        self.0
    }
}

impl fmt::Display for InventoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT];
        f.pad(Base64UrlUnpadded::encode(self.0.as_bytes(), &mut text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for InventoryCursor {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no cursor.
    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; StoreKey::LEN];
        match Base64UrlUnpadded::decode(text, &mut bytes) {
            Ok(decoded) if decoded.len() == StoreKey::LEN => Ok(Self(StoreKey::from_bytes(bytes))),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                "reading the cursor of a list of sessions: it has 43 characters of base64url; use what the page before answered",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = InventoryCursor::behind(StoreKey::from_bytes([0xfe; 32]));
        assert_eq!(cursor.to_string().len(), TEXT);
        assert_eq!(cursor.to_string().parse::<InventoryCursor>().unwrap(), cursor);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "abc", &"A".repeat(42), &"A".repeat(44), &"!".repeat(43)] {
            let error = text.parse::<InventoryCursor>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
