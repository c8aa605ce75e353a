//! Sessions as lines of JSON: a listing for people and audits, or enough to restore them elsewhere. `docs/operations.md` specifies the
//! lines.
//!
//! No session id is in an export, because nobody but the browsers has them. A record is restored under its store key, the hash of its
//! id; a browser's token leads to it again as long as the application's signing keys are the same.

use std::io::{self, BufRead, Write};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use session_core::{Created, Error, ErrorKind, OwnerIndex, Persistence, Record, Result, StoreKey, Timestamp};

use crate::committer::Request;
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

/// What [`FjallStore::import`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Sessions that are stored now.
    pub sessions: u64,
    /// Sessions whose key is taken; what is there was left as it is.
    pub present: u64,
    /// Sessions that have expired since.
    pub expired: u64,
}

const VERSION: u64 = 1;

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

    /// Stores the sessions of an export that was made with [`Content::Values`], each under its key. Nothing is overwritten. Blocks.
    ///
    /// What was revoked after the export was made is not remembered by it: an import brings such sessions back.
    ///
    /// # Errors
    ///
    /// [`Invalid`](session_core::ErrorKind::Invalid) or [`Corrupt`](session_core::ErrorKind::Corrupt), naming the line, if it is no
    /// such export, if a line is damaged or if the end is missing; what comes before that line is stored. Otherwise as
    /// [`Store::create`](session_core::Store::create).
    pub fn import(&self, from: impl BufRead, now: Timestamp, mut progress: impl FnMut(Progress)) -> Result<Imported> {
        let mut imported = Imported::default();
        let mut meter = Meter::new(&mut progress);
        meter.start("sessions", 0);
        let mut read = 0;
        let mut head = false;
        for (number, text) in (1..).zip(from.lines()) {
            let text = text.map_err(|error| bad_line(number, "it cannot be read").with_source(error))?;
            let value: Value =
                serde_json::from_str(&text).map_err(|error| bad_line(number, "it is no JSON").with_source(error))?;
            if !head {
                check_head(&value)?;
                head = true;
                continue;
            }
            if value["end"] == true {
                return match value["sessions"].as_u64() {
                    Some(written) if written == read => Ok(imported),
                    _ => Err(bad_line(
                        number,
                        "it counts other sessions than there are: lines are missing",
                    )),
                };
            }
            let (key, record) = parse(&value).map_err(|why| bad_line(number, why))?;
            read += 1;
            if record.is_expired(now) {
                imported.expired += 1;
            } else {
                self.restore(key, record, now, &mut imported)?;
            }
            meter.tick();
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "importing sessions: the export is cut off; {} sessions of it are stored. get the whole of it and import it again",
                imported.sessions
            ),
        ))
    }

    fn restore(&self, key: StoreKey, record: Record, now: Timestamp, imported: &mut Imported) -> Result<()> {
        // It was let in once: no limit of sessions keeps it out now.
        let admission = self.epoch().into();
        let created = self.ask_blocking(|reply| Request::Create {
            key,
            record,
            admission,
            now,
            reply,
        })?;
        match created {
            Created::Stored => imported.sessions += 1,
            _ => imported.present += 1,
        }
        Ok(())
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

fn check_head(head: &Value) -> Result<()> {
    match head["session_fjall_export"].as_u64() {
        Some(VERSION) if head["values"] == true => Ok(()),
        Some(VERSION) => Err(Error::new(
            ErrorKind::Invalid,
            "importing sessions: this export is a listing without values; export again with values",
        )),
        Some(version) => Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "importing sessions: the export has version {version}, this release reads {VERSION}; use a newer one"
            ),
        )),
        None => Err(Error::new(
            ErrorKind::Invalid,
            "importing sessions: this is no export of a session store; its first line says what it is",
        )),
    }
}

fn parse(session: &Value) -> Result<(StoreKey, Record), &'static str> {
    let bytes = |name: &str| {
        let text = session[name].as_str()?;
        Base64UrlUnpadded::decode_vec(text).ok()
    };
    let key = bytes("store_key").and_then(|key| key.try_into().ok());
    let key = key.ok_or("its store_key is missing or malformed")?;
    let record = bytes("record").ok_or("its record is missing or malformed")?;
    let record = Record::decode(&record).map_err(|_| "its record is damaged, or a newer release wrote it")?;
    Ok((StoreKey::from_bytes(key), record))
}

fn bad_line(number: u64, why: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("importing sessions: line {number}: {why}; what comes before is stored"),
    )
}
