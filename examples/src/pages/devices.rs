//! "Your devices": where somebody is signed in, with a button to end each.

use maud::{Markup, html};
use session_core::{CsrfToken, Persistence, SessionInfo};

use super::{form, moment, page};
use crate::devices::Devices;
use crate::options::MOST_DEVICES;
use crate::shop::Visitor;

/// All devices of one person.
pub fn devices(visitor: &Visitor, devices: &Devices, token: &CsrfToken) -> Markup {
    let content = html! {
        div.intro {
            h1 { "Your devices" }
            p { "Where you are signed in. A device that you sign out is out at its next click; a cart that is open there says so at once." }
        }
        ul.devices.panel {
            @for session in &devices.sessions { (row(session, devices, token)) }
        }
        div.total {
            p.hint { "At most " (MOST_DEVICES) ": one more signs out the one that you signed in on first." }
            @if devices.sessions.len() > 1 {
                (form("/devices/end-others", "", token, &html! { button.quiet { "Sign out the others" } }))
            }
            (form("/devices/end-all", "", token, &html! { button.quiet { "Sign out everywhere" } }))
        }
    };
    page("Your devices", visitor, &content)
}

fn row(session: &SessionInfo, devices: &Devices, token: &CsrfToken) -> Markup {
    let label = session.label.as_deref().unwrap_or("Unknown browser");
    let is_this = devices.this == Some(session.handle);
    html! {
        li aria-current=[is_this.then_some("true")] {
            div.about {
                h2 {
                    (label)
                    @if is_this { " " span.badge { "this device" } }
                }
                @if session.persistence == Persistence::Remembered { p { "Remembered: also when the browser closes." } }
            }
            dl {
                div { dt { "Signed in" } dd { (moment(session.authenticated_at.unwrap_or(session.created_at), devices.now)) } }
                div { dt { "Last seen" } dd { (moment(session.last_seen_at, devices.now)) } }
            }
            (form("/devices/end", "", token, &html! {
                input type="hidden" name="handle" value=(session.handle);
                button.quiet { "Sign out" span.unseen { " " (label) } }
            }))
        }
    }
}
