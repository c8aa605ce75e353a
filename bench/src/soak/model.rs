//! What must be true of the server: the sessions that were begun, what they hold, and when they end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use session_core::Lifetime;

/// How far the wall clock jumps.
pub const JUMP: Duration = Duration::from_secs(3600);

/// What two clocks of one machine may differ by while a session lives.
const SLACK: u64 = 100;

const NEVER: u64 = u64::MAX;

/// Between when and when something happened, in ms of the server's time since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub earliest: u64,
    pub latest: u64,
}

/// The server's time, as far as can be known from outside: ours, and an hour more after the jump forward. The jump back changes nothing.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    began: AtomicU64,
    done: AtomicU64,
}

impl Timeline {
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            began: AtomicU64::new(NEVER),
            done: AtomicU64::new(NEVER),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        // A session's times are compared with earlier ones; an offset keeps them positive.
        at.saturating_duration_since(self.start).as_millis() as u64 + 1_000_000
    }

    /// To be called before the server is told.
    pub fn jump_begins(&self) {
        self.began.store(self.millis(Instant::now()), Ordering::SeqCst);
    }

    /// To be called when the server must have noticed.
    pub fn jump_is_done(&self) {
        self.done.store(self.millis(Instant::now()), Ordering::SeqCst);
    }

    /// How long ago the jump was over.
    pub fn since_jump(&self) -> Option<Duration> {
        let done = self.done.load(Ordering::SeqCst);
        (done != NEVER).then(|| Duration::from_millis(self.millis(Instant::now()).saturating_sub(done)))
    }

    /// What the server's clock showed while something happened. To be called when it is over.
    pub fn span(&self, from: Instant, to: Instant) -> Span {
        let (from, to) = (self.millis(from), self.millis(to));
        let jump = JUMP.as_millis() as u64;
        let ahead = |passed: bool| if passed { jump } else { 0 };
        Span {
            earliest: from + ahead(from > self.done.load(Ordering::SeqCst)) - SLACK,
            latest: to + ahead(to >= self.began.load(Ordering::SeqCst)) + SLACK,
        }
    }
}

/// Whether a session is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Live,
    Dead,
    /// Its deadline lies within the request.
    Either,
}

/// One session, as its visitor knows it.
#[derive(Debug)]
pub struct Session {
    pub token: String,
    pub owner: Option<u64>,
    /// Its value `n`; 0 if there is none.
    pub count: u64,
    /// Its value `t`.
    pub text: Option<Text>,
    pub created: Span,
    pub seen: Span,
    pub state: State,
}

/// What its visitor does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    InUse,
    /// Left alone; it may be looked at once more.
    Left,
    /// A deadline lay within a login or a slow request: what it holds cannot be known.
    Unknown,
    /// It was found to have ended by itself.
    Expired,
}

/// A text that is known by two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    pub seed: u64,
    pub length: usize,
}

impl Text {
    pub fn make(self) -> String {
        // Not the same eight bytes again and again: the store compresses.
        let mut picker = crate::measure::Picker::new(self.seed);
        (0..self.length)
            .map(|_| char::from(b'a' + picker.below(26) as u8))
            .collect()
    }
}

/// The lifetime that the server gives, and how soon it cleans up.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub idle: Duration,
    pub absolute: Duration,
    pub sweep: Duration,
}

impl Rules {
    pub fn lifetime(self) -> session_core::Result<Lifetime> {
        Lifetime::sliding(self.idle)?.with_absolute(self.absolute)
    }

    /// Expired sessions must be gone after this.
    pub fn grace(self) -> Duration {
        self.sweep * 2 + Duration::from_secs(5)
    }

    /// Whether a session may have begun and ended within a request, so that nothing can be said of the answer.
    pub fn is_slow(self, at: Span) -> bool {
        u128::from(at.latest - at.earliest) >= self.idle.as_millis() / 2
    }

    fn touch_window(self) -> u64 {
        (self.idle / 100).max(Duration::from_secs(1)).as_millis() as u64
    }
}

impl Session {
    pub fn begun(token: String, at: Span) -> Self {
        Self {
            token,
            owner: None,
            count: 0,
            text: None,
            created: at,
            seen: at,
            state: State::InUse,
        }
    }

    /// A request found it. The sighting may be older by the touch window; and if the session may have ended before the request did, there
    /// may be none.
    pub fn seen(&mut self, at: Span, rules: Rules) {
        if self.expect(at, rules) == Expect::Live {
            let sighted = at.earliest.saturating_sub(rules.touch_window());
            self.seen.earliest = self.seen.earliest.max(sighted);
        }
        self.seen.latest = self.seen.latest.max(at.latest);
    }

    /// Between when and when it ends.
    pub fn ends(&self, rules: Rules) -> Span {
        let (idle, absolute) = (rules.idle.as_millis() as u64, rules.absolute.as_millis() as u64);
        Span {
            earliest: (self.seen.earliest + idle).min(self.created.earliest + absolute),
            latest: (self.seen.latest + idle).min(self.created.latest + absolute),
        }
    }

    pub fn expect(&self, at: Span, rules: Rules) -> Expect {
        if self.state == State::Expired {
            return Expect::Dead;
        }
        let ends = self.ends(rules);
        if at.earliest >= ends.latest {
            Expect::Dead
        } else if at.latest < ends.earliest && self.state != State::Unknown {
            Expect::Live
        } else {
            Expect::Either
        }
    }
}

/// How many sessions there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live ones, at least.
    pub least: u64,
    /// Live ones, at most.
    pub most: u64,
    /// With those that have expired and may still wait for the cleaner.
    pub stored: u64,
}

impl Counts {
    pub fn of<'a>(sessions: impl IntoIterator<Item = &'a Session>, at: Span, rules: Rules) -> Self {
        let grace = rules.grace().as_millis() as u64;
        let mut counts = Self::default();
        for session in sessions {
            let expect = session.expect(at, rules);
            counts.least += u64::from(expect == Expect::Live);
            counts.most += u64::from(expect != Expect::Dead);
            counts.stored += u64::from(at.earliest < session.ends(rules).latest + grace);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        idle: Duration::from_secs(60),
        absolute: Duration::from_secs(600),
        sweep: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Span {
        let millis = seconds * 1000;
        Span {
            earliest: millis,
            latest: millis + 10,
        }
    }

    #[test]
    fn between_the_two_deadlines_anything_may_be_found() {
        let mut session = Session::begun(String::new(), at(0));
        session.seen(at(30), RULES);
        assert_eq!(session.expect(at(88), RULES), Expect::Live);
        assert_eq!(session.expect(at(89), RULES), Expect::Either);
        assert_eq!(session.expect(at(91), RULES), Expect::Dead);
    }

    #[test]
    fn a_busy_session_ends_at_its_absolute_timeout() {
        let mut session = Session::begun(String::new(), at(0));
        (1..12).for_each(|sighting| session.seen(at(50 * sighting), RULES));
        assert_eq!(session.expect(at(599), RULES), Expect::Live);
        assert_eq!(session.expect(at(601), RULES), Expect::Dead);
    }

    #[test]
    fn who_is_found_when_the_deadline_passes_may_not_have_been_seen() {
        let mut session = Session::begun(String::new(), at(0));
        session.seen(at(60), RULES);
        assert_eq!(session.expect(at(61), RULES), Expect::Either);
        assert_eq!(session.expect(at(121), RULES), Expect::Dead);
    }

    #[test]
    fn the_jump_ends_what_was_begun_before_it_and_nothing_else() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let timeline = Timeline::new(start);
        let session = Session::begun(String::new(), timeline.span(start, start));
        assert_eq!(session.expect(timeline.span(after(1), after(1)), RULES), Expect::Live);
        timeline.jump_begins();
        assert_eq!(session.expect(timeline.span(start, after(1)), RULES), Expect::Either);
        timeline.jump_is_done();
        assert_eq!(session.expect(timeline.span(after(1), after(1)), RULES), Expect::Dead);
        let session = Session::begun(String::new(), timeline.span(after(1), after(1)));
        assert_eq!(session.expect(timeline.span(after(2), after(2)), RULES), Expect::Live);
    }

    #[test]
    fn what_has_expired_is_counted_as_stored_for_a_while() {
        let sessions = [Session::begun(String::new(), at(0))];
        let counts = |seconds| Counts::of(&sessions, at(seconds), RULES);
        let (live, due, gone) = (counts(1), counts(61), counts(90));
        assert_eq!((live.least, live.most, live.stored), (1, 1, 1));
        assert_eq!((due.least, due.most, due.stored), (0, 0, 1));
        assert_eq!(gone, Counts::default());
    }
}
