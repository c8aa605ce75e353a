//! The shelf.

use maud::{Markup, html};
use session_core::CsrfToken;

use super::{art, page, product_button};
use crate::catalogue::PRODUCTS;
use crate::members::Role;
use crate::shop::Visitor;

/// All products, and how often this visitor has been here.
pub fn home(visitor: &Visitor, visits: u32, token: &CsrfToken) -> Markup {
    let role = visitor.role();
    let content = html! {
        div.intro {
            h1 { "Things worth keeping" }
            p {
                @match &visitor.account {
                    Some(account) => { "Good to see you, " (account.name) ". " }
                    None => { "Look around: no account needed. " }
                }
                @match visits {
                    1 => "This is your first time on this page.",
                    _ => { "You have opened this page " strong { (visits) } " times." }
                }
                @if role == Role::Clerk { " You pay the staff’s price." }
            }
        }
        ul.shelf {
            @for product in PRODUCTS {
                li.card {
                    (art::product(product.id))
                    div.about {
                        h2 { (product.name) }
                        p { (product.about) }
                    }
                    div.buy {
                        span.price {
                            (role.price(product.price))
                            @if role == Role::Clerk { " " s { (product.price) } }
                        }
                        (product_button("/cart/add", product.id, "", token, &html! {
                            "Add to cart" span.unseen { ": " (product.name) }
                        }))
                    }
                }
            }
        }
    };
    page("Shop", visitor, &content)
}
