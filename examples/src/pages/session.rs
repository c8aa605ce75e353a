//! "This session": what the server knows, and the little that the browser holds.

use maud::{Markup, html};
use session_core::Persistence;

use super::{moment, page};
use crate::facts::Facts;
use crate::options::COOKIE;
use crate::shop::Visitor;

/// The session laid open; `None` for a visitor for whom nothing is stored.
pub fn session(visitor: &Visitor, facts: Option<&Facts>) -> Markup {
    let content = html! {
        h1 { "This session" }
        @match facts {
            Some(facts) => {
                div.halves { (server(facts)) (browser(facts)) }
            }
            None => div.panel.empty {
                p { "Nothing is stored for you, so your browser was given no cookie. Look at the shelf, and that changes." }
                a.button href="/" { "Look at the shelf" }
            },
        }
    };
    page("This session", visitor, &content)
}

fn server(facts: &Facts) -> Markup {
    let when = |at| moment(at, facts.now);
    html! {
        section.panel {
            h2 { "What the server holds" }
            p { "Everything there is to know, in its own folder on disk." }
            dl {
                (fact("Signed in", &html! { @match &facts.owner { Some(owner) => (owner), None => "nobody" } }))
                (fact("Label", &html! { @match &facts.label { Some(label) => (label), None => "none: it is set at sign-in" } }))
                (fact("Handle", &html! { code { (facts.handle) } small { "Its public name: it opens nothing." } }))
                (fact("Began", &when(facts.created_at)))
                (fact("Last seen", &when(facts.last_seen_at)))
                (fact("Expires", &html! { (when(facts.expires_at)) small { (expiry(facts.persistence)) } }))
                (fact("Values", &html! {
                    @if facts.values.is_empty() { "none" }
                    ul.values {
                        @for (key, meaning) in &facts.values { li { code { (key) } " " (meaning) } }
                    }
                }))
            }
        }
    }
}

fn browser(facts: &Facts) -> Markup {
    html! {
        section.panel {
            h2 { "What your browser holds" }
            p { "One cookie, which says nothing about you." }
            dl {
                (fact("Name", &html! { code { (COOKIE) } }))
                (fact("Content", &html! {
                    "64 characters"
                    small { "24 random bytes that name the session, and a signature over them. This page does not show them: whoever has them is you." }
                }))
                (fact("Kept", &match facts.persistence {
                    Persistence::Browser => html! { "until the browser closes" },
                    Persistence::Remembered => html! { "for as long as the session" small { "You asked to be remembered." } },
                }))
                (fact("Scripts", &html! { "cannot read it" small { code { "HttpOnly" } } }))
                (fact("Other sites", &html! { "cannot post with it" small { code { "SameSite=Lax" } ", and every form carries a token that they cannot know." } }))
            }
        }
    }
}

fn expiry(persistence: Persistence) -> &'static str {
    match persistence {
        Persistence::Browser => "Each visit puts it off, for 30 days at most.",
        Persistence::Remembered => "A remembered session ends then, however often it is used.",
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
