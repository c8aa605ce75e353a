//! [`Kind`]: what a visitor does, and how often.

use crate::measure::Picker;

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Untouched,
    Anonymous,
    First,
    Read,
    Add,
    AddTwice,
    Set,
    Login,
    Renew,
    Logout,
    List,
    Revoke,
    Return,
    Forged,
    Ended,
}

impl Kind {
    /// With how many of a thousand requests it is, and its name in the table.
    pub const ALL: [(Self, u64, &'static str); 15] = [
        (Self::Untouched, 60, "no session asked for"),
        (Self::Anonymous, 60, "read without a cookie"),
        (Self::First, 110, "first visit"),
        (Self::Read, 370, "read"),
        (Self::Add, 130, "add to a number"),
        (Self::AddTwice, 20, "two adds at once"),
        (Self::Set, 100, "set a text of 100 B to 4 KiB"),
        (Self::Login, 30, "login"),
        (Self::Renew, 20, "renewal"),
        (Self::Logout, 20, "logout"),
        (Self::List, 10, "list of an owner's sessions"),
        (Self::Revoke, 6, "revocation of all or all others"),
        (Self::Return, 14, "return after a while"),
        (Self::Forged, 20, "forged token"),
        (Self::Ended, 30, "token of an ended session"),
    ];

    pub fn pick(picker: &mut Picker) -> Self {
        let mut place = picker.below(1000);
        for (kind, weight, _) in Self::ALL {
            if place < weight {
                return kind;
            }
            place -= weight;
        }
        Self::Read
    }
}
