//! What a visitor does in the shop, on a [`Session`] and nothing else: no framework, no request, no response.
//!
//! A session holds up to three values of the shop's: the [`Cart`], its [`NOTE`] and the [`VISITS`]. All of it works before anybody signs in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_core::{CsrfToken, Flash, FlashLevel, Key, Owner, Persistence, Result, Session, SessionValue, Value};

use crate::accounts;
use crate::catalogue::{self, Money, PRODUCTS, Product};
use crate::failure::Failure;
use crate::members::Role;
use crate::note::Note;

/// What to write on the card, if the cart is a gift. At most [`Note::LONGEST`] characters; never empty.
pub const NOTE: Key<String> = Key::new("note");

/// How often the visitor opened the shop.
pub const VISITS: Key<u32> = Key::new("visits");

/// What the visitor wants to buy: product ids and how many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Ids, not prices: those are the catalogue's to change. Each at least 1 and at most [`Self::MOST`].
    quantities: BTreeMap<String, u32>,
}

impl SessionValue for Cart {
    const KEY: Key<Self> = Key::new("cart");
}

/// One product in a cart.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Which.
    pub product: &'static Product,
    /// How many.
    pub quantity: u32,
}

impl Line {
    /// What it costs somebody of that role.
    pub fn price(&self, role: Role) -> Money {
        role.price(self.product.price).times(self.quantity)
    }
}

impl Cart {
    /// The most of one product.
    pub const MOST: u32 = 99;

    /// What is in it, in the order of the shelf. A product that is no longer sold is left out.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        PRODUCTS.iter().filter_map(|product| {
            let quantity = *self.quantities.get(product.id)?;
            Some(Line { product, quantity })
        })
    }

    /// How many things are in it.
    pub fn items(&self) -> u32 {
        self.lines().map(|line| line.quantity).sum()
    }

    /// What it costs somebody of that role.
    pub fn total(&self, role: Role) -> Money {
        self.lines().map(|line| line.price(role)).sum()
    }

    fn with(mut self, product: &Product, quantity: u32) -> Self {
        if quantity == 0 {
            self.quantities.remove(product.id);
        } else {
            self.quantities.insert(product.id.to_owned(), quantity.min(Self::MOST));
        }
        self
    }

    fn quantity(&self, product: &Product) -> u32 {
        self.quantities.get(product.id).copied().unwrap_or_default()
    }
}

/// What every page shows of its visitor.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who is signed in.
    pub account: Option<Account>,
    /// How many things are in the cart.
    pub items: u32,
    /// What there is to say, once: the answer to a form is a redirect, which cannot say it.
    pub flashes: Vec<Flash>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Their name.
    pub name: Owner,
    /// What they may do.
    pub role: Role,
    /// Whether they asked to be remembered.
    pub persistence: Persistence,
    /// For the form to sign out with, which is on every page.
    pub token: CsrfToken,
}

impl Visitor {
    /// What they may do.
    pub fn role(&self) -> Role {
        self.account.as_ref().map_or(Role::default(), |account| account.role)
    }
}

/// Who is looking at a page. Takes the messages out of the session, as they are shown once.
///
/// # Errors
///
/// If a value in the session is not of its type.
pub fn visitor(session: &Session) -> Result<Visitor> {
    Ok(Visitor {
        account: account(session)?,
        items: session.get(Cart::KEY)?.map_or(0, |cart| cart.items()),
        flashes: session.take_flashes()?,
    })
}

fn account(session: &Session) -> Result<Option<Account>> {
    let Some(name) = session.owner() else { return Ok(None) };
    Ok(Some(Account {
        name,
        role: accounts::role(session)?,
        persistence: session.persistence(),
        token: session.csrf_token()?,
    }))
}

/// Counts a visit and returns how many there were. Two windows that open at once count as two: no update is lost.
///
/// # Errors
///
/// If the value in the session is not of its type.
pub fn visit(session: &Session) -> Result<u32> {
    session.update(VISITS, |visits| visits.unwrap_or(0).saturating_add(1))
}

/// Puts one more of a product into the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn add(session: &Session, cart: &mut Value<Cart>, product: &str) -> Result<(), Failure> {
    let product = find(product)?;
    cart.update(|cart| {
        let cart = cart.unwrap_or_default();
        let quantity = cart.quantity(product) + 1;
        cart.with(product, quantity)
    })?;
    Ok(session.flash(FlashLevel::Success, format!("{} is in your cart.", product.name))?)
}

/// Changes how many of a product are in the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn change(cart: &mut Value<Cart>, product: &str, quantity: u32) -> Result<(), Failure> {
    let product = find(product)?;
    cart.update(move |cart| cart.unwrap_or_default().with(product, quantity))?;
    Ok(())
}

/// Takes a product out of the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn remove(session: &Session, cart: &mut Value<Cart>, product: &str) -> Result<(), Failure> {
    change(cart, product, 0)?;
    Ok(session.flash(
        FlashLevel::Success,
        format!("{} is out of your cart.", find(product)?.name),
    )?)
}

/// Takes everything out of the cart, and its note.
pub fn empty(session: &Session) {
    session.remove(Cart::KEY);
    session.remove(NOTE);
}

/// What the cart's page shows.
#[derive(Clone, Debug)]
pub struct Basket {
    /// What is in it; something is.
    pub cart: Cart,
    /// What the gift note says; empty if there is none.
    pub note: String,
    /// For its forms.
    pub token: CsrfToken,
}

impl Basket {
    /// With a note that is not saved.
    #[must_use]
    pub fn with_note(self, note: String) -> Self {
        Self { note, ..self }
    }
}

/// What is in the cart; `None` if nothing. Its page has no forms then, so it asks for no token, and a stranger gets no session.
///
/// # Errors
///
/// If a value in the session is not of its type.
pub fn basket(session: &Session) -> Result<Option<Basket>> {
    let Some(cart) = session.get(Cart::KEY)?.filter(|cart| cart.items() > 0) else {
        return Ok(None);
    };
    Ok(Some(Basket {
        cart,
        note: session.get(NOTE)?.unwrap_or_default(),
        token: session.csrf_token()?,
    }))
}

/// Writes the gift note; an empty one takes it away. Of two tabs that write, the later one counts.
///
/// # Errors
///
/// If the session has no room for it.
pub fn write_note(session: &Session, note: Note) -> Result<()> {
    match note.into_text() {
        Some(text) => session.insert(NOTE, text)?,
        None => session.remove(NOTE),
    }
    Ok(())
}

fn find(product: &str) -> Result<&'static Product, Failure> {
    catalogue::find(product).ok_or(Failure::NoSuchProduct)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str) -> &'static Product {
        catalogue::find(id).unwrap()
    }

    #[test]
    fn a_cart_lists_what_the_shelf_lists_first() {
        let cart = Cart::default().with(product("teapot"), 1).with(product("mug"), 2);
        let names: Vec<_> = cart.lines().map(|line| line.product.id).collect();
        assert_eq!(names, ["mug", "teapot"]);
        assert_eq!(cart.items(), 3);
        assert_eq!(cart.total(Role::Customer), Money(76_00));
        assert_eq!(cart.total(Role::Clerk), Money(60_80));
    }

    #[test]
    fn none_of_a_product_takes_it_out() {
        let cart = Cart::default().with(product("mug"), 2).with(product("mug"), 0);
        assert_eq!(cart, Cart::default());
    }

    #[test]
    fn a_quantity_has_a_limit() {
        let cart = Cart::default().with(product("mug"), u32::MAX);
        assert_eq!(cart.items(), Cart::MOST);
    }
}
