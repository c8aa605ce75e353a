//! The cart.

use maud::{Markup, html};
use session_core::CsrfToken;

use super::{art, form, page, product_button};
use crate::members::Role;
use crate::note::{Note, NoteTooLong};
use crate::shop::{Basket, Cart, Line, Visitor};

/// What is in the cart, with a form for each product and one for the gift note; `refused` if that does not fit.
pub fn cart(visitor: &Visitor, basket: Option<&Basket>, refused: Option<NoteTooLong>) -> Markup {
    let content = html! {
        h1 { "Your cart" }
        @match basket {
            Some(basket) => (filled(visitor, basket, refused)),
            None => div.panel.empty {
                p { "There is nothing in it yet." }
                a.button href="/" { "Look at the shelf" }
            },
        }
    };
    page("Cart", visitor, &content)
}

fn filled(visitor: &Visitor, Basket { cart, note, token }: &Basket, refused: Option<NoteTooLong>) -> Markup {
    html! {
        ul.lines.panel {
            @for line in cart.lines() { (row(line, visitor.role(), token)) }
        }
        div.total {
            p { "Total " strong.price { (cart.total(visitor.role())) } }
            (form("/cart/empty", "", token, &html! { button.quiet { "Empty the cart" } }))
            a.button.quiet href="/" { "Keep looking" }
        }
        (gift(note, refused, cart.items(), token))
        @if visitor.account.is_none() {
            p.hint { "The cart comes along when you " a href="/sign-in" { "sign in" } "." }
        }
    }
}

/// Works without a script. With one, the note is saved while it is typed.
fn gift(note: &str, refused: Option<NoteTooLong>, items: u32, token: &CsrfToken) -> Markup {
    let content = html! {
        label for="note" { "A gift? Write a note for its card" }
        textarea #note name="note" rows="3" maxlength=(Note::LONGEST)
            aria-invalid=[refused.map(|_| "true")] aria-describedby="note-status" { (note) }
        div.save {
            output #note-status.refused[refused.is_some()] for="note" { @if let Some(reason) = refused { (reason) } }
            button.quiet { "Save note" }
        }
    };
    html! {
        div #gift data-items=(items) { (form("/cart/note", "panel fields", token, &content)) }
        script src="/cart.js" defer {}
    }
}

fn row(line: Line, role: Role, token: &CsrfToken) -> Markup {
    let Line { product, quantity } = line;
    let field = format!("quantity-{}", product.id);
    html! {
        li {
            (art::product(product.id))
            div.about {
                h2 { (product.name) }
                p { (role.price(product.price)) " each" }
            }
            (form("/cart/change", "quantity", token, &html! {
                input type="hidden" name="product" value=(product.id);
                label.unseen for=(field) { "Quantity of " (product.name) }
                input id=(field) type="number" name="quantity" value=(quantity) min="0" max=(Cart::MOST) inputmode="numeric" required;
                button.quiet { "Update" }
            }))
            span.price { (line.price(role)) }
            (product_button("/cart/remove", product.id, "link", token, &html! {
                "Remove" span.unseen { " " (product.name) }
            }))
        }
    }
}
