//! [`Members`]: who has signed in so far, and what they may do. The shop's own list, kept beside the sessions: a session may cache a
//! role, but what a role *is* stands here.
//!
//! One JSON file, read when the shop opens, held in memory, and written anew at each change. A real shop has a database.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use session_core::{Key, SessionValue};

use crate::catalogue::Money;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
// Sessions store it by position: add at the end only.
pub enum Role {
    /// Buys.
    #[default]
    Customer,
    /// Buys at the staff's price, and says who is a clerk.
    Clerk,
}

/// A session caches the role of its owner, from the sign-in on. Only a sign-in and a change of the role write it: see
/// [`Accounts`](crate::accounts::Accounts).
impl SessionValue for Role {
    const KEY: Key<Self> = Key::new("role");
}

impl Role {
    /// All of them, in the order of a form.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Clerk];

    /// What a product of this price costs them.
    #[must_use]
    pub fn price(self, price: Money) -> Money {
        match self {
            Self::Customer => price,
            Self::Clerk => price.percent(80),
        }
    }

    /// What forms and people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Clerk => "clerk",
        }
    }
}

/// Somebody who has signed in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether that can be changed.
    pub tenure: Tenure,
}

/// Whether a role can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// A clerk can.
    Changeable,
    /// Nobody can: somebody has to be a clerk.
    Always,
}

/// What became of a change of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// It is written down.
    Made,
    /// This member is always a clerk.
    Refused,
    /// Nobody of that name has signed in.
    NoSuchMember,
}

/// The list. Clones share it.
#[derive(Clone, Debug)]
pub struct Members {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Who is always a clerk.
    admin: String,
    list: RwLock<Arc<List>>,
    /// Held while the file is written; `list` is not, so that nobody who reads waits for a disk.
    writing: Mutex<()>,
}

type List = BTreeMap<String, Role>;

impl Members {
    /// The most members that are kept: any name may sign in here, and nobody cleans up. Who comes later is a customer.
    const MOST: usize = 1000;

    /// Opens the list in a folder. `admin` is always a clerk, as soon as somebody of that name signs in.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not ours.
    pub fn open(folder: &Path, admin: &str) -> io::Result<Self> {
        let path = folder.join("members.json");
        let list = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => List::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                path,
                admin: admin.to_owned(),
                list: RwLock::new(Arc::new(list)),
                writing: Mutex::default(),
            }),
        })
    }

    /// What somebody of this name may do. Who is not on the list is a customer.
    pub fn role(&self, name: &str) -> Role {
        self.member(name, self.shared.list().get(name).copied().unwrap_or_default())
            .role
    }

    /// Everybody, by name.
    pub fn all(&self) -> Vec<Member> {
        let list = self.shared.list();
        list.iter().map(|(name, role)| self.member(name, *role)).collect()
    }

    /// Adds somebody who was never here before, as a customer.
    ///
    /// # Errors
    ///
    /// If the file cannot be written. The list is then what it was.
    pub async fn welcome(&self, name: &str) -> io::Result<()> {
        let list = self.shared.list();
        if list.contains_key(name) || list.len() >= Self::MOST {
            return Ok(());
        }
        let name = name.to_owned();
        self.write(|list| {
            list.entry(name).or_default();
        })
        .await
    }

    /// Changes a role, in the file first.
    ///
    /// # Errors
    ///
    /// As [`welcome`](Self::welcome).
    pub async fn change(&self, name: &str, role: Role) -> io::Result<Change> {
        if name == self.shared.admin {
            return Ok(Change::Refused);
        }
        if !self.shared.list().contains_key(name) {
            return Ok(Change::NoSuchMember);
        }
        let name = name.to_owned();
        self.write(move |list| {
            list.insert(name, role);
        })
        .await?;
        Ok(Change::Made)
    }

    fn member(&self, name: &str, role: Role) -> Member {
        let (role, tenure) = if name == self.shared.admin {
            (Role::Clerk, Tenure::Always)
        } else {
            (role, Tenure::Changeable)
        };
        Member {
            name: name.to_owned(),
            role,
            tenure,
        }
    }

    /// On a thread that may wait for a disk.
    async fn write(&self, change: impl FnOnce(&mut List) + Send + 'static) -> io::Result<()> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.write(change))
            .await
            .map_err(io::Error::other)?
    }
}

impl Shared {
    fn list(&self) -> Arc<List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, change: impl FnOnce(&mut List)) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = List::clone(&self.list());
        change(&mut list);
        replace(&self.path, &serde_json::to_vec_pretty(&list)?)?;
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }
}

/// After a crash at any point the file is the old one or the new one, and whole.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    #[cfg(unix)] // elsewhere a folder cannot be opened
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Members {
        Members::open(folder.path(), "admin").unwrap()
    }

    #[tokio::test]
    async fn a_role_is_there_when_the_shop_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let members = open(&folder);
        members.welcome("Ada").await.unwrap();
        assert_eq!(members.change("Ada", Role::Clerk).await.unwrap(), Change::Made);
        assert_eq!(open(&folder).role("Ada"), Role::Clerk);
    }

    #[tokio::test]
    async fn who_comes_again_keeps_their_role() {
        let folder = tempfile::tempdir().unwrap();
        let members = open(&folder);
        members.welcome("Ada").await.unwrap();
        let _ = members.change("Ada", Role::Clerk).await.unwrap();
        members.welcome("Ada").await.unwrap();
        assert_eq!(members.role("Ada"), Role::Clerk);
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let members = open(&folder);
        members.welcome("Ada").await.unwrap();
        drop(folder);
        members.change("Ada", Role::Clerk).await.unwrap_err();
        assert_eq!(members.role("Ada"), Role::Customer);
    }

    #[tokio::test]
    async fn the_admin_is_always_a_clerk() {
        let folder = tempfile::tempdir().unwrap();
        let members = open(&folder);
        members.welcome("admin").await.unwrap();
        let change = members.change("admin", Role::Customer).await.unwrap();
        assert_eq!((change, members.role("admin")), (Change::Refused, Role::Clerk));
    }

    #[tokio::test]
    async fn nobody_becomes_a_clerk_who_never_signed_in() {
        let folder = tempfile::tempdir().unwrap();
        let members = open(&folder);
        let change = members.change("Grace", Role::Clerk).await.unwrap();
        assert_eq!((change, members.role("Grace")), (Change::NoSuchMember, Role::Customer));
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("members.json"), "[]").unwrap();
        assert!(Members::open(folder.path(), "admin").is_err());
    }

    #[test]
    fn staff_pays_less() {
        assert_eq!(Role::Clerk.price(Money(9_50)), Money(7_60));
        assert_eq!(Role::Customer.price(Money(9_50)), Money(9_50));
    }
}
