//! What the server takes over time, and whether that grows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::server::Count;
use crate::goals::Goal;
use crate::measure::Samples;
use crate::process::bytes_of;
use crate::report::number;

/// One look at the server and its folder.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the load began.
    pub at: Duration,
    /// Bytes of memory.
    pub resident: u64,
    /// Open file descriptors.
    pub open: u64,
    pub threads: u64,
    /// Files in the folder.
    pub files: u64,
    /// Bytes that they occupy.
    pub disk: u64,
    /// Bytes that the process had written to the disk so far.
    pub written: u64,
    pub count: Count,
    /// µs of the requests since the last sample.
    pub latencies: Samples,
}

impl Sample {
    pub fn take(process: u32, folder: &Path, at: Duration, count: Count, latencies: Samples) -> Result<Self> {
        let line = |file: &str, start: &str| -> Result<u64> {
            let text = fs::read_to_string(format!("/proc/{process}/{file}")).context("the server has ended")?;
            let line = text.lines().find_map(|line| line.strip_prefix(start));
            let figure = line.and_then(|line| line.split_whitespace().next());
            Ok(figure.with_context(|| format!("{file} has no {start}"))?.parse()?)
        };
        Ok(Self {
            at,
            resident: line("status", "VmRSS:")? * 1024,
            threads: line("status", "Threads:")?,
            open: fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64,
            files: files_in(folder),
            disk: patiently(|| bytes_of(folder))?,
            written: line("io", "write_bytes:")?,
            count,
            latencies,
        })
    }

    pub fn minutes(&self) -> f64 {
        self.at.as_secs_f64() / 60.0
    }
}

/// The engine removes files while they are counted.
fn patiently<T>(mut look: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..20 {
        if let Ok(seen) = look() {
            return Ok(seen);
        }
    }
    look()
}

fn files_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let entries = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_in(&entry.path()),
        _ => 1,
    });
    entries.sum()
}

/// How much more than in the middle something may take in the end.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub part: f64,
    pub more: f64,
}

/// The median of the last sixth of a run is compared with that of its middle fifth: what is small at the start, and fills up, has filled by
/// then. Two caches of 64 MiB take twelve minutes of half an hour.
pub fn flat(what: &str, unit: &str, tolerance: Tolerance, series: &[Sample], figure: impl Fn(&Sample) -> f64) -> Goal {
    let whole = series.last().map_or(Duration::ZERO, |last| last.at);
    let within = |from: f64, to: f64| -> Samples {
        let chosen = series
            .iter()
            .filter(|sample| (whole.mul_f64(from)..=whole.mul_f64(to)).contains(&sample.at));
        chosen.map(&figure).collect()
    };
    let (middle, late) = (within(2.0 / 5.0, 3.0 / 5.0).median(), within(5.0 / 6.0, 1.0).median());
    let mut goal = Goal::at_most(what, middle * (1.0 + tolerance.part) + tolerance.more, unit, late);
    goal.found += &format!(", in the middle {}", number(middle));
    goal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(resident: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |second| Sample {
            at: Duration::from_secs(second),
            resident: resident(second),
            open: 0,
            threads: 0,
            files: 0,
            disk: 0,
            written: 0,
            count: Count::default(),
            latencies: Samples::default(),
        };
        (0..=60).map(sample).collect()
    }

    fn verdict(resident: impl Fn(u64) -> u64) -> bool {
        let tolerance = Tolerance { part: 0.04, more: 4.0 };
        flat("memory", "", tolerance, &series(resident), |sample| {
            sample.resident as f64
        })
        .is_met()
    }

    #[test]
    fn what_fills_up_and_stays_is_flat() {
        assert!(verdict(|second| second.min(10) * 100));
        assert!(verdict(|second| 1000 + second % 7 * 10));
    }

    #[test]
    fn what_goes_on_growing_is_not() {
        assert!(!verdict(|second| 1000 + second * 5));
    }
}
