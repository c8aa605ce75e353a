//! The program `session-fjall`: what operators do to a store by hand. It parses, asks and prints; what it does is the library's.

mod confirm;
mod end;
mod folder;
mod list;
mod options;
mod output;
mod progress;
mod stats;
mod transfer;
mod verify;

use std::future::Future;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use session_core::{Clock, Error, ErrorKind, SystemClock, Timestamp};

use crate::store::FjallStore;
use options::{Command, Options};
use output::Output;

/// Runs the program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(options: Options) -> Result<(), Failure> {
    let path = options.store.as_path();
    let out = &mut Output::new(options.format());
    match options.command {
        Command::Setup => folder::setup(path, out),
        Command::Drop(confirmed) => folder::drop(path, &confirmed, out),
        Command::Backup(to) => folder::backup(path, &to, out),
        Command::Stats => stats::stats(path, out),
        Command::List(what) => list::list(path, &what, out),
        Command::Show(what) => list::show(path, &what, out),
        Command::Revoke(what) => end::revoke(path, &what, out),
        Command::Clear(confirmed) => end::clear(path, &confirmed, out),
        Command::Sweep => end::sweep(path, out),
        Command::Verify(what) => verify::verify(path, &what, out),
        Command::Export(what) => transfer::export(path, &what, out),
        Command::Import(what) => transfer::import(path, &what, out),
    }
}

/// Opens a store that is there, uses it, and closes it so that the next one opens at once.
fn with_store(path: &Path, work: impl FnOnce(&FjallStore) -> Result<(), Failure>) -> Result<(), Failure> {
    let store = FjallStore::builder(path).open_existing()?;
    let done = work(&store);
    let closed = wait(store.close())?;
    done.and(closed.map_err(Failure::from))
}

/// Runs a store's async operation to its end.
fn wait<T>(operation: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            "starting the program: check the limits of this user",
        )
        .with_source(error)
    })?;
    Ok(runtime.block_on(operation))
}

fn now() -> Timestamp {
    SystemClock::new().now()
}

/// Why the program did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", chain(.0))]
    Store(#[from] Error),
    #[error("error: writing the output: {0}")]
    Output(#[from] io::Error),
    #[error("error: {0}")]
    Usage(String),
    #[error("it was not confirmed; nothing was done")]
    Declined,
    #[error("error: {0}")]
    NotFound(String),
    #[error("error: {0}")]
    Damage(String),
}

impl Failure {
    /// As `--help` and `docs/operations.md` list them.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Store(error) if error.kind() == ErrorKind::Locked => 3,
            Self::Store(error) if error.kind() == ErrorKind::Corrupt => 4,
            Self::Damage(_) => 4,
            Self::NotFound(_) => 5,
            Self::Store(_) | Self::Output(_) | Self::Declined => 1,
        }
    }
}

/// An error with its causes, and what to do about it where the library cannot know.
fn chain(error: &Error) -> String {
    let mut text = format!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!("\n  because: {cause}");
        source = cause.source();
    }
    if error.kind() == ErrorKind::Locked {
        text += "\n  hint: the application that uses the store holds its LOCK file. Stop it first; or, while it runs, let it do this itself: \
                 `Sessions` in its admin routes lists, counts, finds and revokes, and `FjallStore::backup` and `examine` work beside requests";
    }
    text
}
