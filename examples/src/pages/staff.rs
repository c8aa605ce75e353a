//! The clerks' page: who has an account, and what they may do.

use maud::{Markup, html};
use session_core::CsrfToken;

use super::{form, page};
use crate::members::{Member, Role, Tenure};
use crate::shop::Visitor;

/// All members, with a form to change the role of each.
pub fn staff(visitor: &Visitor, members: &[Member], token: &CsrfToken) -> Markup {
    let content = html! {
        div.intro {
            h1 { "Staff" }
            p { "Who has signed in so far. A clerk sees this page and pays less; a change holds on all of their devices, from the next click on." }
        }
        ul.members.panel {
            @for member in members { (row(member, token)) }
        }
    };
    page("Staff", visitor, &content)
}

fn row(member: &Member, token: &CsrfToken) -> Markup {
    html! {
        li {
            h2 { (member.name) }
            @match member.tenure {
                Tenure::Always => p.hint { "always a " (member.role.as_str()) },
                Tenure::Changeable => (form("/staff/role", "role", token, &html! {
                    input type="hidden" name="member" value=(member.name);
                    select name="role" aria-label={ "Role of " (member.name) } {
                        @for role in Role::ALL {
                            option value=(role.as_str()) selected[role == member.role] { (role.as_str()) }
                        }
                    }
                    button.quiet { "Change" span.unseen { " the role of " (member.name) } }
                })),
            }
        }
    }
}
