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
    agrees(&answer).then_some(()).ok_or(Failure::Declined)
}

fn agrees(answer: &str) -> bool {
    answer.trim() == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_agrees() {
        assert!(agrees("yes\n") && agrees(" yes \r\n"));
        for answer in ["", "\n", "y\n", "YES\n", "yes please\n", "no\n"] {
            assert!(!agrees(answer), "{answer:?}");
        }
    }
}
