//! Letting a login in: it is put on its owner's list by one script, which also compares it with revocations and with the limit.

use std::sync::Arc;

use redis::Value;
use session_core::{Admission, Epoch, Handle, Owner, OwnerLimit, Record, Result, Room, Timestamp};

use crate::epoch::{self, Order, Reading, Revoked};
use crate::failure;
use crate::layout::{self, OwnerKeys, Place, Stored};
use crate::reply::{self, Reply};
use crate::script;
use crate::server::{Call, Class, decimal};
use crate::session::{Backend, GRACE, PENDING, life};

/// What [`Backend::enlist`] did.
pub(crate) enum Enlisted {
    Listed(Listed),
    /// Refused, and not listed.
    Revoked,
    Full,
    Taken,
}

/// A login stands on its owner's list.
pub(crate) struct Listed {
    /// Milliseconds by the server's clock.
    pub(crate) at: u64,
    /// Who has to be ended before it is stored.
    pub(crate) victims: Vec<Victim>,
}

/// A session that makes room.
pub(crate) struct Victim {
    pub(crate) place: Place,
    /// Not one that another login has chosen and left to us.
    pub(crate) is_own_choice: bool,
    /// It was not stored yet when it was chosen.
    pub(crate) was_pending: bool,
}

/// A place on a list, and its score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) state: State,
}

/// What a score says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Being stored, since then (milliseconds by the server's clock).
    Pending(u64),
    Stored,
    /// Chosen to make room.
    Condemned,
}

impl Entry {
    /// Places and scores, one after the other.
    pub(crate) fn all(values: Vec<Value>, doing: &'static str) -> Result<Vec<Self>> {
        let mut values = values.into_iter().map(reply::bytes);
        let mut entries = Vec::new();
        while let (Some(place), Some(score)) = (values.next(), values.next()) {
            let (Some(place), Some(score)) = (place, score) else {
                return Err(failure::unexpected(doing));
            };
            // A place that another release wrote in another way is none of ours.
            if let Some(place) = Place::decode(&place) {
                entries.push(Self {
                    place,
                    state: State::of(&score),
                });
            }
        }
        Ok(entries)
    }

    /// Whether nothing will ever be at its key, if nothing is there now.
    pub(crate) fn is_dead_if_absent(&self, server_now: u64) -> bool {
        match self.state {
            State::Pending(since) => u128::from(server_now.saturating_sub(since)) > PENDING.as_millis(),
            State::Stored | State::Condemned => true,
        }
    }
}

impl State {
    fn of(score: &[u8]) -> Self {
        match score.strip_prefix(b"-") {
            Some(since) => Self::Pending(reply::number(since).unwrap_or(0)),
            None if score == b"inf" => Self::Condemned,
            None => Self::Stored,
        }
    }
}

/// What the script answers.
struct Answer {
    verdict: Vec<u8>,
    revoked: Revoked,
    /// The revocations as the script compares them.
    known: Vec<u8>,
    reading: Reading,
    entries: Vec<Entry>,
    victims: Vec<Entry>,
}

/// Looks at the server's clock before a login is refused for want of a faster one. On a busy machine most looks are slow, and the fastest
/// counts; a login that begins well after a revocation needs none.
const READINGS: usize = 16;
/// Times that a login looks at a full list before others have changed it too often.
const LOOKS: usize = 16;

impl Backend {
    /// Puts a login on its owner's list. Without `terms` it is no login but a renewal, and always let in.
    pub(crate) async fn enlist(
        self: &Arc<Self>,
        owner: &Owner,
        place: Place,
        record: &Record,
        terms: Option<Admission>,
        now: Timestamp,
        doing: &'static str,
    ) -> Result<Enlisted> {
        let keys = self.keys.owner(owner);
        let limit = terms.and_then(|terms| terms.limit);
        let mut known: Option<Vec<u8>> = None;
        let (mut dead, mut spare) = (Vec::new(), Vec::new());
        for _ in 0..LOOKS {
            let mode = if known.is_some() { "decide" } else { "look" };
            let bound = layout::listed_until(record);
            let mut args = vec![
                place.encode(),
                life(bound, now),
                decimal(now.unix_millis()),
                decimal(GRACE.as_millis()),
                decimal(limit.map_or(0, |limit| limit.most())),
                policy(limit),
                mode.as_bytes().to_vec(),
                known.clone().unwrap_or_default(),
                decimal(dead.len()),
            ];
            args.append(&mut dead);
            args.append(&mut spare);
            let answer = self.ask_to_list(&keys, args, doing).await?;
            if let Some(terms) = terms
                && known.as_ref() != Some(&answer.known)
                && !self
                    .began_after(&keys, &answer, place.handle, terms.began, doing)
                    .await?
            {
                // Awaited: nothing may come behind the answer and take the place of a next attempt to the same key.
                if answer.verdict == b"listed" {
                    self.unlist(owner, &[place], Class::Relaxed, doing).await?;
                }
                return Ok(Enlisted::Revoked);
            }
            match answer.verdict.as_slice() {
                b"listed" => return Ok(Enlisted::Listed(listed(&answer))),
                b"full" => return Ok(Enlisted::Full),
                b"over" => {}
                _ => return Err(failure::unexpected(doing)),
            }
            // Nobody makes room for what cannot be stored. Where nobody would, the refusal for want of room comes first.
            if known.is_none() && !refuses(limit) && self.is_taken(place.key, doing).await? {
                return Ok(Enlisted::Taken);
            }
            (dead, spare) = self.look_through(&answer, place.handle, now, doing).await?;
            known = Some(answer.known);
        }
        Err(failure::overtaken(doing))
    }

    async fn ask_to_list(&self, keys: &OwnerKeys, args: Vec<Vec<u8>>, doing: &'static str) -> Result<Answer> {
        let sent = epoch::present();
        let call = Call::script(&script::ENLIST, [keys.list.clone(), keys.revocations.clone()], args);
        let answer = self.servers.call(&keys.list, call, Class::Relaxed, doing).await?;
        let answered = epoch::present();
        let mut answer = Reply::new(answer, doing)?;
        let verdict = answer.bytes()?;
        let server = answer.number()?;
        let (all, others, spared) = (answer.bytes()?, answer.bytes()?, answer.bytes()?);
        Ok(Answer {
            verdict,
            revoked: Revoked {
                all: reply::number(&all).unwrap_or(0),
                others: reply::number(&others).unwrap_or(0),
                spared: spared.try_into().ok().map(Handle::from_bytes),
            },
            known: [all, others].join(&b'/'),
            reading: Reading { sent, server, answered },
            entries: Entry::all(answer.array()?, doing)?,
            victims: Entry::all(answer.array()?, doing)?,
        })
    }

    async fn began_after(
        &self,
        keys: &OwnerKeys,
        answer: &Answer,
        handle: Handle,
        began: Epoch,
        doing: &'static str,
    ) -> Result<bool> {
        let server = || self.servers.place_of(&keys.list);
        let mut ahead = self.clocks.learn(server(), answer.reading);
        for _ in 0..READINGS {
            if epoch::order(answer.revoked, handle, began, ahead) != Order::Unclear {
                break;
            }
            let sent = epoch::present();
            let time = self
                .run(&script::CLOCK, keys.list.clone(), Vec::new(), Class::Read, doing)
                .await?;
            let time = reply::bytes(time).and_then(|bytes| reply::number(&bytes));
            let reading = Reading {
                sent,
                server: time.ok_or_else(|| failure::unexpected(doing))?,
                answered: epoch::present(),
            };
            ahead = self.clocks.learn(server(), reading);
        }
        let order = epoch::order(answer.revoked, handle, began, ahead);
        Ok(order == Order::After)
    }

    /// Of a list that is too long: who is dead, and who does not count because it has expired.
    async fn look_through(
        &self,
        answer: &Answer,
        own: Handle,
        now: Timestamp,
        doing: &'static str,
    ) -> Result<(Vec<Vec<u8>>, Vec<Vec<u8>>)> {
        let others: Vec<&Entry> = answer
            .entries
            .iter()
            .filter(|entry| entry.place.handle != own && entry.state != State::Condemned)
            .collect();
        let keys: Vec<_> = others.iter().map(|entry| entry.place.key).collect();
        let stored = self.read_all(&keys, doing).await?;
        let (mut dead, mut spare) = (Vec::new(), Vec::new());
        for (entry, stored) in others.into_iter().zip(stored) {
            match stored {
                Some(Stored::Session(record)) if record.is_expired(now) => spare.push(entry.place.encode()),
                Some(Stored::Session(_)) => {}
                Some(Stored::Ended | Stored::Moved { .. }) => dead.push(entry.place.encode()),
                None if entry.is_dead_if_absent(answer.reading.server / 1000) => dead.push(entry.place.encode()),
                None => {}
            }
        }
        Ok((dead, spare))
    }
}

fn listed(answer: &Answer) -> Listed {
    let victims = answer.victims.iter().map(|victim| Victim {
        place: victim.place,
        is_own_choice: victim.state != State::Condemned,
        was_pending: matches!(victim.state, State::Pending(_)),
    });
    Listed {
        at: answer.reading.server / 1000,
        victims: victims.collect(),
    }
}

/// Whether a limit refuses one login too many, and ends nobody for it.
fn refuses(limit: Option<OwnerLimit>) -> bool {
    let one_too_many = Admission::default().with_limit(limit).room(usize::MAX - 1);
    matches!(one_too_many, Room::None)
}

/// The same as the script spells it.
fn policy(limit: Option<OwnerLimit>) -> Vec<u8> {
    if refuses(limit) {
        b"refuse".to_vec()
    } else {
        b"oldest".to_vec()
    }
}
