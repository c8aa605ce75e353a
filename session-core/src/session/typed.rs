//! [`Value`]: one value of a session, found by its type instead of by a name.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FromSession, Session};
use crate::error::Result;
use crate::key::Key;

/// A type of which a session holds one value, under a key that belongs to the type.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_core::{Key, SessionValue};
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Cart {
///     items: Vec<(u64, u32)>,
/// }
///
/// impl SessionValue for Cart {
///     const KEY: Key<Self> = Key::new("cart");
/// }
/// ```
pub trait SessionValue: Serialize + DeserializeOwned {
    /// What it is stored under. Raise the key's [version](Key::version) when the type changes.
    const KEY: Key<Self>;
}

/// The value of one type in a session: what is stored, and the means to change it.
///
/// It was read when it was made, so that reading it cannot fail. Changes go through the session and are committed with it; they show
/// here at once, and in another `Value` of the same request when that one is made.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use session_core::{Error, Key, SessionValue, Value};
/// # #[derive(Clone, Default, Serialize, Deserialize)]
/// # struct Cart { items: Vec<(u64, u32)> }
/// # impl SessionValue for Cart { const KEY: Key<Self> = Key::new("cart"); }
/// fn add(cart: &mut Value<Cart>, article: u64) -> Result<usize, Error> {
///     let cart = cart.update(move |cart| {
///         let mut cart = cart.unwrap_or_default();
///         cart.items.push((article, 1));
///         cart
///     })?;
///     Ok(cart.items.len())
/// }
///
/// fn empty(cart: &mut Value<Cart>) {
///     if cart.get().is_some_and(|cart| cart.items.is_empty()) {
///         cart.remove();
///     }
/// }
/// ```
pub struct Value<T> {
    session: Session,
    present: Option<T>,
}

impl<T: SessionValue> Value<T> {
    /// What is stored, or `None`.
    pub fn get(&self) -> Option<&T> {
        self.present.as_ref()
    }

    /// What is stored, as one's own.
    pub fn into_inner(self) -> Option<T> {
        self.present
    }

    /// Stores a value. Of two requests that do so the later commit wins.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`]. The value is what it was then.
    pub fn set(&mut self, value: T) -> Result<()> {
        self.session.set(&T::KEY, &value)?;
        self.present = Some(value);
        Ok(())
    }

    /// Stores what a function makes of the present value, and returns it. As [`Session::update`], it loses no other request's update,
    /// and runs the function again where it must.
    ///
    /// # Errors
    ///
    /// As [`Session::update`]. The value is what it was then.
    pub fn update<F>(&mut self, f: F) -> Result<&T>
    where
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let value = self.session.update(T::KEY, f)?;
        Ok(self.present.insert(value))
    }

    /// As [`update`](Self::update), with a function that removes the value by returning `None`.
    ///
    /// # Errors
    ///
    /// As [`Session::update_or_remove`]. The value is what it was then.
    pub fn update_or_remove<F>(&mut self, f: F) -> Result<Option<&T>>
    where
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        self.present = self.session.update_or_remove(T::KEY, f)?;
        Ok(self.present.as_ref())
    }

    /// Removes the value, and returns it.
    pub fn remove(&mut self) -> Option<T> {
        self.session.remove(T::KEY);
        self.present.take()
    }
}

impl<T: SessionValue> FromSession for Value<T> {
    /// Fails as [`Session::get`]: what cannot be decoded is an error, and no default.
    fn from_session(session: Session) -> Result<Self> {
        let present = session.get(T::KEY)?;
        Ok(Self { session, present })
    }
}

/// Shows whether there is a value, and nothing of it.
impl<T> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = self.present.as_ref().map(|_| format_args!("…"));
        f.debug_tuple("Value").field(&present).finish()
    }
}
