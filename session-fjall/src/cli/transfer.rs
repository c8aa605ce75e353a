//! `export` and `import`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write, stdin, stdout};
use std::path::Path;

use serde_json::json;

use super::options::{Export, Import};
use super::output::{Format, Output, count};
use super::progress::Bar;
use super::{Failure, now, with_store};
use crate::export::{Content, Exported};
use crate::failure;

pub(super) fn export(path: &Path, what: &Export, out: &mut Output) -> Result<(), Failure> {
    let content = if what.values { Content::Values } else { Content::Listing };
    with_store(path, |store| {
        let mut bar = Bar::new();
        let mut write = |to: &mut dyn Write| store.export(BufWriter::new(to), content, now(), |at| bar.show(at));
        let Some(to) = &what.output else {
            let exported = write(&mut stdout().lock()).map_err(broken_pipe)?;
            drop(bar);
            // The standard output holds the export.
            eprintln!("{}", summary(&exported));
            return Ok(());
        };
        let exported = to_file(to, |file| Ok(write(file)?))?;
        drop(bar);
        let text = format!("{} to {}", summary(&exported), to.display());
        let Exported { sessions, unreadable } = exported;
        out.say(
            &text,
            &json!({"sessions": sessions, "unreadable": unreadable, "output": to}),
        )?;
        Ok(())
    })
}

fn summary(exported: &Exported) -> String {
    let mut text = format!("exported {}", count(exported.sessions, "session"));
    if exported.unreadable > 0 {
        text += &format!(", left out {}", count(exported.unreadable, "damaged record"));
    }
    text
}

/// Under its name it is whole or not there. For its owner alone: it may hold secrets.
fn to_file<T>(to: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>) -> Result<T, Failure> {
    let failed = |error: io::Error| Failure::from(failure::file("writing the export", to, error));
    if to.exists() {
        return Err(Failure::Usage(format!(
            "writing the export {}: it exists; remove it first, or choose another name",
            to.display()
        )));
    }
    let mut draft = to.as_os_str().to_owned();
    draft.push(".part");
    let draft = Path::new(&draft);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft).map_err(failed)?;
    let written = write(&mut file).and_then(|done| {
        file.sync_all()
            .and_then(|()| fs::rename(draft, to))
            .map_err(failed)
            .map(|()| done)
    });
    if written.is_err() {
        // Half an export is of no use; that it cannot be removed says nothing more.
        let _ = fs::remove_file(draft);
    }
    written
}

/// Who reads the export has gone away.
fn broken_pipe(error: session_core::Error) -> Failure {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source {
        Some(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Failure::Output(cause.kind().into()),
        _ => error.into(),
    }
}

pub(super) fn import(path: &Path, what: &Import, out: &mut Output) -> Result<(), Failure> {
    with_store(path, |store| {
        let mut bar = Bar::new();
        let imported = if what.from == Path::new("-") {
            store.import(stdin().lock(), now(), |at| bar.show(at))?
        } else {
            let file = File::open(&what.from);
            let file = file.map_err(|error| failure::file("reading the export", &what.from, error))?;
            store.import(BufReader::new(file), now(), |at| bar.show(at))?
        };
        drop(bar);
        let mut text = format!("imported {}", count(imported.sessions, "session"));
        for (number, why) in [
            (imported.present, "there already"),
            (imported.superseded, "renewed since, and there under the new id"),
            (imported.expired, "expired"),
        ] {
            if number > 0 {
                text += &format!(", left out {}: {why}", count(number, "session"));
            }
        }
        if out.format == Format::Text {
            text += "; browsers stay signed in if the application has the same signing keys";
        }
        let counts = json!({
            "sessions": imported.sessions,
            "present": imported.present,
            "superseded": imported.superseded,
            "expired": imported.expired,
            "revoked": imported.revoked,
        });
        out.say(&text, &counts)?;
        Ok(())
    })
}
