//! [`Operation`]: the names of what a store does, for the wrappers that count and disturb it.

use std::fmt;

/// An operation of [`Store`](crate::Store), [`OwnerIndex`](crate::OwnerIndex) or [`Inventory`](crate::Inventory).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::create`](crate::Store::create)
    Create,
    /// [`Store::load`](crate::Store::load)
    Load,
    /// [`Store::replace`](crate::Store::replace)
    Replace,
    /// [`Store::rotate`](crate::Store::rotate)
    Rotate,
    /// [`Store::touch`](crate::Store::touch)
    Touch,
    /// [`Store::delete`](crate::Store::delete)
    Delete,
    /// [`Store::sweep`](crate::Store::sweep)
    Sweep,
    /// [`OwnerIndex::list`](crate::OwnerIndex::list)
    List,
    /// [`OwnerIndex::revoke`](crate::OwnerIndex::revoke)
    Revoke,
    /// [`Inventory::page`](crate::Inventory::page)
    Inventory,
    /// [`Inventory::clear`](crate::Inventory::clear)
    Clear,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Load,
        Self::Replace,
        Self::Rotate,
        Self::Touch,
        Self::Delete,
        Self::Sweep,
        Self::List,
        Self::Revoke,
        Self::Inventory,
        Self::Clear,
    ];

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Load => "load",
            Self::Replace => "replace",
            Self::Rotate => "rotate",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::Sweep => "sweep",
            Self::List => "list",
            Self::Revoke => "revoke",
            Self::Inventory => "inventory",
            Self::Clear => "clear",
        })
    }
}
