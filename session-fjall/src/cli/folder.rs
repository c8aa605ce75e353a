//! `setup`, `drop` and `backup`: what is done to a store as a whole.

use std::path::Path;

use serde_json::json;

use super::confirm::confirm;
use super::options::{Backup, Confirmed};
use super::output::{Output, count};
use super::progress::Bar;
use super::{Failure, wait, with_store};
use crate::folder::{self, Contents};
use crate::store::FjallStore;

pub(super) fn setup(path: &Path, out: &mut Output) -> Result<(), Failure> {
    let created = !path.exists() || folder::inspect(path)? == Contents::Unfinished;
    let store = FjallStore::open(path)?;
    wait(store.close())??;
    let what = if created { "now" } else { "already" };
    let text = format!("the session store at {} is set up {what}", path.display());
    out.say(&text, &json!({"path": path, "created": created}))?;
    Ok(())
}

pub(super) fn drop(path: &Path, confirmed: &Confirmed, out: &mut Output) -> Result<(), Failure> {
    // Asks only about what is a store.
    let there = path.exists();
    if there {
        folder::inspect(path)?;
        confirm(
            &format!(
                "drop removes the session store at {} with all its sessions;",
                path.display()
            ),
            confirmed,
        )?;
    }
    FjallStore::drop_store(path)?;
    let what = if there { "was removed" } else { "does not exist" };
    let text = format!("the session store at {} {what}", path.display());
    out.say(&text, &json!({"path": path, "removed": there}))?;
    Ok(())
}

pub(super) fn backup(path: &Path, backup: &Backup, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let mut bar = Bar::new();
        let records = store.backup(&backup.to, |progress| bar.show(progress))?;
        std::mem::drop(bar);
        let text = format!("copied {} to {}", count(records, "session"), backup.to.display());
        out.say(&text, &json!({"path": path, "to": backup.to, "records": records}))?;
        Ok(())
    })
}
