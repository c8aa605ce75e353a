//! [`Accounts`]: signing in and out, and what a role allows. There are no passwords: whoever gives a name has it.
//!
//! A role is read from [`Members`] at the sign-in and cached in the session, so that a page costs no second lookup. A change is written
//! there first, and then into every session of that member: it holds from their next request on.

use std::time::Duration;

use session_core::{ErrorKind, FlashLevel, Key, Owner, Result, Session, SessionValue, Sessions, label};

use crate::failure::Failure;
use crate::members::{Change, Member, Members, Role};

/// Where to go after signing in. Only paths of this program are written here, never what a request says: that would lead anywhere.
pub const RETURN_TO: Key<String> = Key::new("return-to");

/// Whether a session outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// The cookie ends with the browser.
    UntilBrowserCloses,
    /// The browser keeps the cookie: "remember me".
    Remembered,
}

/// What signing in and roles need besides a session. Clones share the members.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Who has a role.
    pub members: Members,
    /// How long ago somebody may have signed in who changes a role.
    pub recent_login: Duration,
}

impl Accounts {
    /// Signs somebody in, and answers where to go. The session moves to a new id, so that nobody who knew the old one comes along,
    /// and keeps its cart.
    ///
    /// # Errors
    ///
    /// If the session cannot be stored, or the member cannot be written down.
    pub async fn sign_in(
        &self,
        session: &Session,
        owner: &Owner,
        stay: Stay,
        user_agent: Option<&str>,
    ) -> Result<String, Failure> {
        self.members.welcome(owner.as_str()).await?;
        let path = session.take(RETURN_TO)?;
        session.login(owner.as_str())?;
        match stay {
            Stay::Remembered => session.remember(),
            Stay::UntilBrowserCloses => session.forget(),
        }
        session.set_label(label::of_user_agent(user_agent.unwrap_or_default()))?;
        session.flash(FlashLevel::Success, format!("Welcome, {owner}."))?;
        // A role that changes now changes in sessions that are stored: this one must be, before the role is looked at the last time.
        loop {
            let role = self.members.role(owner.as_str());
            session.insert(Role::KEY, role)?;
            session.save().await?;
            if role == self.members.role(owner.as_str()) {
                return Ok(path.unwrap_or_else(|| "/".to_owned()));
            }
        }
    }

    /// Everybody who has an account, for clerks.
    ///
    /// # Errors
    ///
    /// [`Failure::SignIn`], [`Failure::StaffOnly`].
    pub fn list(&self, session: &Session) -> Result<Vec<Member>, Failure> {
        clerk(session)?;
        Ok(self.members.all())
    }

    /// Changes a role: in the list of members, then in every session of that member. Asks whoever does it to sign in again, if that
    /// was too long ago: an open browser is soon found.
    ///
    /// If the second step fails, the same change once more completes it.
    ///
    /// # Errors
    ///
    /// [`Failure::SignIn`], [`Failure::StaffOnly`], [`Failure::NoSuchMember`], or what the list or the store of sessions says.
    pub async fn change_role(
        &self,
        session: &Session,
        sessions: &Sessions,
        member: &str,
        role: Role,
    ) -> Result<(), Failure> {
        clerk(session)?;
        self.require_recent_login(session)?;
        let member = Owner::new(member).map_err(|_| Failure::NoSuchMember)?;
        match self.members.change(member.as_str(), role).await? {
            Change::Made => {}
            Change::Refused => {
                session.flash(FlashLevel::Error, format!("{member} is always a clerk."))?;
                return Ok(());
            }
            Change::NoSuchMember => return Err(Failure::NoSuchMember),
        }
        let count = sessions.update_all(&member, Role::KEY, move |_| role).await?;
        let role = role.as_str();
        let devices = crate::devices::counted(count);
        session.flash(
            FlashLevel::Success,
            format!("{member} is a {role} now, on {devices} from the next click on."),
        )?;
        Ok(())
    }

    fn require_recent_login(&self, session: &Session) -> Result<(), Failure> {
        match session.require_recent_login(self.recent_login) {
            Err(error) if error.kind() == ErrorKind::StaleLogin => {
                session.flash(
                    FlashLevel::Warning,
                    "That needs a fresh sign-in: yours is some time ago. Please sign in again; nothing has changed so far.",
                )?;
                session.insert(RETURN_TO, "/staff".to_owned())?;
                Err(Failure::SignIn)
            }
            other => Ok(other?),
        }
    }
}

/// Who is signed in; a stranger is asked to, and led to `path` then.
///
/// # Errors
///
/// [`Failure::SignIn`] for a stranger.
pub fn signed_in(session: &Session, path: &'static str) -> Result<Owner, Failure> {
    match session.owner() {
        Some(owner) => Ok(owner),
        None => {
            session.insert(RETURN_TO, path.to_owned())?;
            Err(Failure::SignIn)
        }
    }
}

/// What the visitor may do: as cached in the session.
///
/// # Errors
///
/// If the value in the session is not of its type.
pub fn role(session: &Session) -> Result<Role> {
    Ok(session.get(Role::KEY)?.unwrap_or_default())
}

fn clerk(session: &Session) -> Result<(), Failure> {
    signed_in(session, "/staff")?;
    match role(session)? {
        Role::Clerk => Ok(()),
        Role::Customer => Err(Failure::StaffOnly),
    }
}

/// Signs out: the session ends, here and in the browser, and the cart with it.
///
/// # Errors
///
/// If the message cannot be stored. It goes into a new session: the old one is gone.
pub fn sign_out(session: &Session) -> Result<()> {
    session.destroy();
    session.flash(FlashLevel::Info, "You are signed out, and your cart is empty.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use session_core::{Engine, Event, MemoryStore, SigningKeys};

    use super::*;

    fn accounts(folder: &tempfile::TempDir) -> Accounts {
        Accounts {
            members: Members::open(folder.path(), "admin").unwrap(),
            recent_login: Duration::from_secs(600),
        }
    }

    /// Changes a role in the list alone, as if the walk over the sessions had come just before a sign-in was stored.
    fn make_clerk(members: Members, name: String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let change = std::thread::spawn(move || runtime.block_on(members.change(&name, Role::Clerk)));
        assert_eq!(change.join().unwrap().unwrap(), Change::Made);
    }

    #[tokio::test]
    async fn a_role_that_changes_while_somebody_signs_in_is_the_one_in_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = accounts(&folder);
        let members = accounts.members.clone();
        let engine = Engine::builder(Arc::new(MemoryStore::new()), SigningKeys::generate().unwrap())
            .observer(move |event: Event<'_>| {
                if let Event::SignedIn { owner, .. } = event {
                    make_clerk(members.clone(), owner.to_string());
                }
            })
            .build();
        let (_request, access) = engine.begin();
        let session = access.session([]).await.unwrap();
        let ada = Owner::new("Ada").unwrap();
        accounts
            .sign_in(&session, &ada, Stay::UntilBrowserCloses, None)
            .await
            .unwrap();
        session.reload().await.unwrap();
        assert_eq!(role(&session).unwrap(), Role::Clerk);
    }
}
