//! Where and with what was measured: the machine, the versions, the date, and how busy others were.

use std::fs;
use std::process::Command;

use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

/// The first line of what a program says about itself.
fn said(program: &str, argument: &str) -> String {
    Command::new(program)
        .arg(argument)
        .output()
        .ok()
        .and_then(|output| Some(String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned()))
        .unwrap_or_else(|| format!("{program} not found"))
}

fn line_of(path: &str, start: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(start))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How many tasks wanted a processor in the last minute, on average.
pub fn load_average() -> f64 {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(f64::NAN)
}

pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// One line about the machine.
pub fn machine() -> String {
    let model = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = line_of("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(String::new, |kib| format!(", {:.0} GiB", kib / 1024.0 / 1024.0));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} × {model}{memory}, Linux {}", processors(), kernel.trim())
}

pub fn date() -> String {
    let date = OffsetDateTime::now_utc().date();
    date.format(&Iso8601::DATE).expect("a date has an ISO form")
}

/// The programs that take part.
pub fn programs() -> String {
    format!("{}; {}", said("rustc", "--version"), said("redis-server", "--version"))
}

/// The versions of these packages, as they are linked.
pub fn versions(packages: &[&str]) -> String {
    let lock = include_str!("../Cargo.lock");
    let mut found = Vec::new();
    for package in packages {
        let name = format!("name = \"{package}\"");
        let mut versions = Vec::new();
        let mut lines = lock.lines();
        while let Some(line) = lines.next() {
            if line == name
                && let Some(version) = lines.next().and_then(|line| line.strip_prefix("version = "))
            {
                versions.push(version.trim_matches('"'));
            }
        }
        found.push(format!("{package} {}", versions.join(" and ")));
    }
    found.join(", ")
}
