//! The shelf.

use maud::{Markup, html};

use super::{art, page, product_button};
use crate::catalogue::PRODUCTS;
use crate::shop::Visitor;

/// All products, and how often this visitor has been here.
pub fn home(visitor: &Visitor, visits: u32) -> Markup {
    let content = html! {
        div.intro {
            h1 { "Things worth keeping" }
            p {
                @match &visitor.name {
                    Some(name) => { "Good to see you, " (name) ". " }
                    None => { "Look around: no account needed. " }
                }
                @match visits {
                    1 => "This is your first time on this page.",
                    _ => { "You have opened this page " strong { (visits) } " times." }
                }
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
                        span.price { (product.price) }
                        (product_button("/cart/add", product.id, "", &html! {
                            "Add to cart" span.unseen { ": " (product.name) }
                        }))
                    }
                }
            }
        }
    };
    page("Shop", visitor, &content)
}
