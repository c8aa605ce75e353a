//! `stats`.

use std::path::Path;

use serde_json::json;
use session_core::Timestamp;

use super::output::{Format, Output, grouped, size, time};
use super::progress::Bar;
use super::{Failure, now, with_store};

pub(super) fn stats(path: &Path, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let now = now();
        let mut bar = Bar::new();
        let stats = store.stats(now, |progress| bar.show(progress))?;
        drop(bar);
        if out.format == Format::Json {
            let at = |time: Option<Timestamp>| time.map(|time| time.to_string());
            out.say(
                "",
                &json!({
                    "path": path,
                    "sessions": stats.sessions,
                    "signed_in": stats.signed_in,
                    "owners": stats.owners,
                    "expired": stats.expired,
                    "unreadable": stats.unreadable,
                    "oldest": at(stats.oldest),
                    "newest": at(stats.newest),
                    "record_bytes": stats.bytes,
                    "largest_record_bytes": stats.largest,
                    "disk_bytes": stats.disk,
                }),
            )?;
            return Ok(());
        }
        let records = stats.sessions + stats.expired + stats.unreadable;
        let began = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| time(at, now));
        let mut rows = vec![
            ("live sessions", grouped(stats.sessions)),
            ("  signed in", grouped(stats.signed_in)),
            ("  oldest began", began(stats.oldest)),
            ("  newest began", began(stats.newest)),
            ("expired, not swept", grouped(stats.expired)),
            ("owners", grouped(stats.owners)),
            ("records", size(stats.bytes)),
            ("  average", size(stats.bytes / records.max(1))),
            ("  largest", size(stats.largest)),
            ("on disk", size(stats.disk)),
        ];
        if stats.unreadable > 0 {
            rows.insert(5, ("unreadable: run verify", grouped(stats.unreadable)));
        }
        let rows = rows.into_iter().map(|(what, much)| vec![what.to_owned(), much]);
        out.table(&[], rows.collect())?;
        Ok(())
    })
}
