//! [`Progress`]: how far a walk over a whole store has come.

/// How far a walk over a store has come. What takes seconds on a large store reports it about every thousand entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being walked over, for example `"records"`.
    pub walking: &'static str,
    /// Entries done.
    pub done: u64,
    /// About how many there are; what was overwritten or removed lately may still count.
    pub about: u64,
}

/// Counts entries, and reports now and then.
pub(crate) struct Meter<'a> {
    report: &'a mut dyn FnMut(Progress),
    now: Progress,
}

const EVERY: u64 = 1024;

impl<'a> Meter<'a> {
    pub(crate) fn new(report: &'a mut dyn FnMut(Progress)) -> Self {
        let now = Progress {
            walking: "",
            done: 0,
            about: 0,
        };
        Self { report, now }
    }

    /// Starts on the next keyspace.
    pub(crate) fn start(&mut self, walking: &'static str, about: usize) {
        self.now = Progress {
            walking,
            done: 0,
            about: about as u64,
        };
        (self.report)(self.now);
    }

    pub(crate) fn tick(&mut self) {
        self.now.done += 1;
        if self.now.done.is_multiple_of(EVERY) {
            (self.report)(self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_reports_when_it_starts_and_then_every_thousand_entries_or_so() {
        let mut reports = Vec::new();
        let mut report = |now: Progress| reports.push((now.walking, now.done, now.about));
        let mut meter = Meter::new(&mut report);
        meter.start("records", 5000);
        for _ in 0..2 * EVERY + 5 {
            meter.tick();
        }
        meter.start("owners", 7);
        meter.tick();
        assert_eq!(
            reports,
            [
                ("records", 0, 5000),
                ("records", EVERY, 5000),
                ("records", 2 * EVERY, 5000),
                ("owners", 0, 7)
            ]
        );
    }
}
