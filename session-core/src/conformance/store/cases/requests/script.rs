//! [`play`]: one order of the calls of a few requests. After each step it looks at every session, so that what is wrong for a moment only is
//! seen too.

use std::fmt::Write as _;

use super::site::{Scene, Site, Whose};
use super::wish::{Answer, Content, Did, Wish};
use super::world::{BEGUN, Done, FIRST, Lists, explains};
use crate::clock::Timestamp;
use crate::conformance::store::gated::{Running, Stop};
use crate::conformance::store::walk::{Chance, Walk};
use crate::id::{Handle, StoreKey};
use crate::record::Record;

/// Who chooses which request goes on.
pub(super) enum Way<'a> {
    /// The next order of all.
    Next(&'a mut Walk),
    Random(&'a mut Chance),
}

/// One request of a script.
struct Part {
    wish: Wish,
    /// The steps that were its own: none before it has begun.
    steps: Vec<usize>,
    /// The time at its first step.
    began_at: Timestamp,
    /// Which of its steps loads the session and runs the handler.
    handler_step: usize,
    answer: Option<Answer>,
    /// The session that it began or moved, as it was then.
    begun: Option<Content>,
}

struct Script<'a> {
    site: &'a Site,
    scene: Scene,
    whose: Whose,
    parts: Vec<Part>,
    /// Time passes at some moment, so it matters whether a request began before.
    beside_time: bool,
    has_expired: bool,
    /// Where each token leads, and what is there; first the session that all meet at.
    keys: Vec<Option<StoreKey>>,
    seen: Vec<Option<Record>>,
    steps: usize,
    story: String,
}

/// Plays one order, and fails with the story of it if a promise is broken.
pub(super) async fn play(site: &Site, whose: Whose, wishes: &[Wish], number: u64, mut way: Way<'_>) {
    let mut script = Script::new(site, whose, wishes, number).await;
    let mut requests: Vec<Running<Answer>> = (0..)
        .zip(wishes)
        .map(|(place, wish)| script.scene.request(*wish, place).run(&site.engine))
        .collect();
    loop {
        let able = script.able();
        if able.is_empty() {
            break;
        }
        let choice = match &mut way {
            Way::Next(walk) => walk.choose(able.len()),
            Way::Random(chance) => chance.below(able.len()),
        };
        let place = able[choice];
        script.step(place, &mut requests[place]).await;
    }
    script.end().await;
}

impl<'a> Script<'a> {
    async fn new(site: &'a Site, whose: Whose, wishes: &[Wish], number: u64) -> Self {
        let scene = site.set(whose, number).await;
        let beside_time = wishes.contains(&Wish::Expire);
        let part = |wish: &Wish| Part {
            wish: *wish,
            steps: Vec::new(),
            began_at: site.now(),
            handler_step: usize::from(beside_time),
            answer: None,
            begun: None,
        };
        let mut script = Self {
            parts: wishes.iter().map(part).collect(),
            site,
            whose,
            beside_time,
            has_expired: false,
            keys: scene
                .keys
                .into_iter()
                .map(Some)
                .chain(wishes.iter().map(|_| None))
                .collect(),
            seen: Vec::new(),
            steps: 0,
            story: String::new(),
            scene,
        };
        script.seen = script.look().await;
        script
    }

    /// Who may go on. Of several that want the same, the first one begins first: they differ in their place alone.
    fn able(&self) -> Vec<usize> {
        let is_able = |place: &usize| {
            let part = &self.parts[*place];
            let waits_for = |before: &Part| before.wish == part.wish && before.steps.is_empty();
            part.answer.is_none() && !(part.steps.is_empty() && self.parts[..*place].iter().any(waits_for))
        };
        (0..self.parts.len()).filter(is_able).collect()
    }

    /// One request makes its next call, or time passes.
    async fn step(&mut self, place: usize, request: &mut Running<Answer>) {
        self.site.a_moment_passes();
        self.steps += 1;
        let part = &mut self.parts[place];
        let begins = part.steps.is_empty();
        part.steps.push(self.steps);
        if begins {
            part.began_at = self.site.now();
        }
        let stop = if part.wish == Wish::Expire {
            self.site.everything_expires();
            self.has_expired = true;
            let did = Ok(Did::KeptQuiet);
            Stop::Ended(Answer { saw: None, did })
        } else if begins && self.beside_time {
            self.site.gate.start(request).await
        } else {
            self.site.gate.go_on(request).await
        };
        let _ = match &stop {
            Stop::Before(operation) => write!(self.story, "\n  {place}: {:?} goes on to its {operation}", part.wish),
            Stop::Ended(Answer { saw, did }) => {
                write!(self.story, "\n  {place}: {:?} saw {saw:?}, answers {did:?}", part.wish)
            }
        };
        if let Stop::Ended(answer) = stop {
            if let Ok(Did::NewToken(cookie)) = &answer.did {
                self.keys[BEGUN + place] = Some(self.site.key(cookie));
            }
            part.answer = Some(answer);
        }
        let seen = self.look().await;
        self.check_step(place, &seen);
        self.seen = seen;
        if self.parts[place].answer.is_some() {
            let begun = self.seen[BEGUN + place].as_ref();
            self.parts[place].begun = begun.map(|record| self.scene.content(record));
            self.check_answer(place).await;
        }
    }

    async fn look(&self) -> Vec<Option<Record>> {
        let mut seen = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            seen.push(match key {
                Some(key) => self.site.look(*key).await,
                None => None,
            });
        }
        seen
    }

    /// What holds from each moment to the next.
    fn check_step(&self, place: usize, seen: &[Option<Record>]) {
        let part = &self.parts[place];
        for (token, (before, after)) in self.seen.iter().zip(seen).enumerate() {
            let is_new = token == BEGUN + place;
            match (before, after) {
                (None, Some(_)) => self.insist(is_new, "a session that had ended is back (P6)"),
                (Some(before), Some(after)) => {
                    let moves_on = before.seen_at() <= after.seen_at();
                    self.insist(moves_on, "a session was last seen earlier than it was before (P9)");
                    let reads = matches!(part.wish, Wish::Read | Wish::Sweep);
                    let is_same = self.scene.content(before) == self.scene.content(after);
                    self.insist(!reads || is_same, "what only reads has changed the data (P9)");
                }
                (Some(_), None) => {
                    let ends_nothing = matches!(
                        part.wish,
                        Wish::Read | Wish::Count | Wish::Note | Wish::Sweep | Wish::UpdateAll
                    );
                    self.insist(!ends_nothing, "a request that ends nothing has ended a session (P5)");
                }
                (None, None) => {}
            }
        }
    }

    /// What holds from the moment of an answer on.
    async fn check_answer(&self, place: usize) {
        let part = &self.parts[place];
        let Some(Answer { saw, did: Ok(did) }) = &part.answer else {
            return;
        };
        let first = &self.seen[FIRST];
        let token = match did {
            Did::SameToken => Some(FIRST),
            Did::NewToken(_) => Some(BEGUN + place),
            Did::KeptQuiet | Did::Forgot | Did::Revoked(_) | Did::Updated | Did::Swept => None,
        };
        // A commit that began before time passed goes by the time of its beginning.
        if let Some(token) = token
            && !self.has_expired
        {
            let opened = self.seen[token].as_ref();
            self.insist(
                opened.is_some(),
                "a response sets a cookie that opens no session any more (P6)",
            );
            let sighted = opened.is_some_and(|record| record.seen_at() >= part.began_at);
            self.insist(sighted, "a sighting that was acknowledged is not recorded (P9)");
        }
        let ends_first = match part.wish {
            Wish::Renew | Wish::Login | Wish::StartOver => matches!(did, Did::NewToken(_)),
            Wish::Logout => *did == Did::Forgot,
            Wish::Read => saw.is_some() && *did == Did::KeptQuiet,
            Wish::RevokeAll => self.scene.owner.as_ref() == Some(&self.scene.alice),
            Wish::RevokeOne => self.scene.owner.is_some(),
            Wish::Expire => true,
            Wish::Count | Wish::Note | Wish::Sweep | Wish::RevokeOthers | Wish::UpdateAll => false,
        };
        let is_over = !ends_first || first.is_none();
        self.insist(
            is_over,
            "the end of a session was acknowledged, and its token still opens it (P11)",
        );
        if matches!(part.wish, Wish::RevokeAll | Wish::RevokeOthers) {
            let mut left = self.site.listed(&self.scene.alice).await;
            left.retain(|handle| part.wish == Wish::RevokeAll || *handle != self.scene.handle);
            self.insist(
                left.is_empty(),
                "sessions of an owner were revoked, and one is still listed (P12)",
            );
        }
    }

    /// What holds in the end.
    async fn end(mut self) {
        for owner in [&self.scene.alice, &self.scene.bob] {
            let owned = self
                .seen
                .iter()
                .flatten()
                .filter(|record| record.owner() == Some(owner));
            let mut handles: Vec<Handle> = owned.map(Record::handle).collect();
            handles.sort();
            let is_exact = !self.site.has_owner_index() || self.site.listed(owner).await == handles;
            self.insist(is_exact, "an owner's list is not exactly the owner's sessions (P12)");
        }
        let left: Vec<Option<Content>> = self
            .seen
            .iter()
            .map(|record| Some(self.scene.content(record.as_ref()?)))
            .collect();
        let done: Vec<Done> = std::mem::take(&mut self.parts).into_iter().map(Part::done).collect();
        let lists = if self.site.has_owner_index() {
            Lists::Kept
        } else {
            Lists::None
        };
        let _ = write!(self.story, "\nand leave {left:?}");
        let is_explained = explains(&self.scene, lists, &done, &left);
        self.insist(
            is_explained,
            "no order in which one request follows the other explains this (P7)",
        );
    }

    fn insist(&self, holds: bool, otherwise: &str) {
        let Self { whose, story, .. } = self;
        assert!(holds, "{otherwise}; at the session of {whose:?}:{story}");
    }
}

impl Part {
    fn done(self) -> Done {
        let step = |number: usize| self.steps.get(number).copied().unwrap_or_default();
        Done {
            wish: self.wish,
            answer: self.answer.expect("a script ends when all are answered"),
            began: step(0),
            ended: step(self.steps.len() - 1),
            handled: step(self.handler_step),
            begun: self.begun,
        }
    }
}
