//! `revoke`, `clear` and `sweep`: what ends sessions.

use std::path::Path;

use serde_json::json;
use session_core::{Backlog, Handle, OwnerIndex, Revoke as Chosen, Store};

use super::confirm::confirm;
use super::list::missing;
use super::options::{Confirmed, Revoke};
use super::output::{Output, count};
use super::progress::Bar;
use super::{Failure, now, wait, with_store};
use crate::progress::Progress;
use crate::store::FjallStore;

pub(super) fn revoke(path: &Path, what: &Revoke, out: &mut Output) -> Result<(), Failure> {
    if what.which.all {
        return clear(path, &what.confirmed, out);
    }
    with_store(path, |store| {
        let revoked = match (&what.which.owner, what.which.handle) {
            (Some(owner), _) => wait(store.revoke(owner, Chosen::All, now()))??,
            (None, Some(handle)) => revoke_one(store, handle)?,
            (None, None) => 0,
        };
        let mut text = format!("ended {}", count(revoked, "live session"));
        if what.which.owner.is_some() && revoked == 0 {
            text += "; verify finds sessions that are missing in their owner's list";
        }
        out.say(&text, &json!({"revoked": revoked}))?;
        Ok(())
    })
}

/// By its keys, which works also if its owner's list does not lead to it, or if it is stored twice.
fn revoke_one(store: &FjallStore, handle: Handle) -> Result<u64, Failure> {
    let mut bar = Bar::new();
    let found = store.find_all(handle, |progress| bar.show(progress))?;
    drop(bar);
    if found.is_empty() {
        return Err(missing(handle));
    }
    let now = now();
    let mut live = 0;
    for (key, record) in found {
        wait(store.delete(key))??;
        live += u64::from(!record.is_expired(now));
    }
    Ok(live)
}

pub(super) fn clear(path: &Path, confirmed: &Confirmed, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let question = format!(
            "this ends every session in {}: everybody is signed out;",
            path.display()
        );
        confirm(&question, confirmed)?;
        let removed = wait(store.clear())??;
        let text = format!("ended everything: {}", count(removed, "session"));
        out.say(&text, &json!({"removed": removed}))?;
        Ok(())
    })
}

/// Sessions removed between two signs of life.
const STEP: usize = 1024;

pub(super) fn sweep(path: &Path, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let now = now();
        let mut bar = Bar::new();
        let mut removed = 0;
        loop {
            let swept = wait(store.sweep(now, STEP))??;
            removed += swept.removed as u64;
            bar.show(Progress {
                walking: "expired sessions removed:",
                done: removed,
                about: 0,
            });
            if swept.backlog == Backlog::Empty {
                break;
            }
        }
        drop(bar);
        let text = format!("removed {}", count(removed, "expired session"));
        out.say(&text, &json!({"removed": removed}))?;
        Ok(())
    })
}
