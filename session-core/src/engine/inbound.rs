//! The first half of a request: from cookie bytes to a [`Session`], verified and loaded once, and only if somebody asks for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Engine, Outbound, Outcome};
use crate::cookie::Verified;
use crate::cookie::parse::{Candidates, MOST_CANDIDATES, Named, candidates};
use crate::error::Result;
use crate::event::Event;
use crate::id::StoreKey;
use crate::record::Record;
use crate::session::changes::Ending;
use crate::session::state::{Base, Head, Live};
use crate::session::{Filled, Session, Slot};

/// The middleware's half of a request. Finish with it, exactly once.
#[must_use = "a request that is not finished commits nothing"]
pub struct Inbound {
    slot: Arc<Slot>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// The head is decided, and the session knows, if there is one.
    Closed,
}

/// The extractors' half of a request; cheap to clone.
#[derive(Clone)]
pub struct Access {
    slot: Arc<Slot>,
}

pub(super) fn begin(engine: Engine) -> (Inbound, Access) {
    let slot = Slot::new(engine);
    let inbound = Inbound {
        slot: slot.clone(),
        end: End::Open,
    };
    (inbound, Access { slot })
}

impl Access {
    /// The session of this request, the same for all who ask: the first call verifies the token and loads; of calls at the same time, the
    /// load that is done first stands.
    ///
    /// `cookies` are the values of all `Cookie` headers, as received.
    ///
    /// # Errors
    ///
    /// The store's own; the next call tries again.
    pub fn session<'a>(
        &self,
        cookies: impl IntoIterator<Item = &'a [u8]>,
    ) -> impl Future<Output = Result<Session>> + Send {
        let slot = &self.slot;
        slot.ask();
        if let Some(session) = slot.session() {
            return Loading::Done(Some(self.hand_out(session)));
        }
        let claims = Claims::of(candidates(cookies, slot.engine().config().cookie_name()), slot.engine());
        match self.at_once(&claims) {
            Some(session) => Loading::Done(Some(session)),
            None => Loading::Waiting(Box::pin(self.in_turn(claims))),
        }
    }

    /// The session, if nobody has to be waited for. It takes no turn, which would cost a request that reads some 30 ns of 1,240: whoever else
    /// loads it, the first to come stands.
    fn at_once(&self, claims: &Claims) -> Option<Session> {
        let base = claims.load_cached(self.engine())?;
        Some(self.fill(claims, base))
    }

    async fn in_turn(&self, claims: Claims) -> Result<Session> {
        let _turn = self.slot.turn().lock().await;
        match self.slot.session() {
            Some(session) => Ok(self.hand_out(session)),
            None => {
                let base = claims.load(self.engine()).await?;
                Ok(self.fill(&claims, base))
            }
        }
    }

    /// The session with what was loaded, or with what somebody else has loaded meanwhile.
    fn fill(&self, claims: &Claims, base: Base) -> Session {
        let (session, filled) = self.slot.fill(base);
        if filled == Filled::Now && claims.are_rejected() {
            self.engine().tell(Event::TokenRejected);
        }
        self.hand_out(session)
    }

    fn hand_out(&self, session: Session) -> Session {
        let too_late = self.slot.give();
        if too_late {
            session.state().head = Head::Sent;
        }
        session
    }

    /// What all requests share.
    pub fn engine(&self) -> &Engine {
        self.slot.engine()
    }
}

impl Inbound {
    /// Commits what the handler wanted, and says what the response head has to carry.
    ///
    /// Run it after the handler, before the head is sent. A request that never asked for its session costs nothing.
    ///
    /// # Errors
    ///
    /// Why the commit failed: replace the response by one with [`Error::status_code`](crate::Error::status_code) and no cookie
    /// (P13), and apply [`Outbound::failed`] to it.
    pub fn finish(mut self, outcome: Outcome) -> Finish {
        let settled = if self.slot.finish() {
            self.slot.finish_unchanged(outcome)
        } else if self.is_used() {
            Some(Outbound::failed())
        } else {
            Some(Outbound::untouched())
        };
        Finish(match settled {
            Some(outbound) => {
                self.end = End::Closed;
                Step::Settled(Some(outbound))
            }
            None => Step::Committing(Box::pin(self.commit(outcome))),
        })
    }

    /// For a handler that failed without a response: ends the session if that was wanted; everything else is dropped, as no browser
    /// would learn of it. Answers [`Outbound::failed`].
    ///
    /// # Errors
    ///
    /// The store's own: the session may then still be live.
    pub fn finish_unanswered(self) -> Finish {
        self.close();
        let ends = |session: Session| {
            let state = session.state();
            // A save that is ending it may fail, and then nobody else would.
            let saving = state.in_flight.as_ref().map(|changes| changes.ending);
            state.changes.ending == Ending::End || saving == Some(Ending::End)
        };
        Finish(if self.slot.session().is_some_and(ends) {
            Step::Committing(Box::pin(async {
                self.commit(Outcome::ServerError).await.map(|_| Outbound::failed())
            }))
        } else {
            Step::Settled(Some(Outbound::failed()))
        })
    }

    async fn commit(self, outcome: Outcome) -> Result<Outbound> {
        let session = self.slot.session();
        let session = session.expect("only a request that has its session comes here, and it keeps it");
        session.finish(outcome).await
    }

    /// From now on no cookie can be set.
    fn close(&self) {
        if self.slot.finish() {
            self.slot.state().head = Head::Sent;
        }
    }

    /// Itself, to be finished, if anybody has asked for the session. `None` if nobody has: then the request is over, and its response needs no
    /// header; whoever asks later can set no cookie.
    pub fn if_used(mut self) -> Option<Self> {
        if self.is_used() || self.slot.finish() || self.is_used() {
            return Some(self);
        }
        self.end = End::Closed;
        None
    }

    /// Whether anybody has asked for the session by now.
    pub fn is_used(&self) -> bool {
        self.slot.is_asked()
    }
}

/// What [`Inbound::finish`] waits for. A request that changed nothing is settled already: only a commit needs a future of its own,
/// which is large.
#[must_use = "nothing is committed unless it is awaited"]
pub struct Finish(Step);

enum Step {
    Settled(Option<Outbound>),
    Committing(Pin<Box<dyn Future<Output = Result<Outbound>> + Send>>),
}

impl Future for Finish {
    type Output = Result<Outbound>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Step::Settled(outbound) => {
                Poll::Ready(Ok(outbound.take().expect("a future is not polled after it is ready")))
            }
            Step::Committing(commit) => commit.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.0 {
            Step::Settled(_) => "Settled",
            Step::Committing(_) => "Committing",
        };
        f.debug_tuple("Finish").field(&step).finish()
    }
}

/// A request that is dropped, because the client went away for example, sends no head either.
impl Drop for Inbound {
    fn drop(&mut self) {
        if self.end == End::Open {
            self.close();
        }
    }
}

/// What [`Access::session`] waits for: nothing, if the store has the session in memory. Only the rest has a future of its own, because a
/// request carries this one through all its layers.
enum Loading<'a> {
    Done(Option<Session>),
    Waiting(Pin<Box<dyn Future<Output = Result<Session>> + Send + 'a>>),
}

impl Future for Loading<'_> {
    type Output = Result<Session>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(session) => Poll::Ready(Ok(session.take().expect("a future is not polled after it is ready"))),
            Self::Waiting(load) => load.as_mut().poll(context),
        }
    }
}

/// The sessions that a request names by genuine tokens: at most one of them is meant, the first that is live.
struct Claims {
    /// Filled from the front.
    verified: [Option<Verified>; MOST_CANDIDATES],
    named: Named,
}

impl Claims {
    fn of(found: Candidates<'_>, engine: &Engine) -> Self {
        let tokens = found.tokens.into_iter().flatten();
        let mut genuine = tokens.filter_map(|token| engine.keys().verify(token));
        Self {
            verified: std::array::from_fn(|_| genuine.next()),
            named: found.named,
        }
    }

    /// What the store has in memory; `None` if it is to be asked.
    fn load_cached(&self, engine: &Engine) -> Option<Base> {
        match &self.verified[0] {
            None => Some(Base::Fresh),
            Some(first) => {
                let key = first.id.store_key();
                let record = engine.load_cached(key)?;
                Some(live(first, key, record))
            }
        }
    }

    async fn load(&self, engine: &Engine) -> Result<Base> {
        for verified in self.verified.iter().flatten() {
            let key = verified.id.store_key();
            if let Some(record) = engine.load(key).await? {
                return Ok(live(verified, key, record));
            }
        }
        Ok(Base::Fresh)
    }

    /// Whether there were tokens, and none is genuine.
    fn are_rejected(&self) -> bool {
        self.named == Named::Some && self.verified[0].is_none()
    }
}

fn live(verified: &Verified, key: StoreKey, record: Record) -> Base {
    Base::Live(Live {
        id: verified.id.clone(),
        key,
        record,
        standing: verified.standing,
    })
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("used", &self.is_used())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
