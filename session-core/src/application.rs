//! What an application names: adapters re-export all of it, so that their users need no other crate, and the names are the same in
//! every framework. What only stores and adapters name is not here.

#[cfg(feature = "admin")]
pub use crate::admin::{AdminAccess, AdminGuard};
pub use crate::cleaner::{CleanerPolicy, CleanerStatus};
pub use crate::clock::{Clock, Timestamp};
pub use crate::config::{OnServerError, SessionConfig};
pub use crate::cookie::{SameSite, SigningKey, SigningKeys};
pub use crate::csrf::{CSRF_FIELD, CSRF_HEADER};
pub use crate::engine::{Engine, EngineBuilder};
pub use crate::error::{Error, ErrorKind};
pub use crate::event::{Event, Observer};
pub use crate::flash::{Flash, FlashLevel};
pub use crate::id::{Handle, Owner};
pub use crate::key::Key;
pub use crate::label;
pub use crate::lifetime::Lifetime;
pub use crate::record::{Limits, Persistence};
pub use crate::registry::{EveryonePage, OwnedSession, SessionInfo, SessionPage, SessionStats};
pub use crate::session::{FromSession, SessionValue};
pub use crate::store::{Cursor, InventoryCursor, MemoryStore, OwnerLimit, Store};
