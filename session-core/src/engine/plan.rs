//! The decision: from what a commit finds and what the handler wants to what is done to the store and said to the browser. A pure
//! function; its tests walk through every combination.

/// How the handler answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Anything but a server error.
    Success,
    /// A server error: status 500 and above.
    ServerError,
}

impl Outcome {
    /// From an HTTP status code.
    pub fn of_status(status: u16) -> Self {
        if status >= 500 {
            Self::ServerError
        } else {
            Self::Success
        }
    }
}

/// All that the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) base: BaseFact,
    pub(crate) ending: Ending,
    pub(crate) identity: IdentityFact,
    pub(crate) data: Data,
    /// What a new session would hold.
    pub(crate) holding: Holding,
    pub(crate) touch: Touch,
    pub(crate) deadline: CookieDeadline,
    pub(crate) token: Token,
    pub(crate) head: Head,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaseFact {
    Fresh,
    Live,
    Gone,
}

pub(crate) use crate::session::changes::Ending;
pub(crate) use crate::session::state::Head;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityFact {
    Keep,
    Renew,
    Login,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Same,
    Changed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    Nothing,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    NotDue,
    Due,
}

/// Whether the cookie carries a lifetime that a write would move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieDeadline {
    Same,
    Moves,
}

/// Which key the request's token was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Current,
    OldKey,
}

/// What is done to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOp {
    Nothing,
    Touch,
    Create,
    Replace,
    Rotate,
    Delete,
    /// End the old session, then store what came after under a new id.
    DeleteThenCreate,
    /// The session ended before; what the handler wants can no longer be stored.
    RefuseGone,
    /// A new token would be needed, and the response head is sent.
    RefuseSent,
}

/// What the browser is told, once the store has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieOp {
    Nothing,
    Issue,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) store: StoreOp,
    pub(crate) cookie: CookieOp,
}

pub(crate) fn plan(facts: Facts) -> Plan {
    let store = store_op(facts);
    let issues = match store {
        StoreOp::Create | StoreOp::Rotate | StoreOp::DeleteThenCreate => true,
        StoreOp::Replace | StoreOp::Touch => facts.token == Token::OldKey || facts.deadline == CookieDeadline::Moves,
        StoreOp::Nothing | StoreOp::Delete | StoreOp::RefuseGone | StoreOp::RefuseSent => false,
    };
    let cookie = match (store, facts.head) {
        (_, Head::Sent) => CookieOp::Nothing,
        (StoreOp::Delete, Head::Open) => CookieOp::Remove,
        (_, Head::Open) if issues => CookieOp::Issue,
        (_, Head::Open) => CookieOp::Nothing,
    };
    Plan { store, cookie }
}

fn store_op(facts: Facts) -> StoreOp {
    let wants_new =
        facts.identity == IdentityFact::Login || (facts.data == Data::Changed && facts.holding == Holding::Something);
    match (facts.base, facts.ending) {
        (BaseFact::Live, Ending::End) => match (wants_new, facts.head) {
            (true, Head::Open) => StoreOp::DeleteThenCreate,
            _ => StoreOp::Delete,
        },
        (BaseFact::Live, Ending::Continue) => match (facts.identity, facts.data, facts.touch) {
            (IdentityFact::Renew | IdentityFact::Login, ..) => unless_sent(facts.head, StoreOp::Rotate),
            (IdentityFact::Keep, Data::Changed, _) => StoreOp::Replace,
            (IdentityFact::Keep, Data::Same, Touch::Due) => StoreOp::Touch,
            // A token under an old key is issued again with the next answer (P4), once the store has said that the session has not
            // moved on meanwhile: a dead token would push a fresh one out of the browser.
            (IdentityFact::Keep, Data::Same, Touch::NotDue) => match facts.token {
                Token::OldKey => StoreOp::Touch,
                Token::Current => StoreOp::Nothing,
            },
        },
        // A handler that ends the session and goes on starts a new one; without that, nothing revives it.
        (BaseFact::Gone, Ending::Continue) => match (facts.identity, facts.data) {
            (IdentityFact::Keep, Data::Same) => StoreOp::Nothing,
            _ => StoreOp::RefuseGone,
        },
        (BaseFact::Fresh, _) | (BaseFact::Gone, Ending::End) if wants_new => unless_sent(facts.head, StoreOp::Create),
        // Nothing is stored for a visitor whose session holds nothing (P10).
        (BaseFact::Fresh, _) | (BaseFact::Gone, Ending::End) => StoreOp::Nothing,
    }
}

fn unless_sent(head: Head, op: StoreOp) -> StoreOp {
    match head {
        Head::Open => op,
        Head::Sent => StoreOp::RefuseSent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read of a live session: the row that the others differ from.
    const READ: Facts = Facts {
        base: BaseFact::Live,
        ending: Ending::Continue,
        identity: IdentityFact::Keep,
        data: Data::Same,
        holding: Holding::Nothing,
        touch: Touch::NotDue,
        deadline: CookieDeadline::Same,
        token: Token::Current,
        head: Head::Open,
    };

    /// Every combination of facts: 1,152 rows.
    fn every() -> Vec<Facts> {
        let mut all = vec![READ];
        vary(
            &mut all,
            &[BaseFact::Fresh, BaseFact::Live, BaseFact::Gone],
            |facts, base| facts.base = base,
        );
        vary(&mut all, &[Ending::Continue, Ending::End], |facts, ending| {
            facts.ending = ending;
        });
        let identities = [IdentityFact::Keep, IdentityFact::Renew, IdentityFact::Login];
        vary(&mut all, &identities, |facts, identity| facts.identity = identity);
        vary(&mut all, &[Data::Same, Data::Changed], |facts, data| facts.data = data);
        vary(&mut all, &[Holding::Nothing, Holding::Something], |facts, holding| {
            facts.holding = holding;
        });
        vary(&mut all, &[Touch::NotDue, Touch::Due], |facts, touch| {
            facts.touch = touch;
        });
        let deadlines = [CookieDeadline::Same, CookieDeadline::Moves];
        vary(&mut all, &deadlines, |facts, deadline| facts.deadline = deadline);
        vary(&mut all, &[Token::Current, Token::OldKey], |facts, token| {
            facts.token = token;
        });
        vary(&mut all, &[Head::Open, Head::Sent], |facts, head| facts.head = head);
        assert_eq!(all.len(), 1152);
        all
    }

    fn vary<T: Copy>(all: &mut Vec<Facts>, values: &[T], set: impl Fn(&mut Facts, T)) {
        let before = std::mem::take(all);
        for facts in before {
            all.extend(values.iter().map(|value| {
                let mut varied = facts;
                set(&mut varied, *value);
                varied
            }));
        }
    }

    #[test]
    fn a_server_error_is_a_status_of_five_hundred_and_above() {
        let outcomes = [200, 302, 409, 499, 500, 503, 599].map(Outcome::of_status);
        let (good, bad) = (Outcome::Success, Outcome::ServerError);
        assert_eq!(outcomes, [good, good, good, good, bad, bad, bad]);
    }

    #[test]
    fn the_common_rows() {
        use {CookieOp as C, StoreOp as S};
        let fresh = Facts {
            base: BaseFact::Fresh,
            ..READ
        };
        let changed = Facts {
            data: Data::Changed,
            holding: Holding::Something,
            ..READ
        };
        let gone = Facts {
            base: BaseFact::Gone,
            ..READ
        };
        let table = [
            ("read", READ, S::Nothing, C::Nothing),
            (
                "read, touch due",
                Facts {
                    touch: Touch::Due,
                    ..READ
                },
                S::Touch,
                C::Nothing,
            ),
            (
                "read under an old key",
                Facts {
                    token: Token::OldKey,
                    ..READ
                },
                S::Touch,
                C::Issue,
            ),
            ("write", changed, S::Replace, C::Nothing),
            (
                "write, touch due",
                Facts {
                    touch: Touch::Due,
                    ..changed
                },
                S::Replace,
                C::Nothing,
            ),
            (
                "write, remembered",
                Facts {
                    deadline: CookieDeadline::Moves,
                    ..changed
                },
                S::Replace,
                C::Issue,
            ),
            (
                "renew",
                Facts {
                    identity: IdentityFact::Renew,
                    ..READ
                },
                S::Rotate,
                C::Issue,
            ),
            (
                "login",
                Facts {
                    identity: IdentityFact::Login,
                    ..READ
                },
                S::Rotate,
                C::Issue,
            ),
            (
                "logout",
                Facts {
                    ending: Ending::End,
                    ..READ
                },
                S::Delete,
                C::Remove,
            ),
            (
                "logout and write",
                Facts {
                    ending: Ending::End,
                    ..changed
                },
                S::DeleteThenCreate,
                C::Issue,
            ),
            ("anonymous read", fresh, S::Nothing, C::Nothing),
            (
                "anonymous write",
                Facts {
                    base: BaseFact::Fresh,
                    ..changed
                },
                S::Create,
                C::Issue,
            ),
            (
                "anonymous write and remove",
                Facts {
                    data: Data::Changed,
                    ..fresh
                },
                S::Nothing,
                C::Nothing,
            ),
            (
                "anonymous renew",
                Facts {
                    identity: IdentityFact::Renew,
                    ..fresh
                },
                S::Nothing,
                C::Nothing,
            ),
            (
                "anonymous login",
                Facts {
                    identity: IdentityFact::Login,
                    ..fresh
                },
                S::Create,
                C::Issue,
            ),
            (
                "anonymous logout",
                Facts {
                    ending: Ending::End,
                    ..fresh
                },
                S::Nothing,
                C::Nothing,
            ),
            ("read of a session that ended", gone, S::Nothing, C::Nothing),
            (
                "write to a session that ended",
                Facts {
                    base: BaseFact::Gone,
                    ..changed
                },
                S::RefuseGone,
                C::Nothing,
            ),
            (
                "renew after the head",
                Facts {
                    identity: IdentityFact::Renew,
                    head: Head::Sent,
                    ..READ
                },
                S::RefuseSent,
                C::Nothing,
            ),
            (
                "write after the head",
                Facts {
                    head: Head::Sent,
                    ..changed
                },
                S::Replace,
                C::Nothing,
            ),
            (
                "logout after the head",
                Facts {
                    ending: Ending::End,
                    head: Head::Sent,
                    ..READ
                },
                S::Delete,
                C::Nothing,
            ),
        ];
        for (row, facts, store, cookie) in table {
            assert_eq!(plan(facts), Plan { store, cookie }, "{row}");
        }
    }

    #[test]
    fn nothing_is_created_for_a_session_that_ended_unless_the_handler_ended_it() {
        for facts in every() {
            if facts.base == BaseFact::Gone && facts.ending == Ending::Continue {
                assert!(
                    matches!(plan(facts).store, StoreOp::Nothing | StoreOp::RefuseGone),
                    "{facts:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_stored_for_a_visitor_whose_session_holds_nothing() {
        for facts in every() {
            let holds_nothing = facts.holding == Holding::Nothing && facts.identity != IdentityFact::Login;
            if facts.base == BaseFact::Fresh && holds_nothing {
                assert_eq!(
                    plan(facts),
                    Plan {
                        store: StoreOp::Nothing,
                        cookie: CookieOp::Nothing
                    },
                    "{facts:?}"
                );
            }
        }
    }

    #[test]
    fn an_ended_live_session_is_always_deleted() {
        for facts in every() {
            if facts.base == BaseFact::Live && facts.ending == Ending::End {
                assert!(
                    matches!(plan(facts).store, StoreOp::Delete | StoreOp::DeleteThenCreate),
                    "{facts:?}"
                );
            }
        }
    }

    #[test]
    fn a_login_never_keeps_the_id() {
        for facts in every() {
            if facts.identity == IdentityFact::Login && facts.head == Head::Open {
                let store = plan(facts).store;
                let moves = matches!(store, StoreOp::Create | StoreOp::Rotate | StoreOp::DeleteThenCreate);
                assert!(moves || store == StoreOp::RefuseGone, "{facts:?}");
            }
        }
    }

    #[test]
    fn a_new_id_is_always_issued_and_never_after_the_head() {
        for facts in every() {
            let Plan { store, cookie } = plan(facts);
            let new_id = matches!(store, StoreOp::Create | StoreOp::Rotate | StoreOp::DeleteThenCreate);
            if new_id {
                assert_eq!(cookie, CookieOp::Issue, "{facts:?}");
            }
            if facts.head == Head::Sent {
                assert!(!new_id && cookie == CookieOp::Nothing, "{facts:?}");
            }
        }
    }

    #[test]
    fn no_cookie_is_set_without_a_reason() {
        for facts in every() {
            let quiet = facts.token == Token::Current && facts.deadline == CookieDeadline::Same;
            if quiet && matches!(plan(facts).store, StoreOp::Nothing | StoreOp::Touch | StoreOp::Replace) {
                assert_eq!(plan(facts).cookie, CookieOp::Nothing, "{facts:?}");
            }
        }
    }
}
