//! Sequences that are played to every store before the random ones: what once was wrong, in this library or in others. What proptest has
//! shrunk and printed can be pasted here as it is.

use super::Knows::{Current, Older};
use super::Limit::{EndOldest, No, Refuse};
use super::Login::{Began, BeginsNow};
use super::Onto::{FreshKey, TakenKey};
use super::Step;
use super::Step::{Begin, Create, Delete, List, Load, Replace, Revoke, Rotate, Sweep, Touch, Wait};
use super::Which::{All, One, Others};
use super::Whose::{Other, Same};

/// A login that begins now, or a visitor.
fn create(owner: Option<u8>, minutes: u8) -> Step {
    Create {
        owner,
        login: BeginsNow,
        limit: No,
        minutes,
        onto: FreshKey,
    }
}

fn create_within(limit: super::Limit) -> Step {
    Create {
        owner: Some(0),
        login: BeginsNow,
        limit,
        minutes: 20,
        onto: FreshKey,
    }
}

fn renew(session: u8) -> Step {
    Rotate {
        session,
        knows: Current,
        owner: Same,
        login: BeginsNow,
        limit: No,
        onto: FreshKey,
    }
}

/// A login of owner 0 that began long ago.
fn late_login(session: u8, began: u8) -> Step {
    Rotate {
        session,
        knows: Current,
        owner: Other(Some(0)),
        login: Began(began),
        limit: No,
        onto: FreshKey,
    }
}

fn save(session: u8) -> Step {
    Replace {
        session,
        knows: Current,
        minutes: 10,
    }
}

pub(super) fn sequences() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("an update on what somebody else has changed (P5)", {
            let stale = Replace {
                session: 0,
                knows: Older,
                minutes: 29,
            };
            vec![create(None, 10), save(0), stale, Load { session: 0 }, save(0)]
        }),
        ("a late save, sighting and renewal after the end (P6)", {
            let late = |session| [save(session), Touch { session, ago: 0 }, renew(session)];
            let mut steps = vec![create(Some(0), 10), Delete { session: 0 }];
            steps.extend(late(0));
            steps.extend([create(Some(0), 10), Revoke { owner: 0, which: All }]);
            steps.extend(late(0));
            steps.extend([create(Some(0), 10), renew(0)]);
            steps.extend(late(1));
            steps
        }),
        ("a late save and renewal after expiry, before and after a sweep (P6)", {
            vec![
                create(Some(0), 5),
                Wait { minutes: 5 },
                save(0),
                Touch { session: 0, ago: 0 },
                renew(0),
                Sweep,
                save(0),
                List { owner: 0, limit: 1 },
            ]
        }),
        ("a renewal with what was known before another one (P7)", {
            let stale = Rotate {
                session: 0,
                knows: Older,
                owner: Same,
                login: BeginsNow,
                limit: No,
                onto: FreshKey,
            };
            let onto_taken = Rotate {
                session: 0,
                knows: Current,
                owner: Same,
                login: BeginsNow,
                limit: No,
                onto: TakenKey(1),
            };
            vec![
                create(Some(0), 20),
                create(Some(1), 20),
                save(0),
                stale,
                onto_taken,
                Load { session: 0 },
            ]
        }),
        ("a logout that a renewal has overtaken ends by the handle (P6)", {
            vec![
                create(Some(0), 20),
                renew(0),
                Delete { session: 1 },
                Revoke {
                    owner: 0,
                    which: One(0),
                },
                Load { session: 0 },
                List { owner: 0, limit: 2 },
            ]
        }),
        ("a touch extends, and a sweep must see it (P9, P15)", {
            vec![
                create(Some(0), 5),
                Wait { minutes: 4 },
                Touch { session: 0, ago: 0 },
                Wait { minutes: 2 },
                Sweep,
                Load { session: 0 },
                Wait { minutes: 3 },
                Sweep,
            ]
        }),
        (
            "a save with a longer lifetime extends, and a sweep must see it (P15)",
            {
                let longer = Replace {
                    session: 0,
                    knows: Current,
                    minutes: 29,
                };
                vec![
                    create(Some(0), 5),
                    longer,
                    Wait { minutes: 6 },
                    Sweep,
                    Load { session: 0 },
                ]
            },
        ),
        (
            "a save with a shorter lifetime shortens, and a sweep must see it (P8)",
            {
                let shorter = Replace {
                    session: 0,
                    knows: Current,
                    minutes: 1,
                };
                vec![
                    create(None, 29),
                    shorter,
                    Wait { minutes: 1 },
                    Load { session: 0 },
                    Sweep,
                ]
            },
        ),
        ("a touch that comes too late, and one from the past (P9)", {
            vec![
                create(None, 10),
                Wait { minutes: 5 },
                Touch { session: 0, ago: 0 },
                Touch { session: 0, ago: 4 },
                Wait { minutes: 9 },
                Load { session: 0 },
                Wait { minutes: 1 },
                Touch { session: 0, ago: 0 },
                Touch { session: 0, ago: 1 },
                Load { session: 0 },
            ]
        }),
        (
            "a save and a renewal by who loaded before a touch keep the sighting (P9)",
            {
                vec![
                    create(Some(0), 10),
                    Wait { minutes: 8 },
                    Touch { session: 0, ago: 0 },
                    save(0),
                    Wait { minutes: 5 },
                    renew(0),
                    Wait { minutes: 4 },
                    Load { session: 0 },
                    List { owner: 0, limit: 1 },
                ]
            },
        ),
        ("a login that began before all were revoked (P12)", {
            let late = Create {
                owner: Some(0),
                login: Began(0),
                limit: No,
                minutes: 20,
                onto: FreshKey,
            };
            vec![
                create(None, 20),
                Begin,
                Revoke { owner: 0, which: All },
                late,
                late_login(0, 0),
                late_login(0, 1),
            ]
        }),
        ("a revocation that spares a session, after one that did not (P12)", {
            vec![
                create(None, 20),
                Begin,
                Revoke { owner: 0, which: All },
                Revoke {
                    owner: 0,
                    which: Others(0),
                },
                late_login(0, 0),
                Begin,
                Revoke {
                    owner: 0,
                    which: Others(0),
                },
                late_login(0, 1),
                List { owner: 0, limit: 2 },
            ]
        }),
        (
            "a login for which two sessions that began together have to make room (P12)",
            {
                vec![
                    create(Some(0), 20),
                    create(Some(0), 20),
                    create_within(EndOldest(1)),
                    List { owner: 0, limit: 2 },
                ]
            },
        ),
        (
            "a login that is one too many, under a key that is taken: of two refusals the first in order (P12)",
            {
                vec![
                    create(None, 20),
                    late_login(0, 0),
                    create(Some(0), 20),
                    Create {
                        owner: Some(0),
                        login: BeginsNow,
                        limit: Refuse(1),
                        minutes: 20,
                        onto: TakenKey(93),
                    },
                    List { owner: 0, limit: 2 },
                ]
            },
        ),
        (
            "a revocation after a login under a key that was taken: what is there is nobody's of that owner (P12)",
            {
                vec![
                    create(None, 20),
                    Create {
                        owner: Some(0),
                        login: BeginsNow,
                        limit: No,
                        minutes: 20,
                        onto: TakenKey(0),
                    },
                    Revoke { owner: 0, which: All },
                    Load { session: 0 },
                ]
            },
        ),
        (
            "room for a login is made of the oldest, and only live ones count (P12)",
            {
                vec![
                    create(Some(0), 1),
                    Wait { minutes: 2 },
                    create_within(Refuse(1)),
                    Wait { minutes: 1 },
                    create_within(EndOldest(1)),
                    create_within(Refuse(1)),
                    Load { session: 1 },
                    save(1),
                    List { owner: 0, limit: 1 },
                    Sweep,
                ]
            },
        ),
        ("another owner on the same session (P12)", {
            let other = Rotate {
                session: 0,
                knows: Current,
                owner: Other(Some(1)),
                login: BeginsNow,
                limit: No,
                onto: FreshKey,
            };
            vec![
                create(Some(0), 20),
                other,
                Revoke { owner: 0, which: All },
                List { owner: 0, limit: 1 },
                List { owner: 1, limit: 1 },
                Revoke { owner: 1, which: All },
                Load { session: 0 },
            ]
        }),
    ]
}
