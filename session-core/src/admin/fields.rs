//! [`Fields`]: the arguments of a request, from its query and its form. Hostile until they are parsed here.

use serde::Deserialize;

use super::{Done, Refusal};
use crate::error::Error;
use crate::id::{Handle, Owner};
use crate::store::Backlog;

/// Each is text until somebody asks for it. What is named twice is an error: two readers could take different ones.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    owner: String,
    handle: String,
    action: String,
    pub(super) after: String,
    limit: String,
    view: String,
    ended: String,
    removed: String,
    more: String,
}

/// What to do.
pub(super) enum Action {
    Revoke { handle: Handle, owner: Option<Owner> },
    RevokeOwner(Owner),
    Sweep,
}

/// Sessions on a page unless it says otherwise, and at most.
const PAGE: usize = 50;
pub(super) const LARGEST_PAGE: usize = 500;

pub(super) const REVOKE: &str = "revoke";
pub(super) const REVOKE_OWNER: &str = "revoke-owner";
pub(super) const SWEEP: &str = "sweep";
/// The page shows one owner, and is to do so again after an action.
pub(super) const OWNER_VIEW: &str = "owner";

impl Fields {
    pub(super) fn read(query: &str, form: &str) -> Result<Self, Refusal> {
        serde_urlencoded::from_str(&format!("{query}&{form}")).map_err(|_| Refusal::Status(400))
    }

    /// `None` if it was left empty, as by the form of the page.
    pub(super) fn owner(&self) -> Result<Option<Owner>, Refusal> {
        match self.owner.as_str() {
            "" => Ok(None),
            name => Owner::new(name).map(Some).map_err(unreadable),
        }
    }

    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        match self.limit.as_str() {
            "" => Ok(PAGE),
            number => {
                let limit: usize = number.parse().map_err(|_| Refusal::Status(400))?;
                Ok(limit.clamp(1, LARGEST_PAGE))
            }
        }
    }

    pub(super) fn action(&self) -> &str {
        &self.action
    }

    /// The action of that name, with its arguments.
    pub(super) fn to(&self, name: &str) -> Result<Action, Refusal> {
        match name {
            REVOKE => Ok(Action::Revoke {
                handle: self.handle.parse().map_err(unreadable)?,
                owner: self.owner()?,
            }),
            REVOKE_OWNER => Ok(Action::RevokeOwner(self.owner()?.ok_or(Refusal::Status(400))?)),
            SWEEP => Ok(Action::Sweep),
            _ => Err(Refusal::Status(400)),
        }
    }

    /// Where the browser goes after an action: the page, which then says what was done.
    pub(super) fn page_after(&self, done: &Done) -> String {
        let mut pairs = match done {
            Done::Ended(ended) => vec![("ended", ended.to_string())],
            Done::Swept { removed, .. } => vec![("removed", removed.to_string())],
        };
        if let Done::Swept {
            backlog: Backlog::Remaining,
            ..
        } = done
        {
            pairs.push(("more", "yes".to_owned()));
        }
        if self.view == OWNER_VIEW {
            pairs.push(("owner", self.owner.clone()));
        }
        query(&pairs)
    }

    /// What a redirect told the page to say. Anybody can make a link that says it, so it holds numbers alone.
    pub(super) fn notice(&self) -> Option<String> {
        if let Ok(ended) = self.ended.parse::<u64>() {
            return Some(match ended {
                0 => "No session was ended: it was over already.".to_owned(),
                1 => "1 session ended.".to_owned(),
                _ => format!("{ended} sessions ended."),
            });
        }
        let removed: u64 = self.removed.parse().ok()?;
        let more = if self.more.is_empty() {
            ""
        } else {
            " More are due: sweep again."
        };
        Some(format!("Expired sessions removed: {removed}.{more}"))
    }
}

/// A reference to the page itself, wherever it is mounted, with these arguments (RFC 3986 §5.2.2: an empty path keeps the base's).
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let encoded = serde_urlencoded::to_string(pairs).expect("pairs of text can be encoded");
    format!("?{encoded}")
}

/// What cannot be read is the client's doing, and no fault to log.
pub(super) fn unreadable(_: Error) -> Refusal {
    Refusal::Status(400)
}
