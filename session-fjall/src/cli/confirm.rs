//! Asks before what cannot be undone.

use std::io::{IsTerminal, Write, stderr, stdin};

use super::Failure;
use super::options::Confirmed;

/// Goes on if `--yes` was given, or somebody types "yes".
pub(super) fn confirm(question: &str, confirmed: &Confirmed) -> Result<(), Failure> {
    if confirmed.yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{question} there is no terminal to ask at, so nothing was done; add --yes"
        )));
    }
    write!(stderr(), "{question} type yes to go on: ")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::Declined)
}
