//! [`Report`]: what a command found, printed as it is found and written to a file of its own beside its plots.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::goals::Goal;
use crate::machine;
use crate::plot::{Bars, Course, Lines};

/// The results of one command.
pub struct Report {
    folder: PathBuf,
    name: &'static str,
    text: String,
    load_before: f64,
}

impl Report {
    /// Begins one: `name` is the command.
    pub fn new(folder: &Path, name: &'static str, title: &str, packages: &[&str]) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut report = Self {
            folder: folder.to_owned(),
            name,
            text: String::new(),
            load_before: machine::load_average(),
        };
        report.say(&format!("# {title}\n"));
        report.say(&format!(
            "`cargo run --release -p bench -- {}`, {}.\n",
            // A report of its own, with the same command.
            name.replace("-large", " --large"),
            machine::date()
        ));
        report.say(&format!("- Machine: {}", machine::machine()));
        report.say(&format!("- Programs: {}", machine::programs()));
        report.say(&format!("- Libraries: {}\n", machine::versions(packages)));
        Ok(report)
    }

    fn say(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub fn section(&mut self, title: &str, explanation: &str) {
        self.say(&format!("## {title}\n\n{explanation}\n"));
    }

    pub fn note(&mut self, text: &str) {
        self.say(&format!("{text}\n"));
    }

    pub fn table(&mut self, table: &Table) {
        self.say(&table.markdown());
    }

    /// Draws `<command>-<name>.svg` and shows it here.
    pub fn bars(&mut self, name: &str, bars: &Bars) -> Result<()> {
        let file = format!("{}-{name}.svg", self.name);
        bars.draw(&self.folder.join(&file))?;
        self.say(&format!("![{}]({file})\n", bars.title));
        Ok(())
    }

    /// The same for curves.
    pub fn lines(&mut self, name: &str, lines: &Lines) -> Result<()> {
        let file = format!("{}-{name}.svg", self.name);
        lines.draw(&self.folder.join(&file))?;
        self.say(&format!("![{}]({file})\n", lines.title));
        Ok(())
    }

    /// The same for what was seen over time.
    pub fn course(&mut self, name: &str, course: &Course) -> Result<()> {
        let file = format!("{}-{name}.svg", self.name);
        course.draw(&self.folder.join(&file))?;
        self.say(&format!("![{}]({file})\n", course.title));
        Ok(())
    }

    pub fn goals(&mut self, goals: &[Goal]) {
        self.section("Goals", "What was required, and what was found in this run.");
        let mut table = Table::new(&["goal", "required", "found", "verdict"]);
        for goal in goals {
            table.row([
                goal.what.clone(),
                goal.required.clone(),
                goal.found.clone(),
                goal.verdict().to_owned(),
            ]);
        }
        self.table(&table);
    }

    /// Writes the file.
    pub fn finish(mut self) -> Result<()> {
        let (before, after) = (self.load_before, machine::load_average());
        self.say(&format!(
            "Load average before {before:.1}, after {after:.1} on {} processors. Others are at work if it was above 0.5 before: then trust \
             ratios more than times.",
            machine::processors()
        ));
        let path = self.folder.join(format!("{}.md", self.name));
        fs::write(&path, &self.text).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("written to {}", path.display());
        Ok(())
    }
}

/// A table in markdown: the first column is text, the others are figures.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String> + Clone>(head: &[S]) -> Self {
        Self {
            head: head.iter().cloned().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn markdown(&self) -> String {
        let columns = self.head.len();
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .chain([&self.head[column]]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let line = |cells: &[String]| {
            let padded = (0..columns).map(|column| {
                let cell = cells.get(column).map_or("", String::as_str);
                let gap = " ".repeat(widths[column] - cell.chars().count());
                if column == 0 {
                    format!("{cell}{gap}")
                } else {
                    format!("{gap}{cell}")
                }
            });
            format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
        };
        let rule = widths.iter().enumerate().map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => format!("{}:", "-".repeat(width.saturating_sub(1))),
        });
        let mut text = line(&self.head);
        text += &line(&rule.collect::<Vec<_>>());
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

/// A figure with as many digits as it deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "–".to_owned(),
        size if size >= 10_000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_they_deserve() {
        assert_eq!(number(0.456), "0.46");
        assert_eq!(number(99.96), "100.0");
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(-1_234_567.0), "-1,234,567");
        assert_eq!(number(f64::NAN), "–");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["peer", "ns"]);
        table.row(["ours".to_owned(), "12345".to_owned()]);
        assert_eq!(
            table.markdown(),
            "| peer |    ns |\n| ---- | ----: |\n| ours | 12345 |\n"
        );
    }
}
