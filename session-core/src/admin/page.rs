//! The page, as HTML: without scripts, without anything from elsewhere. Labels and owners come from strangers, so everything is escaped.

use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::fields::{Fields, LARGEST_PAGE, OWNER_VIEW, REVOKE, REVOKE_OWNER, SWEEP, query};
use super::listing::{self, Listing};
use super::{AdminReply, Refusal};
use crate::clock::Timestamp;
use crate::csrf::{CSRF_FIELD, CsrfToken};
use crate::error::ErrorKind;
use crate::id::{Handle, Owner};
use crate::registry::{OwnedSession, SessionStats};
use crate::session::Session;

const STYLE: &str = include_str!("style.css");

/// Characters of a label that are shown.
const LABEL: usize = 120;

/// Nothing may be loaded, framed or run; the style is this one (CSP Level 3 §6.7.3).
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = Base64::encode_string(&Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
    });
    &POLICY
}

pub(super) async fn answer(session: &Session, fields: &Fields) -> Result<AdminReply, Refusal> {
    let owner = fields.owner()?;
    if let Some(owner) = &owner
        && fields.action() == REVOKE_OWNER
    {
        let page = session.engine().sessions()?.list(owner, None, LARGEST_PAGE).await?;
        let more = if page.next.is_some() { " or more" } else { "" };
        let count = format!("{}{more}", page.sessions.len());
        return Ok(AdminReply::html(200, confirm(owner, &count, &session.csrf_token()?)));
    }
    let listing = match listing::of(session, fields).await {
        Ok(listing) => listing,
        Err(Refusal::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            return Ok(AdminReply::html(501, unsupported(owner.as_ref())));
        }
        Err(refusal) => return Err(refusal),
    };
    // Counting walks over the whole store, so it is left out where somebody looks for something else.
    let stats = match (&owner, fields.after.as_str()) {
        (None, "") => Some(session.engine().sessions()?.stats().await?),
        _ => None,
    };
    let view = View {
        owner: owner.as_ref(),
        notice: fields.notice(),
        stats,
        limit: fields.limit()?,
        listing,
        token: session.csrf_token()?,
        current: session.handle(),
    };
    Ok(AdminReply::html(200, view.render()))
}

struct View<'a> {
    /// Whose sessions alone are shown.
    owner: Option<&'a Owner>,
    notice: Option<String>,
    stats: Option<SessionStats>,
    limit: usize,
    listing: Listing,
    token: CsrfToken,
    /// The administrator's own session.
    current: Option<Handle>,
}

impl View<'_> {
    fn render(&self) -> Markup {
        document(
            "Sessions",
            html! {
                @if let Some(notice) = &self.notice { p.notice role="status" { (notice) } }
                @if let Some(stats) = &self.stats { (figures(stats)) }
                // All buttons send this one form; what they do is in their address.
                form #act method="post" { (hidden(&self.token)) }
                div.tools {
                    form role="search" {
                        label for="owner" { "Owner" }
                        input #owner name="owner" value=[self.owner.map(Owner::as_str)] maxlength=(Owner::MAX_LEN) autocomplete="off";
                        button { "Show" }
                        @if self.owner.is_some() { a href="?" { "Show everybody" } }
                    }
                    @match self.owner {
                        Some(owner) => a.button.danger href=(query(&[("owner", owner.to_string()), ("action", REVOKE_OWNER.to_owned())])) {
                            "End all of these…"
                        },
                        None => button form="act" formaction=(query(&[("action", SWEEP.to_owned())])) { "Remove expired now" },
                    }
                }
                (self.table())
                @if let Some(next) = &self.listing.next {
                    nav aria-label="Pages" { a.button rel="next" href=(self.next(next)) { "Next page" } }
                }
            },
        )
    }

    fn table(&self) -> Markup {
        html! {
            // The roles are kept where a narrow screen shows the rows as cards.
            table role="table" {
                caption {
                    @match self.owner {
                        Some(owner) => { "Live sessions of " bdi { (owner) } },
                        None => "Live sessions of everybody",
                    }
                }
                thead role="rowgroup" { tr role="row" {
                    @for title in ["Owner", "Label", "Signed in", "Last seen", "Expires", "Handle"] { th scope="col" role="columnheader" { (title) } }
                    th scope="col" role="columnheader" { span.unseen { "Action" } }
                } }
                tbody role="rowgroup" {
                    @for session in &self.listing.sessions { (self.row(session)) }
                    @if self.listing.sessions.is_empty() {
                        tr role="row" { td.empty role="cell" colspan="7" { "No live session here." } }
                    }
                }
            }
            p.note { "Times are in UTC." }
        }
    }

    fn row(&self, OwnedSession { owner, info }: &OwnedSession) -> Markup {
        let handle = info.handle.to_string();
        html! {
            tr role="row" {
                td role="cell" data-title="Owner" {
                    @match owner {
                        Some(owner) => a href=(query(&[("owner", owner.to_string())])) { bdi { (owner) } },
                        None => span.faint { "visitor" },
                    }
                    @if self.current == Some(info.handle) { " " span.tag { "you" } }
                }
                td role="cell" data-title="Label" {
                    @match &info.label {
                        Some(label) => bdi { (shortened(label)) },
                        None => span.faint { "–" },
                    }
                }
                td role="cell" data-title="Signed in" { (moment(info.authenticated_at)) }
                td role="cell" data-title="Last seen" { (moment(Some(info.last_seen_at))) }
                td role="cell" data-title="Expires" { (moment(Some(info.expires_at))) }
                td role="cell" data-title="Handle" { code { (handle) } }
                td.action role="cell" {
                    button form="act" formaction=(self.revoke(owner.as_ref(), &handle)) aria-label={ "End session " (handle) } { "End" }
                }
            }
        }
    }

    fn revoke(&self, owner: Option<&Owner>, handle: &str) -> String {
        let mut pairs = vec![("action", REVOKE.to_owned()), ("handle", handle.to_owned())];
        pairs.extend(owner.map(|owner| ("owner", owner.to_string())));
        if self.owner.is_some() {
            pairs.push(("view", OWNER_VIEW.to_owned()));
        }
        query(&pairs)
    }

    fn next(&self, after: &str) -> String {
        let mut pairs = vec![("after", after.to_owned()), ("limit", self.limit.to_string())];
        pairs.extend(self.owner.map(|owner| ("owner", owner.to_string())));
        query(&pairs)
    }
}

fn figures(stats: &SessionStats) -> Markup {
    let figure = |title: &str, value: Markup| html! { div { dt { (title) } dd { (value) } } };
    html! {
        dl {
            (figure("Live", html! { (stats.sessions) }))
            (figure("Signed in", html! { (stats.signed_in) }))
            (figure("Owners", html! { (stats.owners) }))
            (figure("Expired, not yet removed", html! { (stats.expired) }))
            @if stats.unreadable > 0 { (figure("Unreadable", html! { (stats.unreadable) })) }
            (figure("Oldest", moment(stats.oldest)))
        }
    }
}

fn confirm(owner: &Owner, count: &str, token: &CsrfToken) -> Markup {
    let action = query(&[("action", REVOKE_OWNER.to_owned()), ("owner", owner.to_string())]);
    document(
        "End all sessions of an owner",
        html! {
            p { "This signs out " strong { bdi { (owner) } } " everywhere, logins under way included. Live sessions now: " (count) "." }
            form.tools method="post" action=(action) {
                (hidden(token))
                button.danger { "End all" }
                a.button href=(query(&[("owner", owner.to_string())])) { "Keep them" }
            }
        },
    )
}

fn unsupported(owner: Option<&Owner>) -> Markup {
    document(
        "Sessions",
        html! {
            @if owner.is_some() {
                p { "This session store cannot find the sessions of an owner." }
            } @else {
                p { "This session store cannot list everybody's sessions. Those of one owner may still be found:" }
                form.tools role="search" {
                    label for="owner" { "Owner" }
                    input #owner name="owner" required maxlength=(Owner::MAX_LEN) autocomplete="off";
                    button { "Show" }
                }
            }
        },
    )
}

fn document(title: &str, main: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (main) } }
        }
    }
}

fn hidden(token: &CsrfToken) -> Markup {
    html! { input type="hidden" name=(CSRF_FIELD) value=(token); }
}

/// To the minute.
fn moment(at: Option<Timestamp>) -> Markup {
    let Some(at) = at.map(|at| at.to_string()) else {
        return html! { span.faint { "–" } };
    };
    let minute: String = at
        .chars()
        .take(16)
        .map(|character| if character == 'T' { ' ' } else { character })
        .collect();
    html! { time datetime=(at) { (minute) } }
}

fn shortened(label: &str) -> String {
    match label.char_indices().nth(LABEL) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}
