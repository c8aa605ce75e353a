//! [`Listing`]: one part of the list, of everybody or of one owner; and the figures.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value as Json, json};

use super::Refusal;
use super::fields::{Fields, unreadable};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{Owner, StoreKey};
use crate::registry::{OwnedSession, SessionStats};
use crate::session::Session;
use crate::store::{Cursor, InventoryCursor};

pub(super) struct Listing {
    pub(super) sessions: Vec<OwnedSession>,
    /// What `after` is on the next part.
    pub(super) next: Option<String>,
}

pub(super) async fn of(session: &Session, fields: &Fields) -> Result<Listing, Refusal> {
    let sessions = session.engine().sessions()?;
    let after = Some(fields.after.as_str()).filter(|after| !after.is_empty());
    let limit = fields.limit()?;
    let Some(owner) = fields.owner()? else {
        let after = after.map(everyones_place).transpose()?;
        let page = sessions.everyone(after, limit).await?;
        return Ok(Listing {
            sessions: page.sessions,
            next: page.next.map(everyones_text),
        });
    };
    let after = after.map(owners_place).transpose()?;
    let page = sessions.list(&owner, after, limit).await?;
    let owned = |info| OwnedSession {
        owner: Some(owner.clone()),
        info,
    };
    Ok(Listing {
        sessions: page.sessions.into_iter().map(owned).collect(),
        next: page.next.map(owners_text),
    })
}

pub(super) async fn stats(session: &Session) -> Result<Json> {
    let SessionStats {
        sessions,
        signed_in,
        owners,
        expired,
        unreadable,
        oldest,
        newest,
    } = session.engine().sessions()?.stats().await?;
    Ok(json!({
        "sessions": sessions,
        "signed_in": signed_in,
        "owners": owners,
        "expired": expired,
        "unreadable": unreadable,
        "oldest": text(oldest),
        "newest": text(newest),
    }))
}

impl Listing {
    pub(super) fn to_json(&self) -> Json {
        let sessions: Vec<Json> = self
            .sessions
            .iter()
            .map(|OwnedSession { owner, info }| {
                json!({
                    "handle": info.handle,
                    "owner": owner.as_ref().map(Owner::as_str),
                    "label": info.label,
                    "created_at": info.created_at.to_string(),
                    "authenticated_at": text(info.authenticated_at),
                    "last_seen_at": info.last_seen_at.to_string(),
                    "expires_at": info.expires_at.to_string(),
                })
            })
            .collect();
        json!({ "sessions": sessions, "next": self.next })
    }
}

/// RFC 3339, in UTC.
fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Bytes of a place in everybody's list. A whole cursor is the store key of a session; this much of it names a place that no second one
/// shares (96 bits of a hash), and is no key.
const PLACE: usize = 12;

fn everyones_text(cursor: InventoryCursor) -> String {
    Base64UrlUnpadded::encode_string(&cursor.key().as_bytes()[..PLACE])
}

/// Behind every key that begins so.
fn everyones_place(text: &str) -> Result<InventoryCursor, Refusal> {
    let mut bytes = [0; PLACE];
    let mut key = [0xff; StoreKey::LEN];
    match Base64UrlUnpadded::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == PLACE => key[..PLACE].copy_from_slice(decoded),
        _ => return Err(Refusal::Status(400)),
    }
    Ok(InventoryCursor::behind(StoreKey::from_bytes(key)))
}

fn owners_text(cursor: Cursor) -> String {
    format!("{}.{}", cursor.created_at.unix_millis(), cursor.handle)
}

fn owners_place(text: &str) -> Result<Cursor, Refusal> {
    let (millis, handle) = text.split_once('.').ok_or(Refusal::Status(400))?;
    let millis: u64 = millis.parse().map_err(|_| Refusal::Status(400))?;
    Ok(Cursor {
        created_at: Timestamp::from_unix_millis(millis),
        handle: handle.parse().map_err(unreadable)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Handle;

    #[test]
    fn a_place_in_everybody_s_list_is_behind_its_session_and_shows_no_key() {
        let mut key = [7; StoreKey::LEN];
        key[20] = 0xfe;
        let text = everyones_text(InventoryCursor::behind(StoreKey::from_bytes(key)));
        let place = everyones_place(&text).ok().map(|place| *place.key().as_bytes());
        assert!(place.is_some_and(|place| place > key && place[..PLACE] == key[..PLACE]));
        assert_eq!(text.len(), 16);
    }

    #[test]
    fn a_place_in_an_owner_s_list_survives_its_text() {
        let cursor = Cursor {
            created_at: Timestamp::from_unix_millis(1_234),
            handle: Handle::from_bytes([0xfb; 15]),
        };
        assert_eq!(owners_place(&owners_text(cursor)).ok(), Some(cursor));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "a",
            "a.b",
            "1",
            "1.",
            ".",
            "99999999999999999999999.AAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAA",
            "ü",
        ] {
            assert!(owners_place(text).is_err() && everyones_place(text).is_err(), "{text}");
        }
    }
}
