//! The door.

use maud::{Markup, html};
use session_core::{CsrfToken, Persistence};

use super::{form, page};
use crate::forms::SignIn;
use crate::shop::Visitor;

/// The form to sign in with; again, with the reason, if the name was refused. Whoever is signed in finds their name in it.
pub fn sign_in(visitor: &Visitor, token: &CsrfToken, refused: Option<&str>) -> Markup {
    let account = visitor.account.as_ref();
    let remembered = account.is_some_and(|account| account.persistence == Persistence::Remembered);
    let fields = html! {
        label for="name" { "Your name" }
        input #name type="text" name="name" value=[account.map(|account| &account.name)] maxlength=(SignIn::LONGEST)
            autocomplete="username" required autofocus aria-invalid=[refused.map(|_| "true")]
            aria-describedby=(if refused.is_some() { "refused" } else { "demo" });
        @if let Some(reason) = refused {
            p #refused.refused role="alert" { (reason) }
        }
        label.tick {
            input type="checkbox" name="remember" value="yes" checked[remembered];
            span {
                "Remember me"
                small { "Stay signed in for 30 days, even when the browser closes." }
            }
        }
        button { "Sign in" }
    };
    let content = html! {
        div.narrow {
            h1 { @if account.is_some() { "Sign in again" } @else { "Sign in" } }
            (form("/sign-in", "panel fields", token, &fields))
            p #demo.hint { "This is a demonstration: any name will do, and there are no passwords." }
            @if visitor.items > 0 && account.is_none() {
                p.hint { "What is in your cart stays in it." }
            }
        }
    };
    page("Sign in", visitor, &content)
}
