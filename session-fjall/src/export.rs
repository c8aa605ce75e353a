//! Sessions as lines of JSON: a listing for people and audits, or enough to restore them elsewhere. `docs/operations.md` specifies the
//! lines; [`import`](crate::import) reads them.
//!
//! No session id is in an export, because nobody but the browsers has them. A record is restored under its store key, the hash of its
//! id; a browser's token leads to it again as long as the application's signing keys are the same.

use std::io::{self, Write};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use session_core::{Error, ErrorKind, Persistence, Record, Result, Timestamp};

use crate::inventory::{Found, Stock, Walk};
use crate::progress::{Meter, Progress};
use crate::store::FjallStore;

/// What an export holds of each session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// What may be shown: handle, owner, label and times. It cannot be imported.
    #[default]
    Listing,
    /// The same, and the store key and the encoded record with all its values. Keep it as secret as the store.
    Values,
}

/// What [`FjallStore::export`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Sessions, expired ones included.
    pub sessions: u64,
    /// Records that cannot be read, and were left out.
    pub unreadable: u64,
}

/// Of the lines.
pub(crate) const VERSION: u64 = 1;

impl FjallStore {
    /// Writes everything that is stored, as of one moment, as lines of JSON. Blocks; memory does not grow with the store.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](session_core::ErrorKind::Unavailable) if it cannot be written; otherwise as
    /// [`Store::load`](session_core::Store::load).
    pub fn export(
        &self,
        mut to: impl Write,
        content: Content,
        now: Timestamp,
        mut progress: impl FnMut(Progress),
    ) -> Result<Exported> {
        self.walk(|reader| {
            let snapshot = reader.tables.database.snapshot();
            let mut meter = Meter::new(&mut progress);
            let mut exported = Exported::default();
            let values = content == Content::Values;
            let head = json!({"session_fjall_export": VERSION, "at": now.to_string(), "values": values});
            line(&mut to, &head)?;
            meter.start("records", reader.tables.records.approximate_len());
            for found in Walk::new(&reader, &snapshot, None) {
                let Found { key, record, .. } = found?;
                match record {
                    Stock::Readable(record) => {
                        let mut session = describe(&record, now);
                        if values {
                            session.insert("store_key".into(), text(key.as_bytes()).into());
                            session.insert("record".into(), text(&record.encode()).into());
                        }
                        line(&mut to, &Value::Object(session))?;
                        exported.sessions += 1;
                    }
                    Stock::Damaged(_) => exported.unreadable += 1,
                    Stock::Missing => {}
                }
                meter.tick();
            }
            let end = json!({"end": true, "sessions": exported.sessions, "unreadable": exported.unreadable});
            line(&mut to, &end)?;
            to.flush().map_err(unwritten)?;
            Ok(exported)
        })
    }
}

/// What may be shown of a session, as JSON.
pub(crate) fn describe(record: &Record, now: Timestamp) -> Map<String, Value> {
    let described = json!({
        "handle": record.handle().to_string(),
        "owner": record.owner().map(session_core::Owner::as_str),
        "label": record.label(),
        "created_at": record.created_at().to_string(),
        "authenticated_at": record.authenticated_at().map(|at| at.to_string()),
        "last_seen_at": record.seen_at().to_string(),
        "expires_at": record.expires_at().to_string(),
        "expired": record.is_expired(now),
        "remembered": record.persistence() == Persistence::Remembered,
        "value_bytes": record.values().encoded_len(),
    });
    match described {
        Value::Object(described) => described,
        _ => Map::new(),
    }
}

/// Bytes as base64url without padding.
pub(crate) fn text(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn line(to: &mut impl Write, value: &Value) -> Result<()> {
    serde_json::to_writer(&mut *to, value)
        .map_err(io::Error::from)
        .and_then(|()| to.write_all(b"\n"))
        .map_err(unwritten)
}

fn unwritten(error: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "writing an export of sessions: check the disk and its free space, or who reads it",
    )
    .with_source(error)
}
