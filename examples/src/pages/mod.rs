//! The pages: one file each, functions from data to HTML. The frame around them, and the few pieces that several share, are here.

mod art;
mod cart;
mod home;
mod problem;
mod session;
mod sign_in;

pub use cart::cart;
pub use home::home;
pub use problem::problem;
pub use session::session;
pub use sign_in::sign_in;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::shop::Visitor;

/// A page with everything around it.
fn page(title: &str, visitor: &Visitor, content: &Markup) -> Markup {
    let account = html! {
        nav aria-label="Shop" {
            a href="/session" { "Session" }
            a.cart href="/cart" {
                "Cart"
                @if visitor.items > 0 {
                    span.badge { (visitor.items) span.unseen { @if visitor.items == 1 { " item" } @else { " items" } } }
                }
            }
            @match &visitor.name {
                Some(name) => {
                    span.name title="Signed in" { (name) }
                    form method="post" action="/sign-out" { button.link { "Sign out" } }
                }
                None => a href="/sign-in" { "Sign in" },
            }
        }
    };
    let content = html! {
        @if let Some(notice) = &visitor.notice {
            p.notice role="status" { (notice) }
        }
        (content)
    };
    frame(title, &account, &content)
}

/// The outermost part: also of pages that must not ask who is looking.
fn frame(title: &str, account: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keepsake" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href=(ICON);
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header {
                    div.wide {
                        a.brand href="/" { (art::brand()) "Keepsake" }
                        (account)
                    }
                }
                main #content.wide { (content) }
                footer {
                    div.wide {
                        p { "Keepsake sells nothing. It shows server-side sessions at work: restart the server, and you are still you." }
                    }
                }
            }
        }
    }
}

/// A button that posts one product's id.
fn product_button(action: &str, product: &str, class: &str, words: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="product" value=(product);
            button class=(class) { (words) }
        }
    }
}

/// A drawing in the page itself, so that no browser asks for a file that is not there.
const ICON: PreEscaped<&str> = PreEscaped(
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%232f5d50'/%3E%3Cpath d='M10 13h12l-1.2 11H11.2zM12.5 13v-2a3.5 3.5 0 0 1 7 0v2' fill='none' stroke='%23fff' stroke-width='2' stroke-linejoin='round'/%3E%3C/svg%3E",
);
