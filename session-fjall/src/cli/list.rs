//! `list` and `show`.

use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};
use session_core::{Cursor, Error, Handle, Inventory, InventoryCursor, Owner, OwnerIndex, Page, Record, Timestamp};

use super::options::{List, Show};
use super::output::{Format, Output, count, distance, printable, size, time};
use super::progress::Bar;
use super::{Failure, now, wait, with_store};
use crate::export::{describe, text};
use crate::store::FjallStore;

/// Records read at a time where some are left out.
const PAGE: usize = 1000;

/// What is listed, and where the next page starts.
struct Listed {
    records: Vec<Record>,
    next: Option<String>,
}

pub(super) fn list(path: &Path, what: &List, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let now = now();
        let listed = match &what.owner {
            Some(owner) => of_owner(store, owner, what, now)?,
            None => of_everybody(store, what, now)?,
        };
        print(&listed, now, out)
    })
}

fn of_owner(store: &FjallStore, owner: &Owner, what: &List, now: Timestamp) -> Result<Listed, Failure> {
    let after = parse::<Cursor>(what.after.as_deref())?;
    let limit = what.limit as usize;
    let page = wait(store.list(owner, Page { after, limit }, now))??;
    Ok(Listed {
        records: page.sessions.into_iter().map(|owned| owned.record).collect(),
        next: page.next.map(|next| next.to_string()),
    })
}

fn parse<C: FromStr<Err = Error>>(cursor: Option<&str>) -> Result<Option<C>, Failure> {
    let parsed = cursor.map(str::parse).transpose();
    parsed.map_err(|error: Error| Failure::Usage(error.to_string()))
}

fn of_everybody(store: &FjallStore, what: &List, now: Timestamp) -> Result<Listed, Failure> {
    let mut after = parse::<InventoryCursor>(what.after.as_deref())?.map(InventoryCursor::key);
    let mut records = Vec::new();
    let mut last = None;
    loop {
        let page = wait(Inventory::page(store, after, PAGE))??;
        for (key, record) in page.records {
            if record.is_expired(now) != what.expired {
                continue;
            }
            if records.len() == what.limit as usize {
                let next = last.map(|key| InventoryCursor::behind(key).to_string());
                return Ok(Listed { records, next });
            }
            records.push(record);
            last = Some(key);
        }
        after = page.next;
        if after.is_none() {
            return Ok(Listed { records, next: None });
        }
    }
}

fn print(listed: &Listed, now: Timestamp, out: &mut Output) -> Result<(), Failure> {
    if out.format == Format::Json {
        let sessions: Vec<_> = listed.records.iter().map(|record| describe(record, now)).collect();
        out.say("", &json!({"sessions": sessions, "next": listed.next}))?;
        return Ok(());
    }
    let row = |record: &Record| {
        vec![
            record.handle().to_string(),
            record
                .owner()
                .map_or_else(|| "–".into(), |owner| printable(owner.as_str())),
            record.label().map_or_else(|| "–".into(), printable),
            distance(record.created_at(), now),
            distance(record.seen_at(), now),
            distance(record.expires_at(), now),
        ]
    };
    let rows: Vec<_> = listed.records.iter().map(row).collect();
    if rows.is_empty() {
        out.say("no sessions", &Value::Null)?;
        return Ok(());
    }
    out.table(&["HANDLE", "OWNER", "LABEL", "BEGAN", "LAST SEEN", "ENDS"], rows)?;
    if let Some(next) = &listed.next {
        out.say(&format!("more: --after {next}"), &Value::Null)?;
    }
    Ok(())
}

pub(super) fn show(path: &Path, what: &Show, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let now = now();
        let mut bar = Bar::new();
        let found = store.find(what.handle, |progress| bar.show(progress))?;
        drop(bar);
        let (_, record) = found.ok_or_else(|| missing(what.handle))?;
        let mut described = describe(&record, now);
        let values = record.values().iter().map(|(name, value)| {
            let mut shown = json!({"name": name, "version": value.version, "bytes": value.bytes.len()});
            if what.values {
                shown["value"] = text(value.bytes).into();
            }
            shown
        });
        described.insert("values".into(), values.collect());
        if out.format == Format::Json {
            out.say("", &Value::Object(described))?;
            return Ok(());
        }
        out.table(&[], fields(&record, now))?;
        let values = record.values().iter().map(|(name, value)| {
            let mut row = vec![
                printable(name),
                format!("version {}", value.version),
                size(value.bytes.len() as u64),
            ];
            if what.values {
                row.push(readable(value.bytes));
            }
            row
        });
        let values: Vec<_> = values.collect();
        out.say(&count(values.len() as u64, "value"), &Value::Null)?;
        out.table(&[], values)?;
        Ok(())
    })
}

fn fields(record: &Record, now: Timestamp) -> Vec<Vec<String>> {
    let lifetime = record.lifetime();
    let span = |span: Option<std::time::Duration>| span.map_or_else(|| "–".into(), |span| format!("{span:?}"));
    let none = || "–".to_owned();
    [
        ("handle", record.handle().to_string()),
        (
            "owner",
            record.owner().map_or_else(none, |owner| printable(owner.as_str())),
        ),
        ("label", record.label().map_or_else(none, printable)),
        ("began", time(record.created_at(), now)),
        (
            "signed in",
            record.authenticated_at().map_or_else(none, |at| time(at, now)),
        ),
        ("last seen", time(record.seen_at(), now)),
        ("ends", time(record.expires_at(), now)),
        ("idle timeout", span(lifetime.idle())),
        ("absolute timeout", span(lifetime.absolute())),
        ("cookie", format!("{:?}", record.persistence()).to_lowercase()),
        ("commits", record.revision().to_string()),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .to_vec()
}

/// Encoded bytes do not say what they are, so they are shown as text with what is no text escaped.
fn readable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

pub(super) fn missing(handle: Handle) -> Failure {
    Failure::NotFound(format!(
        "finding session {handle}: there is none; it has ended, or is in another store"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(readable(b"\x05hello\x1b"), "\\x05hello\\x1b");
    }
}
