//! Points in time in human words: relative to now, and as a date in UTC.

use std::time::Duration;

use session_core::Timestamp;
use time::OffsetDateTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// "3 minutes ago", "in 30 days", "just now".
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        match span(at.saturating_since(now)) {
            Some(span) => format!("in {span}"),
            None => "in a moment".to_owned(),
        }
    } else {
        match span(now.saturating_since(at)) {
            Some(span) => format!("{span} ago"),
            None => "just now".to_owned(),
        }
    }
}

/// "23 November 2026, 20:01 UTC".
pub fn utc(at: Timestamp) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{} {} {}, {:02}:{:02} UTC",
        at.day(),
        at.month(),
        at.year(),
        at.hour(),
        at.minute()
    )
}

/// The span in the largest unit that fits, rounded to the nearest; days from two on, as "24 hours" is what people say. `None`
/// below ten seconds.
fn span(span: Duration) -> Option<String> {
    const SMALLEST: u64 = 10;
    const TWO_DAYS: u64 = 2 * DAY;
    let seconds = (span.as_millis() as u64 + 500) / 1000;
    let (unit, name) = match seconds {
        0..SMALLEST => return None,
        SMALLEST..MINUTE => (1, "second"),
        MINUTE..HOUR => (MINUTE, "minute"),
        HOUR..TWO_DAYS => (HOUR, "hour"),
        TWO_DAYS.. => (DAY, "day"),
    };
    let count = (seconds + unit / 2) / unit;
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{count} {name}{plural}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_795_464_060_000);

    #[track_caller]
    fn reads(seconds: i64, words: &str) {
        let millis = NOW.unix_millis().saturating_add_signed(seconds * 1000);
        assert_eq!(relative(Timestamp::from_unix_millis(millis), NOW), words);
    }

    #[test]
    fn the_past_is_ago_and_the_future_is_in() {
        reads(-180, "3 minutes ago");
        reads(30 * 24 * 3600, "in 30 days");
    }

    #[test]
    fn the_nearest_number_of_the_largest_unit_counts() {
        reads(24 * 3600 - 1, "in 24 hours");
        reads(50 * 3600, "in 2 days");
        reads(-90, "2 minutes ago");
        reads(-45, "45 seconds ago");
    }

    #[test]
    fn a_few_seconds_are_no_time() {
        reads(0, "just now");
        reads(-9, "just now");
        reads(5, "in a moment");
    }

    #[test]
    fn a_date_is_in_utc() {
        assert_eq!(utc(NOW), "23 November 2026, 20:01 UTC");
    }
}
