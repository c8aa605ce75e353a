//! What is with the operating system, where the end of this process does not reach it: a copy of the folder is what a kill would leave.

#[allow(dead_code)]
#[path = "../../../tests/torture/disk.rs"]
mod disk;

use session_core::{OwnerLimit, Replaced, Revocations, Rotation, Touched};

use super::*;
use crate::support::SECOND;

/// What would be found if this process were killed now.
fn left_by_a_kill(folder: &Path) -> (tempfile::TempDir, FjallStore) {
    let left = tempfile::tempdir().unwrap();
    disk::copy(folder, left.path());
    let store = FjallStore::open(left.path()).unwrap();
    (left, store)
}

/// The sessions that are there after two minutes, of the first four.
async fn sessions(store: &FjallStore) -> Vec<u64> {
    let now = at(START + 120 * SECOND);
    let mut found = Vec::new();
    for number in 0..4 {
        if store.load(key(number), now).await.unwrap().is_some() {
            found.push(number);
        }
    }
    found
}

type Answer<T> = tokio::sync::oneshot::Receiver<Result<T>>;

fn request<T>(request: impl FnOnce(Reply<T>) -> Request) -> (Request, Answer<T>) {
    let (reply, answer) = Reply::channel();
    (request(reply), answer)
}

fn create(number: u64) -> (Request, Answer<Created>) {
    request(|reply| Request::Create {
        key: key(number),
        record: sample(number).owner("alice").record(),
        admission: Admission::default(),
        now: at(START),
        reply,
    })
}

#[tokio::test]
async fn whoever_is_answered_is_remembered_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    let mut answers = Vec::new();
    for number in 0..3 {
        let (request, answer) = create(number);
        send.send(request).unwrap();
        answers.push(answer);
    }
    let _ = committer.step();
    for mut answer in answers {
        assert_eq!(answer.try_recv().unwrap().unwrap(), Created::Stored);
    }
    let (_left, store) = left_by_a_kill(home.path());
    assert_eq!(sessions(&store).await, [0, 1, 2]);
    // The same for what changes a session.
    let mut changed = sample(0).owner("alice");
    changed.revision = 2;
    let (replace, mut replaced) = request(|reply| Request::Replace {
        key: key(0),
        expected: 1,
        record: changed.record(),
        now: at(START),
        reply,
    });
    let seen_at = at(START + 9000);
    let (touch, mut touched) = request(|reply| Request::Touch {
        key: key(1),
        seen_at,
        reply,
    });
    send.send(replace).unwrap();
    send.send(touch).unwrap();
    let _ = committer.step();
    assert_eq!(replaced.try_recv().unwrap().unwrap(), Replaced::Stored);
    assert_eq!(touched.try_recv().unwrap().unwrap(), Touched::Recorded);
    let (_left, store) = left_by_a_kill(home.path());
    assert_eq!(store.load(key(0), at(START)).await.unwrap(), Some(changed.record()));
    let touched = store.load(key(1), seen_at).await.unwrap().unwrap();
    assert_eq!(touched.seen_at(), seen_at);
}

#[tokio::test]
async fn an_end_that_somebody_may_have_seen_holds_after_a_kill_although_nobody_is_answered_yet() {
    let later = |number| {
        let mut later = sample(number).owner("alice");
        later.revision = 2;
        later
    };
    let (rotate, mut rotated) = request(|reply| Request::Rotate {
        rotation: Rotation::new(key(0), 1, key(3), later(0).record(), at(START)),
        reply,
    });
    let (delete, mut deleted) = request(|reply| Request::Delete { key: key(0), reply });
    let (revoke, mut revoked) = request(|reply| Request::Revoke {
        owner: session_core::Owner::new("alice").unwrap(),
        which: Revoke::One(sample(0).handle()),
        now: at(START),
        reply,
    });
    let began = Revocations::new().epoch();
    let (login, mut displaced) = request(|reply| Request::Create {
        key: key(3),
        record: sample(3).owner("alice").record(),
        admission: Admission::new(began).with_limit(OwnerLimit::end_oldest(1).unwrap()),
        now: at(START),
        reply,
    });
    let waits = Arc::new(());
    let (clear, mut cleared) = request(|reply| Request::Clear {
        from: None,
        caller: Arc::downgrade(&waits),
        reply,
    });
    let mut short = later(0);
    short.absolute = Some(60 * SECOND);
    let (shorten, mut shortened) = request(|reply| Request::Replace {
        key: key(0),
        expected: 1,
        record: short.record(),
        now: at(START),
        reply,
    });
    for (what, request, left) in [
        ("renewed", rotate, &[3][..]),
        ("deleted", delete, &[]),
        ("revoked", revoke, &[]),
        ("displaced", login, &[3]),
        ("cleared", clear, &[]),
        ("shortened", shorten, &[]),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (send, mut committer) = by_hand(home.path(), Durability::Process);
        send.send(create(0).0).unwrap();
        let _ = committer.step();
        committer.carry_out(request);
        let (_left, store) = left_by_a_kill(home.path());
        assert_eq!(sessions(&store).await, left, "{what}");
        store.verify().unwrap();
    }
    assert!(rotated.try_recv().is_err() && deleted.try_recv().is_err() && revoked.try_recv().is_err());
    assert!(displaced.try_recv().is_err() && cleared.try_recv().is_err() && shortened.try_recv().is_err());
}

#[tokio::test]
async fn whoever_was_served_before_the_database_broke_is_told_so_and_remembered() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    let (first, mut created) = create(0);
    let (broken, mut failed) = request(|reply| Request::Break { reply });
    send.send(first).unwrap();
    send.send(broken).unwrap();
    let _ = committer.step();
    assert_eq!(created.try_recv().unwrap().unwrap(), Created::Stored);
    let error = failed.try_recv().unwrap().unwrap_err();
    assert!(error.to_string().contains("may or may not have happened"), "{error}");
    let (_left, store) = left_by_a_kill(home.path());
    assert_eq!(sessions(&store).await, [0]);
}

/// Otherwise they could load what the database may not hold.
#[tokio::test]
async fn whoever_hears_of_a_failed_write_can_load_nothing_from_memory() {
    let home = tempfile::tempdir().unwrap();
    let (_send, mut committer) = by_hand(home.path(), Durability::Process);
    committer.carry_out(create(0).0);
    let (broken, mut failed) = request(|reply| Request::Break { reply });
    assert!(committer.shared.cache.get(key(0)).is_some());
    committer.carry_out(broken);
    assert!(failed.try_recv().is_err(), "it has heard already");
    assert!(committer.shared.cache.get(key(0)).is_none());
    committer.settle(Err(()));
    assert!(failed.try_recv().unwrap().is_err());
}
