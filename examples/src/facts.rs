//! [`Facts`]: what is known of a session, for the page that lays it open. Nothing here opens the session (P17).

use std::time::SystemTime;

use session_core::{Handle, KeyName, Owner, Persistence, RESERVED_PREFIX, Result, Session, SessionValue, Timestamp};

use crate::accounts;
use crate::members::Role;
use crate::shop::{Cart, NOTE, VISITS};

/// What is known of a session that is stored.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its public name.
    pub handle: Handle,
    /// What it was labelled at sign-in.
    pub label: Option<String>,
    /// Who is signed in.
    pub owner: Option<Owner>,
    /// When it began; a sign-in begins it anew.
    pub created_at: Timestamp,
    /// When a request last used it.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used again.
    pub expires_at: Timestamp,
    /// Whether the browser keeps the cookie when it closes.
    pub persistence: Persistence,
    /// The values it holds: each key, and what that means.
    pub values: Vec<(String, String)>,
    /// When these facts were gathered.
    pub now: Timestamp,
}

impl Facts {
    /// What is known of this session; `None` while nothing is stored for its visitor.
    ///
    /// # Errors
    ///
    /// If a value in the session is not of its type.
    pub fn gather(session: &Session) -> Result<Option<Self>> {
        let (Some(handle), Some(created_at), Some(last_seen_at), Some(expires_at)) = (
            session.handle(),
            session.created_at(),
            session.last_seen_at(),
            session.expires_at(),
        ) else {
            return Ok(None);
        };
        Ok(Some(Self {
            handle,
            label: session.label(),
            owner: session.owner(),
            created_at,
            last_seen_at,
            expires_at,
            persistence: session.persistence(),
            values: values(session)?,
            now: SystemTime::now().into(),
        }))
    }
}

fn values(session: &Session) -> Result<Vec<(String, String)>> {
    let mut values = Vec::new();
    for key in session.keys() {
        let meaning = if key == VISITS.name() {
            session.get(VISITS)?.unwrap_or_default().to_string()
        } else if key == Cart::KEY.name() {
            match session.get(Cart::KEY)?.unwrap_or_default().items() {
                1 => "1 item".to_owned(),
                items => format!("{items} items"),
            }
        } else if key == NOTE.name() {
            let note = session.get(NOTE)?.unwrap_or_default();
            format!("{} characters for the card", note.chars().count())
        } else if key == Role::KEY.name() {
            accounts::role(session)?.as_str().to_owned()
        } else if key.starts_with(RESERVED_PREFIX) {
            "for the tokens in forms".to_owned()
        } else {
            "where to go after signing in".to_owned()
        };
        values.push((key, meaning));
    }
    Ok(values)
}
