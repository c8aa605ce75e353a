//! The judge judged: a good history passes, and for each rule a bad one is found.

use crate::history::{Event, Listed, Nanos, Op, Outcome, Which};
use crate::judge::{Rule, judge};

fn event(called: Nanos, answered: Nanos, op: Op, outcome: Outcome) -> Event {
    Event {
        process: 1,
        op,
        called,
        answered,
        outcome,
    }
}

/// One operation behind the other, each takes ten.
fn in_turn(all: impl IntoIterator<Item = (Op, Outcome)>) -> Vec<Event> {
    let times = (1..).map(|turn| turn * 100);
    let events = times.zip(all);
    events
        .map(|(time, (op, outcome))| event(time, time + 10, op, outcome))
        .collect()
}

fn broken(mut events: Vec<Event>) -> Vec<Rule> {
    events.sort_by_key(|event| event.called);
    let mut rules: Vec<Rule> = judge(&events).iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

const ALICE: u64 = 7;

fn login(key: u64) -> (Op, Outcome) {
    let owner = Some(ALICE);
    (Op::Create { key, owner }, Outcome::Done)
}

fn found(key: u64, count: u64) -> (Op, Outcome) {
    (Op::Load { key }, Outcome::Found(count))
}

fn absent(key: u64) -> (Op, Outcome) {
    (Op::Load { key }, Outcome::Absent)
}

fn counted(key: u64, count: u64) -> (Op, Outcome) {
    (Op::Increment { key }, Outcome::Counted(count))
}

fn renewal(old: u64, new: u64) -> Op {
    Op::Rotate { old, new, login: None }
}

fn revocation(which: Which) -> Op {
    Op::Revoke { owner: ALICE, which }
}

fn list(sessions: &[(u64, u64)]) -> (Op, Outcome) {
    let listed = |(key, session): &(u64, u64)| Listed {
        key: *key,
        session: *session,
        count: 0,
    };
    (
        Op::List { owner: ALICE },
        Outcome::Listed(sessions.iter().map(listed).collect()),
    )
}

#[test]
fn a_good_history_passes() {
    let events = in_turn([
        login(1),
        login(2),
        counted(1, 1),
        (renewal(1, 3), Outcome::Done),
        found(3, 1),
        absent(1),
        (Op::Increment { key: 3 }, Outcome::Unknown),
        counted(3, 3),
        (Op::Touch { key: 3 }, Outcome::Done),
        (Op::Delete { key: 2 }, Outcome::Done),
        absent(2),
        (Op::Create { key: 4, owner: None }, Outcome::Done),
        (revocation(Which::All), Outcome::Done),
        absent(3),
        list(&[]),
        found(4, 0),
        (
            Op::Rotate {
                old: 4,
                new: 5,
                login: Some(ALICE),
            },
            Outcome::Done,
        ),
        list(&[(5, 4)]),
    ]);
    assert_eq!(broken(events), []);
}

/// What overlaps may have happened in either order, and what is unknown may have been done or not.
#[test]
fn what_is_not_certain_is_not_held_against_anybody() {
    let both = |outcome: Outcome| {
        vec![
            event(0, 10, login(1).0, Outcome::Done),
            event(20, 40, Op::Delete { key: 1 }, Outcome::Done),
            event(30, 50, Op::Load { key: 1 }, outcome),
        ]
    };
    assert_eq!(broken(both(Outcome::Found(0))), []);
    assert_eq!(broken(both(Outcome::Absent)), []);
    for last in [found(1, 0), absent(1)] {
        let unknown = [login(1), (Op::Delete { key: 1 }, Outcome::Unknown), last];
        assert_eq!(broken(in_turn(unknown)), []);
    }
    for count in [0, 1] {
        let unknown = [login(1), (Op::Increment { key: 1 }, Outcome::Unknown), found(1, count)];
        assert_eq!(broken(in_turn(unknown)), []);
    }
    // It may be moved at any time.
    let moved = [
        login(1),
        (renewal(1, 2), Outcome::Unknown),
        found(1, 0),
        found(2, 0),
        absent(1),
    ];
    assert_eq!(broken(in_turn(moved)), []);
    // A renewal under way shows where the session is going to be.
    let under_way = vec![
        event(0, 10, login(1).0, Outcome::Done),
        event(20, 90, renewal(1, 2), Outcome::Done),
        event(30, 40, list(&[]).0, list(&[(2, 1)]).1),
        event(50, 60, Op::Load { key: 2 }, Outcome::Absent),
    ];
    assert_eq!(broken(under_way), []);
}

#[test]
fn a_deleted_session_that_is_read_is_found() {
    let by_load = [login(1), (Op::Delete { key: 1 }, Outcome::Done), found(1, 0)];
    assert_eq!(broken(in_turn(by_load)), [Rule::EndedStaysEnded]);
    let by_touch = [
        login(1),
        (Op::Delete { key: 1 }, Outcome::Done),
        (Op::Touch { key: 1 }, Outcome::Done),
    ];
    assert_eq!(broken(in_turn(by_touch)), [Rule::EndedStaysEnded]);
    let by_list = [login(1), (Op::Delete { key: 1 }, Outcome::Done), list(&[(1, 1)])];
    assert_eq!(broken(in_turn(by_list)), [Rule::EndedStaysEnded]);
}

#[test]
fn an_old_id_that_is_read_is_found() {
    let renewed = [login(1), (renewal(1, 2), Outcome::Done), found(1, 0)];
    assert_eq!(broken(in_turn(renewed)), [Rule::EndedStaysEnded]);
}

#[test]
fn a_revoked_session_that_is_read_is_found() {
    let one = [login(1), (revocation(Which::One(1)), Outcome::Done), found(1, 0)];
    assert_eq!(broken(in_turn(one)), [Rule::RevocationsHold]);
    let renewed = [
        login(1),
        (renewal(1, 2), Outcome::Unknown),
        (revocation(Which::One(1)), Outcome::Done),
        found(2, 0),
    ];
    assert_eq!(broken(in_turn(renewed)), [Rule::RevocationsHold]);
}

#[test]
fn a_session_that_comes_back_is_found() {
    let unknown = (Op::Delete { key: 1 }, Outcome::Unknown);
    let back = [login(1), unknown, absent(1), found(1, 0)];
    assert_eq!(broken(in_turn(back)), [Rule::GoneStaysGone]);
}

#[test]
fn a_lost_increment_is_found() {
    assert_eq!(
        broken(in_turn([login(1), counted(1, 1), counted(1, 2), found(1, 1)])),
        [Rule::NothingLost]
    );
    let renewed = [login(1), counted(1, 1), (renewal(1, 2), Outcome::Done), found(2, 0)];
    assert_eq!(broken(in_turn(renewed)), [Rule::NothingLost]);
    let overlapping = vec![
        event(0, 10, login(1).0, Outcome::Done),
        event(20, 50, Op::Increment { key: 1 }, Outcome::Counted(1)),
        event(30, 60, Op::Increment { key: 1 }, Outcome::Counted(1)),
    ];
    assert_eq!(broken(overlapping), [Rule::NothingLost]);
}

#[test]
fn an_increment_that_is_applied_twice_is_found() {
    assert_eq!(
        broken(in_turn([login(1), counted(1, 1), found(1, 2)])),
        [Rule::NothingTwice]
    );
    let failed = (Op::Increment { key: 1 }, Outcome::Failed);
    assert_eq!(broken(in_turn([login(1), failed, found(1, 1)])), [Rule::NothingTwice]);
}

#[test]
fn a_session_under_two_ids_is_found() {
    let at_the_end = [
        login(1),
        (renewal(1, 2), Outcome::Unknown),
        found(1, 0),
        found(2, 0),
        found(1, 0),
        found(2, 0),
    ];
    assert_eq!(broken(in_turn(at_the_end)), [Rule::OneId]);
    let in_between = [
        login(1),
        (renewal(1, 2), Outcome::Unknown),
        found(1, 0),
        found(2, 0),
        found(1, 0),
    ];
    assert_eq!(broken(in_turn(in_between)), [Rule::OneId]);
    let two_winners = [login(1), (renewal(1, 2), Outcome::Done), (renewal(1, 3), Outcome::Done)];
    assert!(broken(in_turn(two_winners)).contains(&Rule::OneId));
}

#[test]
fn no_session_for_one_that_is_there_is_found() {
    for op in [
        Op::Load { key: 1 },
        Op::Increment { key: 1 },
        Op::Touch { key: 1 },
        Op::Delete { key: 1 },
    ] {
        assert_eq!(
            broken(in_turn([login(1), (op, Outcome::Absent)])),
            [Rule::NeverNoSession],
            "{op:?}"
        );
    }
    // The revocation is of the others.
    let spared = [login(1), (revocation(Which::Others(1)), Outcome::Done), absent(1)];
    assert_eq!(broken(in_turn(spared)), [Rule::NeverNoSession]);
    // The end comes later.
    let too_early = [login(1), absent(1), (Op::Delete { key: 1 }, Outcome::Done)];
    assert_eq!(broken(in_turn(too_early)), [Rule::NeverNoSession]);
}

#[test]
fn a_login_that_escapes_a_revocation_is_found() {
    for which in [Which::All, Which::Others(9)] {
        let racing = vec![
            event(0, 90, login(1).0, Outcome::Done),
            event(20, 40, revocation(which), Outcome::Done),
            event(100, 110, Op::Load { key: 1 }, Outcome::Found(0)),
        ];
        assert_eq!(broken(racing), [Rule::RevocationsHold], "{which:?}");
        let renewed = [
            login(1),
            (renewal(1, 2), Outcome::Done),
            (revocation(which), Outcome::Done),
            found(2, 0),
        ];
        assert_eq!(broken(in_turn(renewed)), [Rule::RevocationsHold], "{which:?}");
    }
    let by_rotation = vec![
        event(0, 5, Op::Create { key: 1, owner: None }, Outcome::Done),
        event(
            10,
            90,
            Op::Rotate {
                old: 1,
                new: 2,
                login: Some(ALICE),
            },
            Outcome::Done,
        ),
        event(20, 40, revocation(Which::All), Outcome::Done),
        event(100, 110, Op::Load { key: 2 }, Outcome::Found(0)),
    ];
    assert_eq!(broken(by_rotation), [Rule::RevocationsHold]);
}

#[test]
fn a_list_that_lacks_a_session_is_found() {
    assert_eq!(broken(in_turn([login(1), list(&[])])), [Rule::ListsAreComplete]);
    let renewed = [login(1), login(2), (renewal(1, 3), Outcome::Done), list(&[(2, 2)])];
    assert_eq!(broken(in_turn(renewed)), [Rule::ListsAreComplete]);
    // Who was not signed in yet has not been signed out.
    let revoked_before = [(revocation(Which::All), Outcome::Done), login(1), list(&[])];
    assert_eq!(broken(in_turn(revoked_before)), [Rule::ListsAreComplete]);
    let twice = [login(1), (renewal(1, 2), Outcome::Unknown), list(&[(1, 1), (2, 1)])];
    assert_eq!(broken(in_turn(twice)), [Rule::ListsAreComplete]);
}
