//! [`Lane`]: a part of the visitors. It sends one request after the other at a fixed rate, knows what each must be answered, and shares no
//! session with another lane.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::book::{Book, lock};
use super::kind::Kind;
use super::model::{Counts, Expect, Rules, Session, Span, State, Text, Timeline};
use super::wire::{Answer, Cookie, ask};
use crate::load::Client;
use crate::measure::{Picker, micros};

pub struct Lane {
    pub number: u64,
    pub port: u16,
    pub rules: Rules,
    /// Between two requests.
    pub pause: Duration,
    /// Sessions in use at once.
    pub in_use: usize,
    pub timeline: Arc<Timeline>,
    pub book: Arc<Mutex<Book>>,
}

/// The names that the visitors of one lane sign in with.
const OWNERS: u64 = 6;

impl Lane {
    /// Sends requests until that moment, then looks at every session once more.
    pub async fn run(self, until: Instant) -> Result<()> {
        let mut walker = Walker {
            client: Client::connect(self.port).await?,
            second: Client::connect(self.port).await?,
            picker: Picker::new(self.number),
            lane: self,
        };
        // The lanes take turns.
        let mut due = Instant::now() + walker.lane.pause.mul_f64(walker.picker.below(1000) as f64 / 1000.0);
        while due < until {
            tokio::time::sleep_until(due.into()).await;
            let kind = walker.choose();
            walker.step(kind).await?;
            let mut book = walker.book();
            let late = micros(due.elapsed());
            let place = Kind::ALL.iter().position(|(other, ..)| *other == kind);
            book.latencies[place.expect("every kind is listed")].push(late);
            book.lately.push(late);
            drop(book);
            due += walker.lane.pause;
        }
        walker.look_at_all().await
    }

    /// Asks with every token that is kept; none may be let in.
    pub async fn look_at_the_ended(port: u16, book: &Mutex<Book>) -> Result<u64> {
        let mut client = Client::connect(port).await?;
        let (left, ended) = {
            let mut book = lock(book);
            let left: Vec<_> = book.sessions.drain(..).map(|session| session.token).collect();
            (left, book.ended.clone())
        };
        for token in left.iter().chain(&ended) {
            let answer = ask(&mut client, "GET", "/info", Some(token), "").await?;
            let dead = answer.status == 200 && answer.body["handle"].is_null();
            lock(book).hold("at the end: an ended session was found", dead);
        }
        Ok((left.len() + ended.len()) as u64)
    }
}

fn signed_in(session: &Session) -> bool {
    session.state == State::InUse && session.owner.is_some()
}

struct Walker {
    lane: Lane,
    client: Client,
    second: Client,
    picker: Picker,
}

impl Walker {
    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.lane.book)
    }

    /// The server's time since a request was sent.
    fn span(&self, sent: Instant) -> Span {
        self.lane.timeline.span(sent, Instant::now())
    }

    fn now(&self) -> Span {
        self.span(Instant::now())
    }

    /// A kind for which there is a session.
    fn choose(&mut self) -> Kind {
        let kind = Kind::pick(&mut self.picker);
        let in_use = self.places(|session| session.state == State::InUse).len();
        match kind {
            // After the jump everybody comes back.
            Kind::Read if in_use < self.lane.in_use / 2 => Kind::First,
            Kind::Return if self.places(|session| session.state == State::Left).is_empty() => Kind::Anonymous,
            Kind::Ended if self.book().ended.is_empty() => Kind::Anonymous,
            Kind::List | Kind::Revoke if self.places(signed_in).is_empty() => Kind::Anonymous,
            _ if in_use == 0 && !matches!(kind, Kind::Untouched | Kind::Anonymous | Kind::Ended | Kind::Return) => {
                Kind::First
            }
            kind => kind,
        }
    }

    fn places(&self, fits: impl Fn(&Session) -> bool) -> Vec<usize> {
        let book = self.book();
        let fitting = book.sessions.iter().enumerate().filter(|(_, session)| fits(session));
        fitting.map(|(place, _)| place).collect()
    }

    fn one_of(&mut self, fits: impl Fn(&Session) -> bool) -> Option<(usize, String)> {
        let places = self.places(fits);
        let place = *places.get(self.picker.below(places.len().max(1) as u64) as usize)?;
        let token = self.book().sessions[place].token.clone();
        Some((place, token))
    }

    async fn step(&mut self, kind: Kind) -> Result<()> {
        self.book().requests += 1 + u64::from(kind == Kind::AddTwice);
        match kind {
            Kind::Untouched => self.without_session("/plain", None).await?,
            Kind::Anonymous => self.without_session("/get/n", None).await?,
            Kind::Forged => {
                let token = self.forge();
                self.without_session("/get/n", Some(token)).await?;
            }
            Kind::Ended => {
                let ended = self.book().ended.len() as u64;
                let place = self.picker.below(ended) as usize;
                let token = self.book().ended[place].clone();
                self.without_session("/get/n", Some(token)).await?;
            }
            Kind::First => self.first().await?,
            _ => self.with_session(kind).await?,
        }
        self.tidy();
        Ok(())
    }

    async fn with_session(&mut self, kind: Kind) -> Result<()> {
        let chosen = match kind {
            Kind::Return => self.one_of(|session| session.state == State::Left),
            Kind::List | Kind::Revoke => self.one_of(signed_in),
            _ => self.one_of(|session| session.state == State::InUse),
        };
        let Some((place, token)) = chosen else {
            return Ok(());
        };
        match kind {
            Kind::Add => {
                let answer = ask(&mut self.client, "POST", "/add/n", Some(&token), "").await?;
                self.added(place, vec![answer]);
            }
            Kind::AddTwice => {
                let (one, two) = tokio::try_join!(
                    ask(&mut self.client, "POST", "/add/n", Some(&token), ""),
                    ask(&mut self.second, "POST", "/add/n", Some(&token), ""),
                )?;
                self.added(place, vec![one, two]);
            }
            Kind::Set => self.set(place, &token).await?,
            Kind::Login | Kind::Renew => self.rotate(kind, place, &token).await?,
            Kind::Logout => {
                let answer = ask(&mut self.client, "POST", "/logout", Some(&token), "").await?;
                let mut book = lock(&self.lane.book);
                let left = answer.status == 200 && !matches!(answer.cookie, Cookie::New(_));
                book.hold("logout: no answer as expected", left);
                book.end(place, &mut self.picker);
            }
            Kind::List => self.list(place, &token).await?,
            Kind::Revoke => self.revoke(place, &token).await?,
            _ => self.read(place, &token).await?,
        }
        Ok(())
    }

    /// Whether an answer came too late to say anything. Then a session that it may have begun, ended or changed is known no longer.
    fn is_slow(&self, place: Option<usize>, answer: &Answer) -> bool {
        let at = self.span(answer.sent);
        if !self.lane.rules.is_slow(at) {
            return false;
        }
        let mut book = self.book();
        book.unjudged += 1;
        let owner = place.and_then(|place| book.sessions[place].owner);
        for (other, session) in book.sessions.iter_mut().enumerate() {
            if session.state != State::Expired && (Some(other) == place || owner.is_some() && session.owner == owner) {
                session.state = State::Unknown;
                session.seen.latest = at.latest;
            }
        }
        if let Cookie::New(token) = &answer.cookie {
            let mut session = Session::begun(token.clone(), at);
            session.state = State::Unknown;
            book.sessions.push(session);
        }
        true
    }

    /// A token that was never issued: one of chance, or a genuine one with one character changed.
    fn forge(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut character = |other: Option<char>| {
            let start = self.picker.below(64) as usize;
            let mut characters = ALPHABET[start..].iter().chain(ALPHABET).map(|byte| char::from(*byte));
            characters.find(|new| Some(*new) != other).unwrap_or('A')
        };
        let chance: String = (0..64).map(|_| character(None)).collect();
        let (which, place) = (self.picker.below(2), self.picker.below(64) as usize);
        match self.one_of(|session| session.state == State::InUse) {
            Some((_, token)) if which == 0 => {
                let changed = if token[place..].starts_with('A') { "B" } else { "A" };
                format!("{}{changed}{}", &token[..place], &token[place + 1..])
            }
            _ => chance,
        }
    }

    /// Without a good token nothing is found and nothing is begun.
    async fn without_session(&mut self, path: &str, token: Option<String>) -> Result<()> {
        let answer = ask(&mut self.client, "GET", path, token.as_deref(), "").await?;
        let mut book = self.book();
        book.answered("without a session", &answer);
        book.hold("without a session: something was found", answer.value().is_null());
        let begun = matches!(answer.cookie, Cookie::New(_)) || (token.is_none() && answer.cookie != Cookie::None);
        book.hold("without a session: a cookie was set", !begun);
        Ok(())
    }

    async fn first(&mut self) -> Result<()> {
        let answer = ask(&mut self.client, "POST", "/add/n", None, "").await?;
        if self.is_slow(None, &answer) {
            return Ok(());
        }
        let at = self.span(answer.sent);
        let mut book = self.book();
        match &answer.cookie {
            Cookie::New(token) if answer.status == 200 && *answer.value() == 1 => {
                let mut session = Session::begun(token.clone(), at);
                session.count = 1;
                book.sessions.push(session);
            }
            _ => book.hold("first visit: no session was begun", false),
        }
        Ok(())
    }

    async fn read(&mut self, place: usize, token: &str) -> Result<()> {
        let (count, text) = {
            let session = &self.book().sessions[place];
            (session.count, session.text)
        };
        // What is looked at must be there, or its absence would say nothing.
        let text = text.filter(|_| count == 0 || self.picker.below(4) == 0);
        let path = if text.is_some() { "/get/t" } else { "/get/n" };
        let answer = ask(&mut self.client, "GET", path, Some(token), "").await?;
        if self.is_slow(Some(place), &answer) {
            return Ok(());
        }
        let at = self.span(answer.sent);
        let mut book = lock(&self.lane.book);
        let session = &mut book.sessions[place];
        let (expect, alive) = (session.expect(at, self.lane.rules), !answer.value().is_null());
        if alive {
            session.seen(at, self.lane.rules);
        }
        book.judge("read", expect, alive);
        book.answered("read", &answer);
        book.hold("read: a cookie was set", !matches!(answer.cookie, Cookie::New(_)));
        if alive {
            let same = match text {
                Some(text) => answer.value().as_str() == Some(&text.make()),
                None => *answer.value() == count,
            };
            book.hold("read: what was acknowledged is not what is there", same);
        } else {
            book.expire(place);
        }
        Ok(())
    }

    /// Takes the answers of adds that were under way at once. If the session was not live, each began another.
    fn added(&mut self, place: usize, answers: Vec<Answer>) {
        let rules = self.lane.rules;
        // All of them, as each may have begun a session.
        if answers
            .iter()
            .filter(|answer| self.is_slow(Some(place), answer))
            .count()
            > 0
        {
            return;
        }
        let mut numbers = Vec::new();
        let asked = answers.len();
        for answer in answers {
            let at = self.span(answer.sent);
            let number = answer.value().as_u64().unwrap_or(0);
            let mut book = self.book();
            book.answered("add", &answer);
            let expect = book.sessions[place].expect(at, rules);
            book.judge("add", expect, answer.cookie == Cookie::None);
            match answer.cookie {
                Cookie::None => {
                    book.sessions[place].seen(at, rules);
                    numbers.push(number);
                }
                Cookie::Removed => book.hold("add: the cookie was removed", false),
                Cookie::New(token) => {
                    book.hold("add: a new session does not begin at one", number == 1);
                    let mut session = Session::begun(token, at);
                    session.count = 1;
                    book.sessions.push(session);
                }
            }
        }
        numbers.sort_unstable();
        let mut book = self.book();
        let next = book.sessions[place].count + 1;
        let right = numbers.iter().copied().eq(next..next + numbers.len() as u64);
        book.hold("add: an update was lost", right);
        if numbers.len() < asked {
            book.expire(place);
        } else if let Some(count) = numbers.last() {
            book.sessions[place].count = *count;
        }
    }

    async fn set(&mut self, place: usize, token: &str) -> Result<()> {
        let text = Text {
            seed: self.picker.below(u64::MAX),
            length: 100 + self.picker.below(4096 - 100 + 1) as usize,
        };
        let answer = ask(&mut self.client, "POST", "/set/t", Some(token), &text.make()).await?;
        if self.is_slow(Some(place), &answer) {
            return Ok(());
        }
        let at = self.span(answer.sent);
        let rules = self.lane.rules;
        let mut book = lock(&self.lane.book);
        book.answered("set", &answer);
        let (expect, alive) = (book.sessions[place].expect(at, rules), answer.cookie == Cookie::None);
        book.judge("set", expect, alive);
        if alive {
            let session = &mut book.sessions[place];
            session.text = Some(text);
            session.seen(at, rules);
        } else {
            book.expire(place);
            match answer.cookie {
                Cookie::New(token) => {
                    let mut session = Session::begun(token, at);
                    session.text = Some(text);
                    book.sessions.push(session);
                }
                _ => book.hold("set: the cookie was removed", false),
            }
        }
        Ok(())
    }

    /// Login and renewal: a new token, and the old one is worth nothing.
    async fn rotate(&mut self, kind: Kind, place: usize, token: &str) -> Result<()> {
        // Another owner would find an empty session: what the one before left there is not theirs.
        let chosen = self.picker.below(OWNERS);
        let before = self.book().sessions[place].owner;
        let owner = before.unwrap_or(chosen);
        let path = match kind {
            Kind::Login => format!("/login/visitor-{}-{owner}", self.lane.number),
            _ => "/renew".to_owned(),
        };
        let answer = ask(&mut self.client, "POST", &path, Some(token), "").await?;
        if self.is_slow(Some(place), &answer) {
            // It is on its owner's list from now on.
            if let (Cookie::New(_), Some(begun)) = (&answer.cookie, self.book().sessions.last_mut()) {
                begun.owner = if kind == Kind::Login { Some(owner) } else { before };
            }
            return Ok(());
        }
        let at = self.span(answer.sent);
        let rules = self.lane.rules;
        let mut book = lock(&self.lane.book);
        book.answered("login or renewal", &answer);
        let expect = book.sessions[place].expect(at, rules);
        match (kind, answer.cookie) {
            (Kind::Login, Cookie::New(new)) => {
                book.bury(token.to_owned(), &mut self.picker);
                let session = &mut book.sessions[place];
                session.token = new;
                session.owner = Some(owner);
                // A login begins it anew.
                (session.seen, session.created) = (at, at);
                if expect != Expect::Live {
                    session.state = State::Unknown;
                    book.unjudged += 1;
                }
            }
            (Kind::Login, _) => {
                book.hold("login: no new token", false);
                book.end(place, &mut self.picker);
            }
            (_, Cookie::New(new)) => {
                book.judge("renewal", expect, true);
                book.bury(token.to_owned(), &mut self.picker);
                let session = &mut book.sessions[place];
                session.token = new;
                session.seen(at, rules);
            }
            // A session that has ended holds nothing to renew.
            _ => {
                book.judge("renewal", expect, false);
                book.expire(place);
            }
        }
        Ok(())
    }

    /// How many sessions of an owner there must be, and may be.
    fn owned(&self, owner: Option<u64>, at: Span) -> Counts {
        let book = self.book();
        let theirs = book.sessions.iter().filter(|session| session.owner == owner);
        Counts::of(theirs, at, self.lane.rules)
    }

    async fn list(&mut self, place: usize, token: &str) -> Result<()> {
        let owner = self.book().sessions[place].owner;
        let answer = ask(&mut self.client, "GET", "/sessions", Some(token), "").await?;
        if self.is_slow(Some(place), &answer) {
            return Ok(());
        }
        let at = self.span(answer.sent);
        let owned = self.owned(owner, at);
        let listed = answer.body.as_array().map(|listed| listed.len() as u64);
        self.found(place, "list", &answer, at);
        if let Some(listed) = listed.filter(|_| answer.status == 200) {
            let right = (owned.least..=owned.most).contains(&listed);
            let (least, most) = (owned.least, owned.most);
            let what = format!(
                "list, at {} ms of the driver's time: it shows {listed}, and not {least} to {most}",
                at.earliest
            );
            self.book().hold(&what, right);
        }
        Ok(())
    }

    async fn revoke(&mut self, place: usize, token: &str) -> Result<()> {
        let owner = self.book().sessions[place].owner;
        let all = self.picker.below(2) == 0;
        let path = if all { "/revoke-all" } else { "/revoke-others" };
        let answer = ask(&mut self.client, "POST", path, Some(token), "").await?;
        if self.is_slow(Some(place), &answer) {
            return Ok(());
        }
        let at = self.span(answer.sent);
        let owned = self.owned(owner, at);
        if !self.found(place, "revocation", &answer, at) {
            return Ok(());
        }
        let kept = u64::from(!all);
        let revoked = answer.body["revoked"].as_u64();
        let mut book = lock(&self.lane.book);
        // What has expired and waits for the cleaner may be counted.
        let settled = self
            .lane
            .timeline
            .since_jump()
            .is_none_or(|since| since > self.lane.rules.grace());
        let most = if settled { owned.stored } else { u64::MAX };
        let right = revoked.is_some_and(|revoked| (owned.least.saturating_sub(kept)..=most).contains(&revoked));
        book.hold("revocation: too many or too few", right);
        for session in (0..book.sessions.len()).rev() {
            if book.sessions[session].owner == owner && (all || book.sessions[session].token != token) {
                book.end(session, &mut self.picker);
            }
        }
        Ok(())
    }

    /// Whether the owner's session was found, which a status says; if not, it is done with.
    fn found(&mut self, place: usize, what: &str, answer: &Answer, at: Span) -> bool {
        let rules = self.lane.rules;
        let mut book = lock(&self.lane.book);
        if answer.status != 401 {
            book.answered(what, answer);
        }
        let (expect, alive) = (book.sessions[place].expect(at, rules), answer.status == 200);
        book.judge(what, expect, alive);
        if alive {
            book.sessions[place].seen(at, rules);
        } else {
            book.expire(place);
        }
        alive
    }

    /// Leaves a session alone if there are enough, and forgets those that must be gone.
    fn tidy(&mut self) {
        let in_use = self.places(|session| session.state == State::InUse);
        if in_use.len() > self.lane.in_use {
            let place = in_use[self.picker.below(in_use.len() as u64) as usize];
            self.book().sessions[place].state = State::Left;
        }
        let (now, rules) = (self.now(), self.lane.rules);
        let grace = rules.grace().as_millis() as u64;
        let mut book = lock(&self.lane.book);
        for place in (0..book.sessions.len()).rev() {
            if now.earliest > book.sessions[place].ends(rules).latest + grace {
                book.end(place, &mut self.picker);
            }
        }
    }

    /// The last look: what should be there is, as it was acknowledged.
    async fn look_at_all(&mut self) -> Result<()> {
        let sessions = self.book().sessions.len();
        for place in (0..sessions).rev() {
            let token = {
                let book = self.book();
                let session = &book.sessions[place];
                matches!(session.state, State::InUse | State::Left).then(|| session.token.clone())
            };
            if let Some(token) = token {
                self.read(place, &token).await?;
            }
        }
        Ok(())
    }
}
