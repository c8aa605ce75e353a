//! A bar for what takes longer than a second: on the standard error, and only if that is a terminal.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::Progress;

/// What is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows progress until it is dropped.
pub(super) struct Bar {
    started: Instant,
    walking: &'static str,
    shown: Option<ProgressBar>,
    anybody: bool,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            walking: "",
            shown: None,
            anybody: stderr().is_terminal(),
        }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if !self.anybody || self.started.elapsed() < PATIENCE {
            return;
        }
        if self.walking != progress.walking {
            self.clear();
            self.walking = progress.walking;
        }
        let bar = self.shown.get_or_insert_with(|| bar(progress));
        bar.set_length(progress.about.max(progress.done));
        bar.set_position(progress.done);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.shown.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(progress: Progress) -> ProgressBar {
    let template = if progress.about == 0 {
        "{msg} {human_pos}"
    } else {
        "{msg} {wide_bar} {human_pos} of {human_len}  {eta} left"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(progress.about)
        .with_position(progress.done)
        .with_style(style)
        .with_message(progress.walking)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(walking: &'static str, done: u64, about: u64) -> Progress {
        Progress { walking, done, about }
    }

    fn shown(bar: &Bar) -> Option<(String, u64, Option<u64>)> {
        let bar = bar.shown.as_ref()?;
        Some((bar.message(), bar.position(), bar.length()))
    }

    fn after(waited: Duration, anybody: bool) -> Bar {
        let mut bar = Bar::new();
        bar.started = bar.started.checked_sub(waited).unwrap();
        bar.anybody = anybody;
        bar
    }

    #[test]
    fn a_bar_is_shown_to_whoever_waits_and_starts_again_with_what_is_walked_over_next() {
        let mut bar = after(2 * PATIENCE, true);
        bar.show(progress("records", 1024, 5000));
        assert_eq!(shown(&bar), Some(("records".to_owned(), 1024, Some(5000))));
        // More than there were about.
        bar.show(progress("records", 5120, 5000));
        assert_eq!(shown(&bar), Some(("records".to_owned(), 5120, Some(5120))));
        bar.show(progress("owners", 7, 10));
        assert_eq!(shown(&bar), Some(("owners".to_owned(), 7, Some(10))));
        // It leaves nothing behind.
        let last = bar.shown.clone().unwrap();
        drop(bar);
        assert!(last.is_finished());
    }

    #[test]
    fn no_bar_is_shown_to_nobody_or_within_the_first_second() {
        for mut bar in [after(2 * PATIENCE, false), after(Duration::ZERO, true)] {
            bar.show(progress("records", 1024, 5000));
            assert_eq!(shown(&bar), None);
        }
    }
}
