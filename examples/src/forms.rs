//! What the pages post. Every framework reads these from `application/x-www-form-urlencoded`, and checks the token that came along.

use serde::Deserialize;
use session_core::Owner;

use crate::accounts::Stay;
use crate::members::Role;

/// The most bytes of a form. The largest is a gift note: 500 characters of up to 12 bytes each, as `%F0%9F%8E%81`.
pub const LIMIT: usize = 16 * 1024;

/// A button alone: pressing it says everything.
#[derive(Debug, Deserialize)]
pub struct Button {}

/// One product: to add or to remove.
#[derive(Debug, Deserialize)]
pub struct Choice {
    /// A product's id.
    pub product: String,
}

/// A new quantity of one product.
#[derive(Debug, Deserialize)]
pub struct Quantity {
    /// A product's id.
    pub product: String,
    /// How many; none removes it from the cart.
    pub quantity: u32,
}

/// What to write on the card of a gift.
#[derive(Debug, Deserialize)]
pub struct Gift {
    /// The note as typed; a [`Note`](crate::note::Note) if it fits.
    pub note: String,
}

/// A session to end.
#[derive(Debug, Deserialize)]
pub struct Device {
    /// Its public name.
    pub handle: String,
}

/// A new role for a member.
#[derive(Debug, Deserialize)]
pub struct RoleChange {
    /// Whose.
    pub member: String,
    /// Which.
    pub role: Role,
}

/// Who signs in.
#[derive(Debug, Deserialize)]
pub struct SignIn {
    /// The name as typed.
    pub name: String,
    /// Present if the box was ticked: browsers leave an empty one out.
    pub remember: Option<String>,
}

impl SignIn {
    /// The most characters of a name: it has to fit the header of every page.
    pub const LONGEST: usize = 40;

    /// Who that is.
    ///
    /// # Errors
    ///
    /// What to tell a visitor who left the name out or made it too long.
    pub fn owner(&self) -> Result<Owner, &'static str> {
        let name = self.name.trim();
        if name.chars().count() > Self::LONGEST {
            return Err("That is a long name: please use at most 40 characters.");
        }
        Owner::new(name).map_err(|_| "Please enter a name: any will do.")
    }

    /// How long to stay signed in.
    pub fn stay(&self) -> Stay {
        match self.remember {
            Some(_) => Stay::Remembered,
            None => Stay::UntilBrowserCloses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: &str) -> SignIn {
        SignIn {
            name: name.to_owned(),
            remember: None,
        }
    }

    #[test]
    fn spaces_around_a_name_do_not_count() {
        assert_eq!(typed("  Ada ").owner().unwrap().as_str(), "Ada");
        assert!(typed("   ").owner().is_err());
    }

    #[test]
    fn a_name_is_measured_in_characters() {
        assert!(typed(&"ä".repeat(40)).owner().is_ok());
        assert!(typed(&"a".repeat(41)).owner().is_err());
    }
}
