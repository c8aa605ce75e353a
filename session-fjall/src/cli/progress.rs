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
