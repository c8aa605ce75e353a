//! The door.

use maud::{Markup, html};

use super::page;
use crate::forms::SignIn;
use crate::shop::Visitor;

/// The form to sign in with; again, with the reason, if the name was refused.
pub fn sign_in(visitor: &Visitor, refused: Option<&str>) -> Markup {
    let content = html! {
        div.narrow {
            h1 { "Sign in" }
            form.panel.fields method="post" action="/sign-in" {
                label for="name" { "Your name" }
                input #name type="text" name="name" maxlength=(SignIn::LONGEST) autocomplete="username" required autofocus
                    aria-invalid=[refused.map(|_| "true")] aria-describedby=(if refused.is_some() { "refused" } else { "demo" });
                @if let Some(reason) = refused {
                    p #refused.refused role="alert" { (reason) }
                }
                label.tick {
                    input type="checkbox" name="remember" value="yes";
                    span {
                        "Remember me"
                        small { "Stay signed in for 30 days, even when the browser closes." }
                    }
                }
                button { "Sign in" }
            }
            p #demo.hint { "This is a demonstration: any name will do, and there are no passwords." }
            @if visitor.items > 0 {
                p.hint { "What is in your cart stays in it." }
            }
        }
    };
    page("Sign in", visitor, &content)
}
