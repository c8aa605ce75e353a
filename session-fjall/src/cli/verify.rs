//! `verify`.

use std::path::Path;

use serde_json::{Value, json};

use super::options::Verify;
use super::output::{Output, count, grouped};
use super::progress::Bar;
use super::{Failure, with_store};
use crate::verify::{Examination, Finding, Repair};

pub(super) fn verify(path: &Path, what: &Verify, out: &mut Output) -> Result<(), Failure> {
    let repair = match (what.repair, what.remove_damaged) {
        (false, _) => Repair::Nothing,
        (true, false) => Repair::Indexes,
        (true, true) => Repair::IndexesAndDamaged,
    };
    with_store(path, |store| {
        let mut bar = Bar::new();
        let found = store.examine(repair, |progress| bar.show(progress))?;
        drop(bar);
        print(&found, out)?;
        let left = left(&found, repair);
        if left == 0 {
            return Ok(());
        }
        let remedy = if left == found.doubled {
            "no repair can tell which record of such a session is in use; revoke each by its handle"
        } else if repair == Repair::Nothing {
            "run verify --repair to mend the indexes; back the folder up first"
        } else {
            "damaged records are kept, in case a newer release wrote them; verify --repair --remove-damaged removes them"
        };
        Err(Failure::Damage(format!(
            "checking the session store at {}: {} found; {remedy}",
            path.display(),
            count(left, "fault"),
        )))
    })
}

/// What is not as it should be when this is over.
fn left(found: &Examination, repair: Repair) -> u64 {
    match repair {
        Repair::Nothing => found.faults(),
        Repair::Indexes => found.damaged + found.doubled,
        Repair::IndexesAndDamaged => found.doubled,
    }
}

fn print(found: &Examination, out: &mut Output) -> Result<(), Failure> {
    let mut text = format!("{} can be read", count(found.sessions, "session"));
    for (number, what) in [
        (found.missing, "missing index entries"),
        (found.leftover, "index entries that lead nowhere"),
        (found.damaged, "damaged records"),
        (found.doubled, "sessions stored twice"),
        (found.mended, "mended or removed"),
    ] {
        if number > 0 {
            text += &format!("\n{}: {what}", grouped(number));
        }
    }
    if found.is_sound() {
        text += "; records and indexes agree";
    }
    for finding in &found.findings {
        text += &format!("\n  {finding}");
    }
    let listed = found.findings.len() as u64;
    let all = found.faults();
    if all > listed {
        text += &format!("\n  and {} more", grouped(all - listed));
    }
    let findings: Vec<_> = found.findings.iter().map(describe).collect();
    out.say(
        &text,
        &json!({
            "sessions": found.sessions,
            "missing": found.missing,
            "leftover": found.leftover,
            "damaged": found.damaged,
            "doubled": found.doubled,
            "mended": found.mended,
            "findings": findings,
        }),
    )?;
    Ok(())
}

fn describe(finding: &Finding) -> Value {
    match finding {
        Finding::Missing { key, handle, index } => json!({
            "kind": "missing", "key": format!("{key:?}"), "handle": handle.to_string(), "index": index.to_string(),
        }),
        Finding::Leftover { key, index } => json!({
            "kind": "leftover", "key": key.map(|key| format!("{key:?}")), "index": index.to_string(),
        }),
        Finding::Doubled { key, other, handle } => json!({
            "kind": "doubled", "key": format!("{key:?}"), "other": format!("{other:?}"), "handle": handle.to_string(),
        }),
        Finding::Damaged { key, why } => json!({"kind": "damaged", "key": format!("{key:?}"), "why": why}),
    }
}
