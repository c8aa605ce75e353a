//! The owner index: listing and revoking. A list holds too much at times, never too little; what it names is looked at before it is
//! shown.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use session_core::{Cursor, Error, Owned, OwnedPage, Owner, Page, Record, Result, Revoke, StoreKey, Timestamp};

use crate::admission::{Entry, Victim};
use crate::epoch;
use crate::failure;
use crate::layout::{self, Place, Stored};
use crate::reply::Reply;
use crate::script;
use crate::server::{Call, Class, decimal};
use crate::session::{Backend, Found, Reason};

/// What a list is known to hold.
enum Shown {
    Session(Owned),
    /// The same, but it is being renewed and not stored yet where it moves to.
    OnTheWay(Owned),
    /// Nothing will ever be there again.
    Dead,
    Nothing,
}

/// Where a session is that has moved.
enum Followed {
    There(StoreKey, Record),
    /// Its successor is not stored yet; this is what was kept of it.
    OnTheWay(StoreKey, Record),
    Nowhere,
}

/// What [`Backend::end_all`] found at one place.
#[derive(Clone, Debug)]
pub(crate) struct End {
    place: Place,
    what: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// A live session; it has ended now.
    Live,
    /// One that had expired.
    Expired,
    /// It had ended before.
    Before(u8),
    Nothing,
    Moved,
}

/// Sessions that are ended at once.
const AT_ONCE: usize = 64;
/// A session that is renewed again and again while it is revoked is followed this often.
const MOST_MOVES: usize = 16;

impl Backend {
    pub(crate) async fn list(self: &Arc<Self>, owner: &Owner, page: Page, now: Timestamp) -> Result<OwnedPage> {
        const DOING: &str = "listing the sessions of an owner";
        let limit = page.limit.max(1);
        let list = self.keys.owner(owner).list;
        let answer = self.run(&script::LIST, list, Vec::new(), Class::Read, DOING).await?;
        let mut answer = Reply::new(answer, DOING)?;
        let server_now = answer.number()?;
        let mut entries = Entry::all(answer.array()?, DOING)?;
        if let Some(after) = page.after {
            entries.retain(|entry| order(entry.place.cursor()) > order(after));
        }
        entries.sort_by_key(|entry| order(entry.place.cursor()));

        let mut sessions: Vec<Owned> = Vec::new();
        let mut on_the_way = HashSet::new();
        let mut dead = Vec::new();
        let at_once = self.reads_at_once(entries.len());
        let step = if at_once {
            entries.len().max(1)
        } else {
            limit.saturating_add(1).max(AT_ONCE)
        };
        let mut parts = entries.chunks(step);
        let mut is_read = false;
        while !is_read && sessions.len() <= limit {
            // One more than a page and the next place: that one may stand on the next part as well, under another key.
            while sessions.len() <= limit + 1 {
                let Some(part) = parts.next() else {
                    is_read = true;
                    break;
                };
                for (entry, shown) in part
                    .iter()
                    .zip(self.look_at(part, owner, now, server_now, DOING).await?)
                {
                    match shown {
                        Shown::Session(owned) => show(&mut sessions, owned),
                        Shown::OnTheWay(owned) => {
                            on_the_way.insert(owned.key);
                            show(&mut sessions, owned);
                        }
                        Shown::Dead => dead.push(entry.place),
                        Shown::Nothing => {}
                    }
                }
            }
            if !at_once {
                // What was there before and is there now was there in between, all of it at one moment.
                let keys: Vec<StoreKey> = sessions.iter().map(|owned| owned.key).collect();
                let mut heads = self.heads(&keys, DOING).await?.into_iter();
                sessions.retain(|owned| match heads.next().flatten() {
                    Some(head) => layout::leads_to_a_session(&head),
                    // Where nothing has ended is nothing yet.
                    None => on_the_way.contains(&owned.key),
                });
            }
        }
        if !dead.is_empty() {
            self.forget(owner.clone(), dead);
        }
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = sessions.last().filter(|_| more).map(|last| Cursor::of(&last.record));
        Ok(OwnedPage::new(sessions, next))
    }

    async fn look_at(
        &self,
        entries: &[Entry],
        owner: &Owner,
        now: Timestamp,
        server_now: u64,
        doing: &'static str,
    ) -> Result<Vec<Shown>> {
        let keys: Vec<StoreKey> = entries.iter().map(|entry| entry.place.key).collect();
        let stored = self.read_all(&keys, doing).await?;
        let mut shown = Vec::with_capacity(entries.len());
        for (entry, stored) in entries.iter().zip(stored) {
            let at = entry.place.cursor();
            let fits =
                |record: &Record| !record.is_expired(now) && record.owner() == Some(owner) && Cursor::of(record) == at;
            shown.push(match stored {
                Some(Stored::Session(record)) if fits(&record) => Shown::Session(Owned::new(entry.place.key, record)),
                Some(Stored::Session(_)) => Shown::Nothing,
                Some(Stored::Ended) => Shown::Dead,
                Some(Stored::Moved { to, kept }) if to.cursor() == at => match self.follow(to, kept, doing).await? {
                    Followed::There(key, record) if fits(&record) => Shown::Session(Owned::new(key, record)),
                    Followed::OnTheWay(key, record) if fits(&record) => Shown::OnTheWay(Owned::new(key, record)),
                    _ => Shown::Nothing,
                },
                // A login has moved it to the front.
                Some(Stored::Moved { .. }) => Shown::Nothing,
                None if entry.is_dead_if_absent(server_now) => Shown::Dead,
                None => Shown::Nothing,
            });
        }
        Ok(shown)
    }

    async fn follow(&self, mut to: Place, mut kept: Option<Record>, doing: &'static str) -> Result<Followed> {
        for _ in 0..MOST_MOVES {
            match self.read(to.key, doing).await? {
                Some(Stored::Session(record)) => return Ok(Followed::There(to.key, record)),
                Some(Stored::Moved { to: next, kept: last }) => (to, kept) = (next, last),
                Some(Stored::Ended) => break,
                None => {
                    let kept = kept.map(|record| Followed::OnTheWay(to.key, record));
                    return Ok(kept.unwrap_or(Followed::Nowhere));
                }
            }
        }
        Ok(Followed::Nowhere)
    }

    /// Remember the revocation and read the list in one step; leave a tombstone at every key on it; then take them off the list.
    pub(crate) async fn revoke(self: Arc<Self>, owner: Owner, which: Revoke, now: Timestamp) -> Result<u64> {
        const DOING: &str = "revoking the sessions of an owner";
        let keys = self.keys.owner(&owner);
        let (how, handle) = match which {
            Revoke::All => ("all", Vec::new()),
            Revoke::Others(kept) => ("others", kept.as_bytes().to_vec()),
            Revoke::One(one) => ("one", one.as_bytes().to_vec()),
        };
        let pause = match which {
            Revoke::All | Revoke::Others(_) => epoch::REVOCATION,
            Revoke::One(_) => Duration::ZERO,
        };
        let args = vec![how.as_bytes().to_vec(), handle, decimal(epoch::MEMORY.as_millis())];
        let call = Call::script(&script::REVOKE, [keys.list.clone(), keys.revocations], args);
        let members = self.servers.call(&keys.list, call, Class::Durable, DOING).await?;
        let redis::Value::Array(members) = members else {
            return Err(failure::unexpected(DOING));
        };
        let chosen = move |place: &Place| match which {
            Revoke::All => true,
            Revoke::Others(kept) => place.handle != kept,
            Revoke::One(one) => place.handle == one,
        };
        let entries = Entry::all(members, DOING)?;
        let places: Vec<Place> = entries.iter().map(|entry| entry.place).filter(chosen).collect();
        let ended = self
            .end_all(places.clone(), Reason::Revoked, chosen, now, DOING)
            .await?;
        tokio::time::sleep(pause).await;
        // Awaited: a login that begins after the answer is then later than the revocation by more than one way to the server.
        self.unlist(&owner, &places, Class::Durable, DOING).await?;
        Ok(ended.iter().filter(|end| end.what == Ended::Live).count() as u64)
    }

    /// Ends all of these, and where they have moved to. All are tried; then the first error counts.
    pub(crate) async fn end_all(
        &self,
        places: Vec<Place>,
        reason: Reason,
        chosen: impl Fn(&Place) -> bool,
        now: Timestamp,
        doing: &'static str,
    ) -> Result<Vec<End>> {
        let mut ends: Vec<End> = Vec::new();
        let mut moved: Vec<(usize, Place, Vec<u8>)> = Vec::new();
        // Each once, also if it fails: whoever waits for the answer does not wait for a server that is gone again and again.
        let mut tried: HashSet<StoreKey> = places.iter().map(|place| place.key).collect();
        let mut waiting = places;
        let mut failed: Option<Error> = None;
        for _ in 0..MOST_MOVES {
            if waiting.is_empty() {
                break;
            }
            let batch = std::mem::take(&mut waiting);
            let found: Vec<(Place, Result<Found>)> = stream::iter(batch)
                .map(|place| async move { (place, self.end(place.key, reason, doing).await) })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for (place, found) in found {
                let what = match found {
                    Ok(Found::Session(header)) if is_live(&header, now) => Ended::Live,
                    Ok(Found::Session(_)) => Ended::Expired,
                    Ok(Found::Ended(before)) => Ended::Before(before),
                    Ok(Found::Nothing) => Ended::Nothing,
                    Ok(Found::Moved { to, kept }) => {
                        if chosen(&to) {
                            moved.push((ends.len(), to, kept));
                        }
                        Ended::Moved
                    }
                    Err(error) => {
                        failed = failed.or(Some(error));
                        continue;
                    }
                };
                ends.push(End { place, what });
            }
            waiting.extend(moved.iter().map(|(_, to, _)| *to).filter(|to| tried.insert(to.key)));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // A session on the way to its successor was alive, and is not any more: the successor finds its key taken.
        for (position, to, kept) in moved {
            let at_successor = ends.iter().find(|end| end.place.key == to.key).map(|end| end.what);
            if at_successor == Some(Ended::Nothing) && is_live(&kept, now) {
                ends[position].what = Ended::Live;
            }
        }
        Ok(ends)
    }
}

impl End {
    /// Whether this is how a victim of a limit has ended.
    pub(crate) fn made_room(&self, victim: &Victim) -> bool {
        self.place.handle == victim.place.handle
            && match self.what {
                Ended::Live => true,
                Ended::Before(reason) => reason == Reason::MadeRoom.byte(),
                Ended::Nothing => victim.was_pending,
                Ended::Expired | Ended::Moved => false,
            }
    }
}

fn is_live(header: &[u8], now: Timestamp) -> bool {
    layout::deadline(header).is_some_and(|deadline| deadline > now)
}

/// Newest first, then by handle.
fn order(cursor: Cursor) -> (Reverse<Timestamp>, session_core::Handle) {
    (Reverse(cursor.created_at), cursor.handle)
}

/// A session that is being renewed stands on the list twice; it is shown once.
fn show(sessions: &mut Vec<Owned>, owned: Owned) {
    match sessions.last_mut() {
        Some(last) if Cursor::of(&last.record) == Cursor::of(&owned.record) => {
            if owned.record.revision() > last.record.revision() {
                *last = owned;
            }
        }
        _ => sessions.push(owned),
    }
}
