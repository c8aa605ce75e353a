//! What may be said on the command line, and the help for it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use session_core::{Handle, Owner};

use super::output::Format;

/// Looks after a session store in a folder, while no application uses it.
#[derive(Debug, Parser)]
#[command(name = "session-fjall", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Options {
    /// The store's folder.
    #[arg(
        short,
        long,
        global = true,
        env = "SESSION_FJALL_STORE",
        default_value = "sessions",
        value_name = "FOLDER"
    )]
    pub(super) store: PathBuf,

    /// Print JSON instead of text. Fields may be added, none is renamed.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done, also if there was nothing to do
  1  failed, or not confirmed; the message says why
  2  wrong usage, a file that is in the way, or a question that nobody could be asked
  3  the store is in use: stop the application, or use its own admin routes
  4  damage was found, and is still there
  5  there is no such session

Examples:
  session-fjall --store /var/lib/shop/sessions stats
  session-fjall -s /var/lib/shop/sessions list --owner 4711
  session-fjall -s /var/lib/shop/sessions verify --repair
  session-fjall -s /var/lib/shop/sessions backup /backup/sessions

Session values are never printed unless --values is given. A session id is nowhere in a store.";

impl Options {
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Set the store up, or say that it is.
    ///
    /// Creates the folder if it is missing or empty. An application does the same when it opens the store.
    Setup,
    /// Count sessions and owners, and measure the disk.
    Stats,
    /// List live sessions, page by page.
    ///
    /// In the order of store keys, which means nothing to people but is stable. With --owner: the owner's, newest first.
    #[command(
        after_help = "Examples:\n  session-fjall list --limit 20\n  session-fjall list --limit 20 --after PxI…\n  session-fjall list --owner 4711\n  session-fjall list --expired --json"
    )]
    List(List),
    /// Show one session.
    ///
    /// Walks over the store until it is found: a second or so for a million sessions.
    Show(Show),
    /// End one session, those of an owner, or all.
    ///
    /// Ends with code 0 if none of them is live afterwards, also if none was before; with code 5 if no session of that name is stored.
    #[command(
        after_help = "Examples:\n  session-fjall revoke 8fLk2mJ0aBcDeFgHiJkL\n  session-fjall revoke --owner 4711\n  session-fjall revoke --all --yes"
    )]
    Revoke(Revoke),
    /// Remove what has expired. An application's cleaner does the same, every minute.
    ///
    /// May be interrupted at any time.
    Sweep,
    /// End every session. The store stays set up.
    Clear(Confirmed),
    /// Remove the store: its files, and the folder if nothing else is in it.
    Drop(Confirmed),
    /// Read everything, and check that records and indexes agree.
    ///
    /// May be interrupted at any time, also while it repairs.
    #[command(
        after_help = "Examples:\n  session-fjall verify\n  session-fjall verify --repair\n  session-fjall verify --repair --remove-damaged"
    )]
    Verify(Verify),
    /// Write sessions as lines of JSON.
    ///
    /// Without --values it is a listing. With --values it can be imported: browsers stay signed in, as long as the application's signing
    /// keys are the same. Keep such a file as secret as the store.
    #[command(
        after_help = "Examples:\n  session-fjall export > sessions.jsonl\n  session-fjall export --values --output sessions.jsonl"
    )]
    Export(Export),
    /// Store the sessions of an export with values. Nothing is overwritten.
    ///
    /// A session that was renewed since the export is left out. One that has ended since comes back: nobody remembers it.
    #[command(
        after_help = "Examples:\n  session-fjall setup && session-fjall import sessions.jsonl\n  zcat sessions.jsonl.gz | session-fjall import -"
    )]
    Import(Import),
    /// Copy the store into another folder, which opens as a store.
    Backup(Backup),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only the sessions of this owner, newest first.
    #[arg(long, conflicts_with = "expired")]
    pub(super) owner: Option<Owner>,
    /// Only what has expired and waits to be swept.
    #[arg(long)]
    pub(super) expired: bool,
    /// The most sessions to list.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Continue where the page before ended.
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(super) after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The session's public name, 20 characters.
    #[arg(allow_hyphen_values = true)]
    pub(super) handle: Handle,
    /// Print what the session holds, too. It may be secret.
    #[arg(long)]
    pub(super) values: bool,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) confirmed: Confirmed,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session's public name, 20 characters.
    #[arg(allow_hyphen_values = true)]
    pub(super) handle: Option<Handle>,
    /// All sessions of this owner, as its list knows them; verify finds sessions that are missing in it.
    #[arg(long)]
    pub(super) owner: Option<Owner>,
    /// All sessions of everybody; asks first.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Confirmed {
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Write index entries that are missing, and remove those that lead nowhere. No session is lost by it.
    #[arg(long)]
    pub(super) repair: bool,
    /// Remove records that cannot be read, too: their sessions end.
    #[arg(long, requires = "repair")]
    pub(super) remove_damaged: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Include store keys and values, so that it can be imported.
    #[arg(long)]
    pub(super) values: bool,
    /// Write to this file, which must not exist, instead of the standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The export; `-` is the standard input.
    #[arg(value_name = "FILE")]
    pub(super) from: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where to; missing or empty, and outside the store's folder.
    #[arg(value_name = "FOLDER")]
    pub(super) to: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn damaged_records_are_removed_only_by_a_repair() {
        assert!(Options::try_parse_from(["session-fjall", "verify", "--remove-damaged"]).is_err());
        assert!(Options::try_parse_from(["session-fjall", "verify", "--repair", "--remove-damaged"]).is_ok());
    }

    #[test]
    fn a_cursor_may_begin_with_a_hyphen() {
        let after = format!("-{}", "A".repeat(42));
        assert!(Options::try_parse_from(["session-fjall", "list", "--after", &after, "--json"]).is_ok());
    }

    #[test]
    fn exactly_one_thing_is_revoked() {
        for wrong in [&["revoke"][..], &["revoke", "--all", "--owner", "alice"]] {
            let given = std::iter::once(&"session-fjall").chain(wrong);
            assert!(Options::try_parse_from(given).is_err(), "{wrong:?}");
        }
    }
}
