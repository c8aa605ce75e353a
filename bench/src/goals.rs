//! [`Goal`]: what was required, what was found, and whether that is met.

use crate::report::number;

#[derive(Clone, Debug)]
pub struct Goal {
    pub what: String,
    pub required: String,
    pub found: String,
    met: bool,
}

impl Goal {
    /// At most so much.
    pub fn at_most(what: impl Into<String>, limit: f64, unit: &str, found: f64) -> Self {
        Self {
            what: what.into(),
            required: format!("≤ {}{unit}", number(limit)),
            found: format!("{}{unit}", number(found)),
            met: found <= limit,
        }
    }

    /// At least so much.
    pub fn at_least(what: impl Into<String>, limit: f64, unit: &str, found: f64) -> Self {
        Self {
            what: what.into(),
            required: format!("≥ {}{unit}", number(limit)),
            found: format!("{}{unit}", number(found)),
            met: found >= limit,
        }
    }

    /// At most this part of what a peer took.
    pub fn ratio(what: impl Into<String>, limit: f64, ours: f64, theirs: f64) -> Self {
        let mut goal = Self::at_most(what, limit, " ×", ours / theirs);
        goal.found += &format!(" ({} / {})", number(ours), number(theirs));
        goal
    }

    pub fn is_met(&self) -> bool {
        self.met
    }

    pub fn verdict(&self) -> &'static str {
        if self.met { "met" } else { "MISSED" }
    }
}
