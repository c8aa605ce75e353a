//! Bringing sessions back from the lines of an [`export`](crate::export), without bringing back what was given up since.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;
use session_core::{Epoch, Error, ErrorKind, Handle, OwnerIndex, Record, Result, StoreKey, Timestamp};

use crate::committer::{Request, Restored};
use crate::export::VERSION;
use crate::inventory::{Stock, Walk};
use crate::progress::{Meter, Progress};
use crate::store::FjallStore;

/// What [`FjallStore::import`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Sessions that this import stored.
    pub sessions: u64,
    /// Sessions that are there under the same key; what is there was left as it is.
    pub present: u64,
    /// Sessions that are there under another key, because they were renewed since the export, or signed in.
    pub superseded: u64,
    /// Sessions that have expired since.
    pub expired: u64,
    /// Sessions whose owner was revoked while the import ran.
    pub revoked: u64,
}

/// Bytes of the longest line that is read: a record of some 12 MiB, which is 48 times the default limit.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

impl FjallStore {
    /// Stores the sessions of an export that was made with [`Content::Values`](crate::Content::Values), each under its key. Nothing is
    /// overwritten. Blocks.
    ///
    /// A session keeps its handle through renewals and logins, so one whose handle is stored under another key is left out: its old id
    /// was given up, and stays dead. To know that of sessions without an owner too, this reads the handles of all that is stored first,
    /// and keeps them: about 40 bytes for each session that is stored or imported.
    ///
    /// What has ended since the export was made is remembered by nobody: an import brings such sessions back. Those whose owner is
    /// revoked while the import runs stay ended.
    ///
    /// # Errors
    ///
    /// [`Invalid`](session_core::ErrorKind::Invalid), [`UnsupportedFormat`](session_core::ErrorKind::UnsupportedFormat) or, for a line
    /// of more than 16 MiB, [`TooLarge`](session_core::ErrorKind::TooLarge), naming the line, if it is no such export, if a line is
    /// damaged, if the end is missing or if anything follows it; what comes before that line is stored. Otherwise as
    /// [`Store::create`](session_core::Store::create).
    pub fn import(&self, from: impl BufRead, now: Timestamp, mut progress: impl FnMut(Progress)) -> Result<Imported> {
        // No limit of sessions keeps out what was let in once; but a revocation from here on does.
        let began = self.epoch();
        let mut meter = Meter::new(&mut progress);
        let mut handles = self.handles(&mut meter)?;
        meter.start("sessions", 0);
        let mut lines = Lines { from, number: 0 };
        let mut imported = Imported::default();
        match lines.next()? {
            Some(head) => check_head(&head)?,
            None => return Err(cut_off(&imported)),
        }
        let mut read = 0;
        while let Some(line) = lines.next()? {
            if line["end"] == true {
                if line["sessions"].as_u64() != Some(read) {
                    return Err(lines.bad("it counts other sessions than there are: lines are missing"));
                }
                lines.end()?;
                return Ok(imported);
            }
            let (key, record) = parse(&line).map_err(|why| lines.bad(why))?;
            read += 1;
            let count = match record.is_expired(now) {
                true => &mut imported.expired,
                false if handles.insert(record.handle()) => match self.restore(key, record, began, now)? {
                    Restored::Stored => &mut imported.sessions,
                    Restored::Present => &mut imported.present,
                    Restored::Superseded => &mut imported.superseded,
                    Restored::Revoked => &mut imported.revoked,
                },
                false if self.read(|reader| reader.contains(key))? => &mut imported.present,
                false => &mut imported.superseded,
            };
            *count += 1;
            meter.tick();
        }
        Err(cut_off(&imported))
    }

    /// The handles of everything that is stored.
    fn handles(&self, meter: &mut Meter<'_>) -> Result<HashSet<Handle>> {
        self.walk(|reader| {
            let snapshot = reader.tables.database.snapshot();
            let mut handles = HashSet::new();
            meter.start("records", reader.tables.records.approximate_len());
            for found in Walk::new(&reader, &snapshot, None) {
                if let Stock::Readable(record) = found?.record {
                    handles.insert(record.handle());
                }
                meter.tick();
            }
            Ok(handles)
        })
    }

    fn restore(&self, key: StoreKey, record: Record, began: Epoch, now: Timestamp) -> Result<Restored> {
        self.ask_blocking(|reply| Request::Restore {
            key,
            record,
            began,
            now,
            reply,
        })
    }
}

/// The lines of an export, counted from 1.
struct Lines<R> {
    from: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Value>> {
        let Some(line) = self.bytes()? else { return Ok(None) };
        let value = serde_json::from_slice(&line);
        value
            .map(Some)
            .map_err(|error| self.bad("it is no JSON").with_source(error))
    }

    /// Makes sure that nothing follows but empty lines, which an editor may leave.
    fn end(&mut self) -> Result<()> {
        while let Some(line) = self.bytes()? {
            if !line.trim_ascii().is_empty() {
                return Err(self.bad("it stands behind the end of the export; import one export at a time"));
            }
        }
        Ok(())
    }

    fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        self.number += 1;
        let mut line = Vec::new();
        let read = self.from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        match read.map_err(|error| self.unread(error))? as u64 {
            0 => Ok(None),
            LONGEST_LINE if line.last() != Some(&b'\n') => Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "importing sessions: line {} is longer than {LONGEST_LINE} bytes, which no export is; what comes before is stored",
                    self.number
                ),
            )),
            _ => Ok(Some(line)),
        }
    }

    fn unread(&self, error: io::Error) -> Error {
        self.bad("it cannot be read").with_source(error)
    }

    fn bad(&self, why: &str) -> Error {
        Error::new(
            ErrorKind::Invalid,
            format!(
                "importing sessions: line {}: {why}; what comes before is stored",
                self.number
            ),
        )
    }
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
    // Each commit adds one.
    if record.revision() == u64::MAX {
        return Err("its record has a revision that no commit reaches, so nobody could change the session");
    }
    Ok((StoreKey::from_bytes(key), record))
}

fn cut_off(imported: &Imported) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "importing sessions: the export is cut off; {} sessions of it are stored. get the whole of it and import it again",
            imported.sessions
        ),
    )
}
