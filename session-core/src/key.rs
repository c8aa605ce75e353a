//! [`Key`]: a typed name for one value of a session; [`KeyName`] and [`AsKey`]: what a plain `&str` shares with it.

use std::fmt;
use std::marker::PhantomData;

/// What the library's own values are named with: flash messages and the secrets behind [`CsrfToken`](crate::CsrfToken).
///
/// A name of yours that begins with it is refused ([`ErrorKind::Invalid`](crate::ErrorKind::Invalid)) wherever a value is inserted or
/// updated, and [`keys`](crate::Session::keys) leaves these names out. They may be asked for and removed as any other, which harms nobody
/// but the visitor's pages; [`clear`](crate::Session::clear) removes them too.
pub const RESERVED_PREFIX: &str = "_session.";

/// A typed name for one value.
///
/// Declare it once and every read and write agrees on the type. Values are stored by postcard, which does not describe itself:
/// raise [`version`](Self::version) when the type changes, and an old value reads as [`ErrorKind::ValueVersion`] instead of as
/// garbage.
///
/// [`ErrorKind::ValueVersion`]: crate::ErrorKind::ValueVersion
///
/// ```
/// use session_core::Key;
///
/// const VISITS: Key<u32> = Key::new("visits");
/// const CART: Key<Vec<(u64, u32)>> = Key::new("cart").version(2);
/// # let _ = (VISITS, CART);
/// ```
pub struct Key<T> {
    name: &'static str,
    version: u16,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key of version 0, the version of a plain `&str`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            version: 0,
            value: PhantomData,
        }
    }

    /// The same name, with another layout of its value.
    #[must_use]
    pub const fn version(self, version: u16) -> Self {
        Self { version, ..self }
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, version {})", self.name, self.version)
    }
}

/// What has the name of a value: a [`Key`] or a string.
pub trait KeyName {
    /// The name that is stored.
    fn name(&self) -> &str;
}

/// What names a value of type `T`: a [`Key<T>`], or a string for any `T`.
///
/// With a string nobody checks that writer and reader mean the same type, and postcard cannot tell: the literal in
/// `insert("user", 21)` is an `i32`, which read as a `u64` is 42. Declare a [`Key`] for whatever matters.
pub trait AsKey<T>: KeyName {
    /// The version of the value's layout.
    fn version(&self) -> u16 {
        0
    }
}

impl<T> KeyName for Key<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T> AsKey<T> for Key<T> {
    fn version(&self) -> u16 {
        self.version
    }
}

impl KeyName for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<T> AsKey<T> for &str {}

impl KeyName for &String {
    fn name(&self) -> &str {
        self
    }
}

impl<T> AsKey<T> for &String {}
