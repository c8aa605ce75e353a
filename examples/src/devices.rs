//! "Your devices": the sessions of whoever is signed in, and how to end them. What is ended here is turned away at its next request,
//! and an open socket of it closes at once.

use std::time::SystemTime;

use session_core::{FlashLevel, Handle, Result, Session, SessionInfo, Sessions, Timestamp};

use crate::accounts::{sign_out, signed_in};
use crate::failure::Failure;

/// The page of all this.
pub const PATH: &str = "/devices";

/// The devices of one owner, newest first.
#[derive(Clone, Debug)]
pub struct Devices {
    /// A session each.
    pub sessions: Vec<SessionInfo>,
    /// The one that asks.
    pub this: Option<Handle>,
    /// When they were listed.
    pub now: Timestamp,
}

impl Devices {
    /// Lists where the visitor is signed in.
    ///
    /// # Errors
    ///
    /// [`Failure::SignIn`] for a stranger; what the store says.
    pub async fn list(session: &Session, sessions: &Sessions) -> Result<Self, Failure> {
        let owner = signed_in(session, PATH)?;
        Ok(Self {
            sessions: sessions.all(&owner).await?,
            this: session.handle(),
            now: SystemTime::now().into(),
        })
    }
}

/// Ends one session of the visitor's own; another owner's is never ended, whatever the handle.
///
/// # Errors
///
/// As [`Devices::list`].
pub async fn end(session: &Session, sessions: &Sessions, handle: &str) -> Result<(), Failure> {
    let owner = signed_in(session, PATH)?;
    let handle: Option<Handle> = handle.parse().ok();
    if handle.is_some() && handle == session.handle() {
        return Ok(sign_out(session)?);
    }
    let ended = match handle {
        Some(handle) => sessions.revoke(&owner, handle).await?,
        None => false,
    };
    let (level, text) = if ended {
        (FlashLevel::Success, "That device is signed out.")
    } else {
        (FlashLevel::Info, "That device was signed out already.")
    };
    Ok(session.flash(level, text)?)
}

/// Ends all sessions of the visitor but this one.
///
/// # Errors
///
/// As [`Devices::list`].
pub async fn end_others(session: &Session, sessions: &Sessions) -> Result<(), Failure> {
    let owner = signed_in(session, PATH)?;
    let Some(this) = session.handle() else { return Ok(()) };
    let ended = sessions.revoke_others(&owner, this).await?;
    let text = format!("Signed out: {}. You still are on this one.", counted(ended));
    Ok(session.flash(FlashLevel::Success, text)?)
}

/// Ends all sessions of the visitor, this one too.
///
/// # Errors
///
/// As [`Devices::list`].
pub async fn end_all(session: &Session, sessions: &Sessions) -> Result<(), Failure> {
    let owner = signed_in(session, PATH)?;
    let ended = sessions.revoke_all(&owner).await?;
    session.destroy();
    let text = format!("You are signed out everywhere: on {}.", counted(ended));
    Ok(session.flash(FlashLevel::Success, text)?)
}

/// "1 device", "2 devices".
pub(crate) fn counted(count: u64) -> String {
    match count {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    }
}
