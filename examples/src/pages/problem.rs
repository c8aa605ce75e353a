//! What went wrong, in a visitor's words. It asks nothing of the session, as that may be what failed.

use maud::{Markup, html};

use super::frame;

/// The page for an answer of this status.
pub fn problem(status: u16) -> Markup {
    let (title, advice) = match status {
        401 => (
            "That did not work",
            "Your sign-in was withdrawn while it was under way. Please sign in again.",
        ),
        403 => (
            "Not from here",
            "Either that is for the shop’s staff alone, or it was sent by a page that is not ours or not up to date: you may have signed in or out since. Please start from the shop.",
        ),
        404 => ("Nothing here", "This page does not exist. Perhaps it never did."),
        405 => ("Not that way", "This address only takes what its forms send."),
        409 => (
            "That session has ended",
            "You were signed out while this was under way. Please try again.",
        ),
        400..=499 => (
            "We could not read that",
            "Please go back, check what you typed and send it again.",
        ),
        503 => (
            "Back in a moment",
            "The shop cannot reach its sessions just now. Nothing is lost: you are still signed in and your cart is safe. Please try again.",
        ),
        _ => (
            "That is our fault",
            "Something broke on our side. It is in the log, and we will look at it.",
        ),
    };
    let content = html! {
        div.narrow.problem {
            p.status { (status) }
            h1 { (title) }
            p { (advice) }
            a.button href="/" { "Back to the shop" }
        }
    };
    frame(title, &html! {}, &content)
}
