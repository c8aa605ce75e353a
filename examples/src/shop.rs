//! What a visitor does in the shop, on a [`Session`] and nothing else: no framework, no request, no response.
//!
//! A session holds up to four values: the [`CART`], its [`NOTE`], the [`VISITS`] and at times a [`NOTICE`]. All of it works before anybody signs in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_core::{Key, Owner, Result, Session};

use crate::catalogue::{self, Money, PRODUCTS, Product};
use crate::failure::Failure;
use crate::note::Note;

/// What the visitor wants to buy.
pub const CART: Key<Cart> = Key::new("cart");

/// What to write on the card, if the cart is a gift. At most [`Note::LONGEST`] characters; never empty.
pub const NOTE: Key<String> = Key::new("note");

/// How often the visitor opened the shop.
pub const VISITS: Key<u32> = Key::new("visits");

/// What the next page has to say, once: the answer to a form is a redirect, which cannot say it.
pub const NOTICE: Key<String> = Key::new("notice");

/// Product ids and how many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Ids, not prices: those are the catalogue's to change. Each at least 1 and at most [`Self::MOST`].
    quantities: BTreeMap<String, u32>,
}

/// One product in a cart.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Which.
    pub product: &'static Product,
    /// How many.
    pub quantity: u32,
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

    /// What it costs.
    pub fn total(&self) -> Money {
        self.lines().map(|line| line.product.price.times(line.quantity)).sum()
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

/// Whether a session outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// The cookie ends with the browser.
    UntilBrowserCloses,
    /// The browser keeps the cookie: "remember me".
    Remembered,
}

/// What every page shows of its visitor.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// Who is signed in.
    pub name: Option<Owner>,
    /// How many things are in the cart.
    pub items: u32,
    /// What there is to say.
    pub notice: Option<String>,
}

/// Who is looking at a page. Takes the notice out of the session, as it is shown once.
///
/// # Errors
///
/// If a value in the session is not of its type.
pub fn visitor(session: &Session) -> Result<Visitor> {
    let notice = session.get(NOTICE)?;
    session.remove(NOTICE);
    Ok(Visitor {
        name: session.owner(),
        items: cart(session)?.items(),
        notice,
    })
}

/// Counts a visit and returns how many there were. Two windows that open at once count as two: no update is lost.
///
/// # Errors
///
/// If the value in the session is not of its type.
pub fn visit(session: &Session) -> Result<u32> {
    session.update(VISITS, |visits| visits.unwrap_or(0).saturating_add(1))
}

/// The visitor's cart.
///
/// # Errors
///
/// If the value in the session is not of its type.
pub fn cart(session: &Session) -> Result<Cart> {
    Ok(session.get(CART)?.unwrap_or_default())
}

/// Puts one more of a product into the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn add(session: &Session, product: &str) -> Result<(), Failure> {
    let product = find(product)?;
    session.update(CART, |cart| {
        let cart = cart.unwrap_or_default();
        let quantity = cart.quantity(product) + 1;
        cart.with(product, quantity)
    })?;
    Ok(say(session, format!("{} is in your cart.", product.name))?)
}

/// Changes how many of a product are in the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn change(session: &Session, product: &str, quantity: u32) -> Result<(), Failure> {
    let product = find(product)?;
    session.update(CART, move |cart| cart.unwrap_or_default().with(product, quantity))?;
    Ok(())
}

/// Takes a product out of the cart.
///
/// # Errors
///
/// If there is no such product.
pub fn remove(session: &Session, product: &str) -> Result<(), Failure> {
    change(session, product, 0)?;
    Ok(say(session, format!("{} is out of your cart.", find(product)?.name))?)
}

/// Takes everything out of the cart, and its note.
pub fn empty(session: &Session) {
    session.remove(CART);
    session.remove(NOTE);
}

/// What the gift note says; empty if there is none.
///
/// # Errors
///
/// If the value in the session is not of its type.
pub fn note(session: &Session) -> Result<String> {
    Ok(session.get(NOTE)?.unwrap_or_default())
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

/// Signs somebody in. The session moves to a new id, so that nobody who knew the old one comes along, and keeps its cart.
///
/// # Errors
///
/// If a value in the session is not of its type.
pub fn sign_in(session: &Session, owner: &Owner, stay: Stay, label: &str) -> Result<()> {
    session.login(owner.as_str())?;
    match stay {
        Stay::Remembered => session.remember(),
        Stay::UntilBrowserCloses => session.forget(),
    }
    session.set_label(label)?;
    say(session, format!("Welcome, {owner}."))
}

/// Signs out: the session ends, here and in the browser, and the cart with it.
///
/// # Errors
///
/// If the notice cannot be stored. It goes into a new session: the old one is gone.
pub fn sign_out(session: &Session) -> Result<()> {
    session.destroy();
    say(session, "You are signed out, and your cart is empty.".to_owned())
}

fn say(session: &Session, notice: String) -> Result<()> {
    session.insert(NOTICE, notice)
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
        assert_eq!(cart.total(), Money(76_00));
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
