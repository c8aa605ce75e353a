//! The pages: one file each, functions from data to HTML. The frame around them, and the few pieces that several share, are here.

mod art;
mod cart;
mod devices;
mod home;
mod problem;
mod session;
mod sign_in;
mod staff;

pub use cart::cart;
pub use devices::devices;
pub use home::home;
pub use problem::problem;
pub use session::session;
pub use sign_in::sign_in;
pub use staff::staff;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use session_core::{CSRF_FIELD, CsrfToken, Timestamp};

use crate::members::Role;
use crate::moment;
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
            @match &visitor.account {
                Some(account) => {
                    a href="/devices" { "Devices" }
                    @if account.role == Role::Clerk { a href="/staff" { "Staff" } }
                    span.name title="Signed in" { (account.name) }
                    (form("/sign-out", "", &account.token, &html! { button.link { "Sign out" } }))
                }
                None => a href="/sign-in" { "Sign in" },
            }
        }
    };
    let content = html! {
        @for flash in &visitor.flashes {
            p class={ "notice " (flash.level) } role="status" { (flash.text) }
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

/// A form, with the token that shows that it is ours.
fn form(action: &str, class: &str, token: &CsrfToken, content: &Markup) -> Markup {
    html! {
        form class=[some(class)] method="post" action=(action) {
            input type="hidden" name=(CSRF_FIELD) value=(token);
            (content)
        }
    }
}

/// A button that posts one product's id.
fn product_button(action: &str, product: &str, class: &str, token: &CsrfToken, words: &Markup) -> Markup {
    let content = html! {
        input type="hidden" name="product" value=(product);
        button class=[some(class)] { (words) }
    };
    form(action, "", token, &content)
}

fn some(class: &str) -> Option<&str> {
    Some(class).filter(|class| !class.is_empty())
}

/// A point in time, relative to now and in UTC.
fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at) { (moment::relative(at, now)) small { (moment::utc(at)) } }
    }
}

/// A drawing in the page itself, so that no browser asks for a file that is not there.
const ICON: PreEscaped<&str> = PreEscaped(
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%232f5d50'/%3E%3Cpath d='M10 13h12l-1.2 11H11.2zM12.5 13v-2a3.5 3.5 0 0 1 7 0v2' fill='none' stroke='%23fff' stroke-width='2' stroke-linejoin='round'/%3E%3C/svg%3E",
);
