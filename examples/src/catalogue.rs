//! What the shop sells. A real one would ask a database.

use std::fmt;

/// An amount of money in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money(pub u64);

impl Money {
    /// So many times this amount.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0 * u64::from(count))
    }

    /// So much of it, to the cent below.
    #[must_use]
    pub fn percent(self, percent: u64) -> Self {
        Self(self.0 * percent / 100)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "€{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Something to buy.
#[derive(Debug, PartialEq, Eq)]
pub struct Product {
    /// What forms and carts call it; never changes, as carts are kept.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// What one costs.
    pub price: Money,
}

/// All products, in the order of the shelf.
pub const PRODUCTS: &[Product] = &[
    Product {
        id: "mug",
        name: "Enamel mug",
        about: "For coffee on the porch. Chips well.",
        price: Money(14_00),
    },
    Product {
        id: "notebook",
        name: "Dotted notebook",
        about: "160 pages that lie flat when open.",
        price: Money(9_50),
    },
    Product {
        id: "pencil",
        name: "Carpenter’s pencil",
        about: "Flat, so it never rolls off the bench.",
        price: Money(2_80),
    },
    Product {
        id: "lamp",
        name: "Desk lamp",
        about: "Warm light, one switch, no app.",
        price: Money(64_00),
    },
    Product {
        id: "teapot",
        name: "Cast-iron teapot",
        about: "Stays hot through a long chapter.",
        price: Money(48_00),
    },
    Product {
        id: "blanket",
        name: "Wool blanket",
        about: "Heavy enough for an open window.",
        price: Money(85_00),
    },
];

/// The product of this id.
pub fn find(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_with_two_decimals() {
        assert_eq!(Money(9_05).to_string(), "€9.05");
        assert_eq!(Money(2_80).times(99).to_string(), "€277.20");
    }
}
