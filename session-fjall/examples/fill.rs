//! Fills a folder with sessions, to try the command line on a large store:
//!
//! ```sh
//! cargo run --release -p session-fjall --example fill -- /tmp/sessions 1000000
//! ```
//!
//! Records have about 300 bytes. A tenth has expired, every other one has an owner, and an owner has two sessions.

#[path = "../tests/support/mod.rs"]
mod support;

use session_core::{Admission, Clock, Created, Store, SystemClock};
use session_fjall::FjallStore;
use support::{HOUR, at, key, sample};

const IN_FLIGHT: u64 = 512;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("say where to: fill FOLDER SESSIONS")?;
    let sessions: u64 = arguments.next().ok_or("say how many: fill FOLDER SESSIONS")?.parse()?;
    let now = SystemClock::new().now().unix_millis();
    let store = FjallStore::open(&folder)?;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..IN_FLIGHT {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (lane..sessions).step_by(IN_FLIGHT as usize) {
                let mut sample = sample(number);
                sample.payload = 230;
                // Began within the last twenty hours; idle for two at most.
                sample.created_at = now - number % (20 * HOUR);
                sample.seen_at = sample.created_at.max(now - number % (2 * HOUR));
                sample.idle = Some(3 * HOUR);
                sample.absolute = Some(if number.is_multiple_of(10) { HOUR } else { 100 * HOUR });
                if number.is_multiple_of(10) {
                    sample.created_at = now - 30 * HOUR;
                }
                if number.is_multiple_of(2) {
                    sample.owner = Some(format!("user {}", number / 4));
                }
                let record = sample.record();
                let (admission, now) = (Admission::default(), at(now));
                let created = store.create(key(number), record, admission, now).await;
                assert_eq!(created.expect("the disk has room"), Created::Stored);
            }
        });
    }
    tasks.join_all().await;
    store.close().await?;
    Ok(())
}
