//! What opening a store says in the log. In a process of its own: what is logged is decided once for all threads.
#![allow(clippy::unwrap_used)] // clippy takes helper functions of a test for something else

mod damage;
mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use session_fjall::FjallStore;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that opening this store logs; each names it.
fn said(path: &Path) -> Vec<String> {
    let captured = Captured::default();
    let lines = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || captured.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || drop(FjallStore::open(path).unwrap()));
    let lines = lines.0.lock().unwrap();
    let lines: Vec<_> = String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect();
    assert!(
        lines.iter().all(|line| line.contains(path.to_str().unwrap())),
        "{lines:?}"
    );
    lines
}

/// One test: a line that was not wanted once may be left out for the others too.
#[tokio::test]
async fn what_may_have_been_lost_or_seen_by_others_is_said_and_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sessions");
    assert_eq!(said(&path).len(), 0);
    damage::filled(&path, 3).await;
    assert_eq!(said(&path).len(), 0);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o750, 0o701] {
            set(mode);
            let lines = said(&path);
            assert!(
                lines.len() == 1 && lines[0].contains("chmod 700") && lines[0].contains(&format!("{mode:o}")),
                "{lines:?}"
            );
        }
        set(0o700);
    }

    // A batch that is not whole, as a crash leaves it.
    let database = fs::read_dir(path.join("db")).unwrap();
    let journal = database
        .map(|entry| entry.unwrap().path())
        .find(|file| file.extension().is_some_and(|kind| kind == "jnl"))
        .unwrap();
    let mut content = fs::read(&journal).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    content.truncate(end);
    content.extend([1, 1, 0, 0, 0, 9]);
    fs::write(&journal, content).unwrap();
    let lines = said(&path);
    assert!(
        lines.len() == 1 && lines[0].contains("incomplete") && lines[0].contains("bytes=6"),
        "{lines:?}"
    );
    assert_eq!(said(&path).len(), 0);
}
