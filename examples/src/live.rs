//! [`Live`]: what goes over the cart's WebSocket, `/cart/live`. The page sends its gift note as it is typed, a text message each
//! time; the server saves it and answers in JSON. Frames are the framework's business, in the binaries.
//!
//! The socket holds a [`Session`] after the head of its response, the 101, was sent. Such a handle still reads, changes and ends the
//! session, but can neither create nor renew one: the browser could not learn the token any more.

use serde_json::json;
use session_core::{ErrorKind, Result, Session, SessionValue};

use crate::failure::Failure;
use crate::note::Note;
use crate::server;
use crate::shop::{self, Cart};

/// The most bytes of a message, and of a frame. A note of [`Note::LONGEST`] characters takes up to four bytes each; what is a little
/// longer is refused in words, what is longer than this ends the socket.
pub const LARGEST_MESSAGE: usize = 4096;

/// One open socket's side of the conversation.
#[derive(Debug)]
pub struct Live {
    session: Session,
    /// Whether there was a session when the socket opened. Asked once: a session that ended since looks new, too.
    visitor: Visitor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    Known,
    Stranger,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The note is saved: `{"saved": true, "items": 3}`. The items are those of the cart as it is now, so that the page notices
    /// what another tab did.
    Saved {
        /// How many things are in the cart.
        items: u32,
    },
    /// The note was not saved, and why: `{"refused": "…"}`.
    Refused(String),
    /// Nothing is stored for this visitor, and a socket cannot change that: `{"ended": true, "refused": "…"}`, and the socket
    /// closes.
    Stranger,
    /// The session has ended, and nothing brings it back: `{"ended": true}`, and the socket closes.
    Ended,
    /// The server stops: `{"closing": true}`, and the socket closes, as it would keep the server waiting. The page opens another.
    Closing,
}

impl Live {
    /// For the session of the request that opens the socket.
    pub fn new(session: Session) -> Self {
        let visitor = if session.is_new() {
            Visitor::Stranger
        } else {
            Visitor::Known
        };
        Self { session, visitor }
    }

    /// Takes the note as it now reads.
    pub async fn hear(&self, note: &str) -> Reply {
        if self.visitor == Visitor::Stranger {
            return Reply::Stranger;
        }
        let note = match Note::new(note) {
            Ok(note) => note,
            Err(too_long) => return Reply::Refused(too_long.to_string()),
        };
        match self.save(note).await {
            Ok(items) => Reply::Saved { items },
            Err(error) if error.kind() == ErrorKind::Gone => Reply::Ended,
            Err(error) => {
                Failure::from(error).report();
                Reply::Refused("The note could not be saved just now.".to_owned())
            }
        }
    }

    /// Sees what other tabs did since the last message, changes the one value, and stores that. A change that comes in between is
    /// not lost either: the note is written into whatever the store then has.
    async fn save(&self, note: Note) -> Result<u32> {
        self.session.reload().await?;
        shop::write_note(&self.session, note)?;
        self.session.save().await?;
        Ok(self.session.get(Cart::KEY)?.unwrap_or_default().items())
    }

    /// Waits until there is something to say without being asked; that is the last thing then. The end of the session is noticed at
    /// once, whoever ends it: a sign-out in another tab, another device of the same owner, the owner limit, its deadline.
    pub async fn watch(&self) -> Reply {
        if self.visitor == Visitor::Stranger {
            return Reply::Stranger;
        }
        tokio::select! {
            () = self.session.ended() => Reply::Ended,
            () = server::stopped() => Reply::Closing,
        }
    }
}

impl Reply {
    /// The message to send.
    pub fn to_json(&self) -> String {
        let message = match self {
            Self::Saved { items } => json!({ "saved": true, "items": items }),
            Self::Refused(reason) => json!({ "refused": reason }),
            Self::Stranger => json!({ "ended": true, "refused": "There is no cart: put something into one first." }),
            Self::Ended => json!({ "ended": true }),
            Self::Closing => json!({ "closing": true }),
        };
        message.to_string()
    }

    /// Whether the socket closes after this.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Stranger | Self::Ended | Self::Closing)
    }
}

/// Refuses a socket that a page of another origin opens (RFC 6455 §10.2, OWASP ASVS 5.0 V4.4.2).
///
/// Browsers let any page open a WebSocket to any server, and send cookies along: CORS does not cover it. `SameSite=Lax` keeps the
/// cookie back only if that page is of another *site*. A sibling subdomain, or another port of this machine, is of the same site,
/// and without this check its scripts could write, and read, as our visitor.
///
/// Browsers always say where a page came from. Whoever sends no `Origin` is not one, and has no business here.
///
/// # Errors
///
/// [`Failure::ForeignOrigin`] unless the header `Origin` names the host and port that `Host` does. Not its scheme: behind a proxy that
/// ends TLS the server does not know it.
pub fn check_origin(origin: Option<&str>, host: Option<&str>) -> Result<(), Failure> {
    let page = origin.and_then(|origin| {
        origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"))
    });
    match (page, host) {
        (Some(page), Some(host)) if page.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Failure::ForeignOrigin),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use session_core::{Engine, MemoryStore, Outcome, Owner, SigningKeys};

    use super::*;

    fn ada() -> Owner {
        Owner::new("Ada").unwrap()
    }

    /// Ada's socket, and her session's engine and store.
    async fn live() -> (Live, Engine, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::new());
        let engine = Engine::builder(store.clone(), SigningKeys::generate().unwrap()).build();
        let (request, access) = engine.begin();
        let session = access.session([]).await.unwrap();
        session.login(ada()).unwrap();
        let _head = request.finish(Outcome::of_status(200)).await.unwrap();
        (Live::new(session), engine, store)
    }

    #[tokio::test]
    async fn a_note_is_saved_after_the_head_was_sent() {
        let (live, ..) = live().await;
        assert_eq!(live.hear("For Grace").await, Reply::Saved { items: 0 });
        live.session.reload().await.unwrap();
        assert_eq!(live.session.get(shop::NOTE).unwrap().as_deref(), Some("For Grace"));
    }

    #[tokio::test]
    async fn a_note_for_a_session_that_was_revoked_is_refused_and_revives_nothing() {
        let (live, engine, store) = live().await;
        engine.sessions().unwrap().revoke_all(&ada()).await.unwrap();
        assert_eq!(live.hear("For Grace").await, Reply::Ended);
        assert!(store.is_empty());
    }

    #[tokio::test]
    async fn who_watches_learns_of_a_revocation() {
        let (live, engine, _store) = live().await;
        let (reply, revoked) = tokio::join!(live.watch(), async {
            engine.sessions().unwrap().revoke_all(&ada()).await
        });
        revoked.unwrap();
        assert_eq!(reply, Reply::Ended);
    }

    #[track_caller]
    fn accepts(origin: Option<&str>, host: Option<&str>) -> bool {
        check_origin(origin, host).is_ok()
    }

    #[test]
    fn a_page_of_the_same_host_and_port_may_open_a_socket() {
        assert!(accepts(Some("http://127.0.0.1:3000"), Some("127.0.0.1:3000")));
        assert!(accepts(Some("https://Keepsake.example"), Some("keepsake.example")));
    }

    #[test]
    fn a_page_from_elsewhere_may_not() {
        for origin in [
            "http://127.0.0.1:4000",
            "http://127.0.0.1",
            "https://evil.keepsake.example",
            "https://127.0.0.1:3000.evil.example",
            "null",
            "127.0.0.1:3000",
            "",
        ] {
            assert!(!accepts(Some(origin), Some("127.0.0.1:3000")), "{origin}");
        }
    }

    #[test]
    fn who_does_not_say_where_they_come_from_may_not() {
        assert!(!accepts(None, Some("127.0.0.1:3000")));
        assert!(!accepts(Some("http://127.0.0.1:3000"), None));
        assert!(!accepts(None, None));
    }
}
