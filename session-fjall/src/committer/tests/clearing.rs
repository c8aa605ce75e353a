//! Clearings that are under way: the committer remembers how far each has come, so that no session is renewed past it.

use session_core::{Rotated, Rotation, StoreKey};

use super::*;

fn create(send: &flume::Sender<Request>, key: StoreKey) {
    let (reply, _created) = Reply::channel();
    let request = Request::Create {
        key,
        record: sample(1).record(),
        admission: Admission::default(),
        now: at(START),
        reply,
    };
    send.send(request).unwrap();
}

/// One chunk; answers where the next one begins.
fn clear(
    send: &flume::Sender<Request>,
    committer: &mut Committer,
    from: Option<StoreKey>,
    caller: &Arc<()>,
) -> Option<StoreKey> {
    let (reply, cleared) = Reply::channel();
    let caller = Arc::downgrade(caller);
    send.send(Request::Clear { from, caller, reply }).unwrap();
    let _ = committer.step();
    cleared.blocking_recv().unwrap().unwrap().next
}

#[test]
fn a_clearing_is_kept_in_mind_once_and_only_while_somebody_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    (0..400).for_each(|number| create(&send, key(number)));
    let _ = committer.step();
    let (one, other) = (Arc::new(()), Arc::new(()));
    let next = clear(&send, &mut committer, None, &one);
    assert_eq!((next.is_some(), committer.clearings.len()), (true, 1));
    let next = clear(&send, &mut committer, next, &one);
    assert_eq!((next.is_some(), committer.clearings.len()), (true, 1));
    let next = clear(&send, &mut committer, None, &other);
    assert_eq!((next.is_some(), committer.clearings.len()), (true, 2));
    drop(one);
    assert_eq!(clear(&send, &mut committer, next, &other), None);
    assert!(committer.clearings.is_empty());
}

#[test]
fn a_renewal_is_an_end_only_if_it_would_escape_a_clearing_that_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (send, mut committer) = by_hand(home.path(), Durability::Process);
    (0..300).for_each(|number| create(&send, key(number)));
    let _ = committer.step();
    let caller = Arc::new(());
    let done = clear(&send, &mut committer, None, &caller).unwrap();

    let mut waiting = (0..300).map(key).filter(|key| *key >= done);
    let mut waiting = || waiting.next().unwrap();
    let (mut below, mut above) = (
        (300..).map(key).filter(|key| *key < done),
        (300..).map(key).filter(|key| *key >= done),
    );
    let (mut below, mut above) = (|| below.next().unwrap(), || above.next().unwrap());
    let (late, later) = (below(), below());
    create(&send, late);
    let mut rotate = |old, new| {
        let (reply, rotated) = Reply::channel();
        let record = sample(1).record();
        let rotation = Rotation::new(old, record.revision(), new, record, at(START));
        send.send(Request::Rotate { rotation, reply }).unwrap();
        let _ = committer.step();
        rotated.blocking_recv().unwrap().unwrap()
    };
    assert_eq!(rotate(waiting(), above()), Rotated::Stored);
    assert_eq!(
        rotate(late, later),
        Rotated::Stored,
        "it began after the clearing came by"
    );
    assert_eq!(rotate(later, above()), Rotated::Stored);
    assert_eq!(rotate(waiting(), below()), Rotated::Gone);
    drop(caller);
    assert_eq!(rotate(waiting(), below()), Rotated::Stored, "nobody clears any more");
}
