//! What clients called and were answered, by a clock that all processes of a machine share: `CLOCK_MONOTONIC`. A history is a file a
//! process, two lines an operation: `time > number operation`, written before anything is sent, and `time < number outcome`. Each line is
//! one `write`, so a process that is killed leaves what it had begun.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds; comparable between processes.
pub(crate) type Nanos = u64;

pub(crate) fn present() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Keys, sessions and owners are numbers. A key is used once; a session has the number of its first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create {
        key: u64,
        owner: Option<u64>,
    },
    Load {
        key: u64,
    },
    /// Loads, and replaces until there is no conflict.
    Increment {
        key: u64,
    },
    /// A renewal, or a login of that owner.
    Rotate {
        old: u64,
        new: u64,
        login: Option<u64>,
    },
    Touch {
        key: u64,
    },
    Delete {
        key: u64,
    },
    Revoke {
        owner: u64,
        which: Which,
    },
    /// All pages.
    List {
        owner: u64,
    },
}

/// Which sessions of an owner are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Others(u64),
    One(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// A load found a session with this count.
    Found(u64),
    /// An increment left this count.
    Counted(u64),
    /// "There is no such session."
    Absent,
    /// A login was refused because of a revocation.
    Revoked,
    /// Certainly nothing was changed: too many conflicts, or an error before anything was sent that changes something.
    Failed,
    Listed(Vec<Listed>),
    /// An error, or no answer before the process was killed: it may have been done, or may be yet.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: u64,
    pub(crate) session: u64,
    pub(crate) count: u64,
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) process: u64,
    pub(crate) op: Op,
    pub(crate) called: Nanos,
    /// `Nanos::MAX` if its process was killed first.
    pub(crate) answered: Nanos,
    pub(crate) outcome: Outcome,
}

/// Writes the history of one process.
pub(crate) struct Recorder {
    file: File,
    next: AtomicU64,
}

impl Recorder {
    pub(crate) fn create(folder: &Path, process: u64) -> Self {
        let path = folder.join(format!("{process}.history"));
        let file = File::options().append(true).create_new(true).open(path);
        Self {
            file: file.expect("a history of its own for each process"),
            next: AtomicU64::new(1),
        }
    }

    /// Right before an operation.
    pub(crate) fn called(&self, op: Op) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.line(&format!("{} > {number} {}\n", present(), op.text()));
        number
    }

    /// Right behind it.
    pub(crate) fn answered(&self, number: u64, outcome: &Outcome) {
        self.line(&format!("{} < {number} {}\n", present(), outcome.text()));
    }

    fn line(&self, line: &str) {
        (&self.file)
            .write_all(line.as_bytes())
            .expect("there is room for a history");
    }
}

/// The histories of all processes in a folder, by the time of the call.
pub(crate) fn read(folder: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder of histories").flatten() {
        let name = file.file_name().into_string().expect("we named it");
        let Some(process) = name.strip_suffix(".history").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(file.path()).expect("a readable history");
        read_one(process, &text, &mut events);
    }
    events.sort_by_key(|event| event.called);
    events
}

fn read_one(process: u64, text: &str, events: &mut Vec<Event>) {
    let mut open: HashMap<u64, usize> = HashMap::new();
    // What is behind the last line break was cut short by a kill.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [time, side, number, rest @ ..] = words.as_slice() else {
            panic!("not a line of a history: {line}");
        };
        let (time, number) = (parsed(time), parsed(number));
        if *side == ">" {
            open.insert(number, events.len());
            events.push(Event {
                process,
                op: Op::of(rest),
                called: time,
                answered: Nanos::MAX,
                outcome: Outcome::Unknown,
            });
        } else {
            let event = &mut events[open.remove(&number).expect("it was called")];
            event.answered = time;
            event.outcome = Outcome::of(rest);
        }
    }
}

fn parsed(word: &str) -> u64 {
    word.parse().expect("a number in a history")
}

fn optional(word: &str) -> Option<u64> {
    (word != "-").then(|| parsed(word))
}

fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

impl Op {
    fn text(self) -> String {
        match self {
            Self::Create { key, owner } => format!("create {key} {}", shown(owner)),
            Self::Load { key } => format!("load {key}"),
            Self::Increment { key } => format!("increment {key}"),
            Self::Rotate { old, new, login } => format!("rotate {old} {new} {}", shown(login)),
            Self::Touch { key } => format!("touch {key}"),
            Self::Delete { key } => format!("delete {key}"),
            Self::Revoke { owner, which } => match which {
                Which::All => format!("revoke {owner} all -"),
                Which::Others(kept) => format!("revoke {owner} others {kept}"),
                Which::One(one) => format!("revoke {owner} one {one}"),
            },
            Self::List { owner } => format!("list {owner}"),
        }
    }

    fn of(words: &[&str]) -> Self {
        match *words {
            ["create", key, owner] => Self::Create {
                key: parsed(key),
                owner: optional(owner),
            },
            ["load", key] => Self::Load { key: parsed(key) },
            ["increment", key] => Self::Increment { key: parsed(key) },
            ["rotate", old, new, login] => Self::Rotate {
                old: parsed(old),
                new: parsed(new),
                login: optional(login),
            },
            ["touch", key] => Self::Touch { key: parsed(key) },
            ["delete", key] => Self::Delete { key: parsed(key) },
            ["revoke", owner, which, session] => Self::Revoke {
                owner: parsed(owner),
                which: match which {
                    "all" => Which::All,
                    "others" => Which::Others(parsed(session)),
                    _ => Which::One(parsed(session)),
                },
            },
            ["list", owner] => Self::List { owner: parsed(owner) },
            _ => panic!("not an operation: {words:?}"),
        }
    }
}

impl Outcome {
    fn text(&self) -> String {
        match self {
            Self::Done => "done".to_owned(),
            Self::Found(count) => format!("found {count}"),
            Self::Counted(count) => format!("counted {count}"),
            Self::Absent => "absent".to_owned(),
            Self::Revoked => "revoked".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Unknown => "unknown".to_owned(),
            Self::Listed(all) => all.iter().fold("listed".to_owned(), |mut text, one| {
                let _ = write!(text, " {}:{}:{}", one.key, one.session, one.count);
                text
            }),
        }
    }

    fn of(words: &[&str]) -> Self {
        match *words {
            ["done"] => Self::Done,
            ["found", count] => Self::Found(parsed(count)),
            ["counted", count] => Self::Counted(parsed(count)),
            ["absent"] => Self::Absent,
            ["revoked"] => Self::Revoked,
            ["failed"] => Self::Failed,
            ["unknown"] => Self::Unknown,
            ["listed", ref all @ ..] => Self::Listed(all.iter().map(|one| listed(one)).collect()),
            _ => panic!("not an outcome: {words:?}"),
        }
    }
}

fn listed(text: &str) -> Listed {
    let numbers: Vec<u64> = text.split(':').map(parsed).collect();
    let [key, session, count] = numbers[..] else {
        panic!("not an entry of a list: {text}");
    };
    Listed { key, session, count }
}

#[test]
fn a_history_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recorder = Recorder::create(folder.path(), 7);
    let both = [
        (Op::Create { key: 1, owner: None }, Outcome::Done),
        (Op::Load { key: 1 }, Outcome::Found(3)),
        (Op::Increment { key: 1 }, Outcome::Counted(4)),
        (
            Op::Rotate {
                old: 1,
                new: 2,
                login: Some(9),
            },
            Outcome::Revoked,
        ),
        (Op::Touch { key: 2 }, Outcome::Absent),
        (
            Op::List { owner: 9 },
            Outcome::Listed(vec![Listed {
                key: 1,
                session: 2,
                count: 3,
            }]),
        ),
        (Op::Delete { key: 2 }, Outcome::Failed),
        (
            Op::Revoke {
                owner: 9,
                which: Which::Others(1),
            },
            Outcome::Unknown,
        ),
    ];
    for (op, outcome) in &both {
        let number = recorder.called(*op);
        recorder.answered(number, outcome);
    }
    let killed = Op::Delete { key: 1 };
    recorder.called(killed);
    recorder.line("17 < 9 do");
    let events = read(folder.path());
    assert_eq!(events.len(), both.len() + 1);
    for (event, (op, outcome)) in events.iter().zip(&both) {
        assert_eq!((event.process, event.op, &event.outcome), (7, *op, outcome));
        assert!(event.called <= event.answered && event.answered < Nanos::MAX);
    }
    let last = &events[both.len()];
    assert_eq!(
        (last.op, last.answered, &last.outcome),
        (killed, Nanos::MAX, &Outcome::Unknown)
    );
}
