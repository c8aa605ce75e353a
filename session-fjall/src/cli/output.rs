//! How things are shown: text for people, JSON for programs. What comes from users is made harmless to a terminal.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table};
use console::Term;
use serde_json::Value;
use session_core::Timestamp;

/// What the output is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// Where results go: the standard output.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) format: Format,
    to: io::Stdout,
}

/// Columns where there is no terminal.
const WIDTH: u16 = 120;

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            to: io::stdout(),
        }
    }

    /// One result: its text, or its JSON.
    pub(super) fn say(&mut self, text: &str, json: &Value) -> io::Result<()> {
        match self.format {
            Format::Text => writeln!(self.to, "{text}"),
            Format::Json => writeln!(self.to, "{json}"),
        }
    }

    /// A heading with rows, no wider than the terminal; what is too long is cut.
    pub(super) fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width());
        if !head.is_empty() {
            table.set_header(head);
        }
        for cells in rows {
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        // Names are there to be copied.
        if let Some(first) = table.column_mut(0) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
        for line in table.lines() {
            writeln!(self.to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn width() -> u16 {
    Term::stdout()
        .size_checked()
        .map_or(WIDTH, |(_rows, columns)| columns.max(40))
}

/// Text of an application or its users, without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

/// A time in UTC, and how far away it is.
pub(super) fn time(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", to_the_second(at), distance(at, now))
}

/// How far away a time is, for a narrow column.
pub(super) fn distance(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", span(at.saturating_since(now)))
    } else {
        format!("{} ago", span(now.saturating_since(at)))
    }
}

fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis() / 1000 * 1000)
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A number of bytes.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// `1 session`, `2 sessions`.
pub(super) fn count(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(number))
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_users_wrote() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable("Zoë’s Telefon"), "Zoë’s Telefon");
    }

    #[test]
    fn times_are_shown_in_utc_and_by_their_distance() {
        let now = Timestamp::from_unix_millis(1_767_225_600_123);
        let later = now.saturating_add(Duration::from_secs(3 * 3600));
        assert_eq!(time(later, now), "2026-01-01T03:00:00Z (in 3 h)");
        assert_eq!(distance(now, later), "3 h ago");
        assert_eq!(distance(now, now), "0 s ago");
        for (seconds, shown) in [
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (172_799, "47 h"),
            (172_800, "2 days"),
            (40 * 86_400, "40 days"),
        ] {
            let later = now.saturating_add(Duration::from_secs(seconds));
            assert_eq!(distance(now, later), format!("{shown} ago"));
        }
    }

    #[test]
    fn numbers_are_easy_on_the_eye() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(300 * 1024 * 1024), "300.0 MiB");
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!(grouped(100), "100");
        assert_eq!(count(1, "session"), "1 session");
        assert_eq!(count(0, "session"), "0 sessions");
    }
}
