//! The cart.

use maud::{Markup, html};

use super::{art, page, product_button};
use crate::note::{Note, NoteTooLong};
use crate::shop::{Cart, Line, Visitor};

/// What is in the cart, with a form for each product and one for the gift note; `refused` if that does not fit.
pub fn cart(visitor: &Visitor, cart: &Cart, note: &str, refused: Option<NoteTooLong>) -> Markup {
    let content = html! {
        h1 { "Your cart" }
        @if cart.items() == 0 {
            div.panel.empty {
                p { "There is nothing in it yet." }
                a.button href="/" { "Look at the shelf" }
            }
        } @else {
            ul.lines.panel {
                @for line in cart.lines() { (row(line)) }
            }
            div.total {
                p { "Total " strong.price { (cart.total()) } }
                form method="post" action="/cart/empty" { button.quiet { "Empty the cart" } }
                a.button.quiet href="/" { "Keep looking" }
            }
            (gift(note, refused, cart.items()))
            @if visitor.name.is_none() {
                p.hint { "The cart comes along when you " a href="/sign-in" { "sign in" } "." }
            }
        }
    };
    page("Cart", visitor, &content)
}

/// Works without a script. With one, the note is saved while it is typed.
fn gift(note: &str, refused: Option<NoteTooLong>, items: u32) -> Markup {
    html! {
        form #gift.panel.fields method="post" action="/cart/note" data-items=(items) {
            label for="note" { "A gift? Write a note for its card" }
            textarea #note name="note" rows="3" maxlength=(Note::LONGEST)
                aria-invalid=[refused.map(|_| "true")] aria-describedby="note-status" { (note) }
            div.save {
                output #note-status.refused[refused.is_some()] for="note" { @if let Some(reason) = refused { (reason) } }
                button.quiet { "Save note" }
            }
        }
        script src="/cart.js" defer {}
    }
}

fn row(Line { product, quantity }: Line) -> Markup {
    let field = format!("quantity-{}", product.id);
    html! {
        li {
            (art::product(product.id))
            div.about {
                h2 { (product.name) }
                p { (product.price) " each" }
            }
            form.quantity method="post" action="/cart/change" {
                input type="hidden" name="product" value=(product.id);
                label.unseen for=(field) { "Quantity of " (product.name) }
                input id=(field) type="number" name="quantity" value=(quantity) min="0" max=(Cart::MOST) inputmode="numeric" required;
                button.quiet { "Update" }
            }
            span.price { (product.price.times(quantity)) }
            (product_button("/cart/remove", product.id, "link", &html! {
                "Remove" span.unseen { " " (product.name) }
            }))
        }
    }
}
