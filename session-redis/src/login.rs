//! Logins and rotations: what takes several steps, on several keys. Each step is atomic, and the steps are in an order in which a stop
//! between any two leaves a user signed out at worst; docs/distributed.md goes through them one by one.

use std::sync::Arc;

use futures_util::future::try_join;
use session_core::{Admission, Created, Handle, Owner, Record, Result, Rotated, Rotation, StoreKey, Timestamp};

use crate::admission::{Enlisted, Listed};
use crate::layout::{Place, Stored};
use crate::script;
use crate::server::{Class, decimal};
use crate::session::{Backend, LOGIN, Put, Reason, Retired, life};

impl Backend {
    /// List, end whom the limit asks for, store.
    pub(crate) async fn create_owned(
        self: Arc<Self>,
        key: StoreKey,
        record: Record,
        owner: Owner,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created> {
        const DOING: &str = "storing a login";
        let place = Place::of(&record, key);
        let listed = match self.enlist(&owner, place, &record, Some(admission), now, DOING).await? {
            Enlisted::Listed(listed) => listed,
            Enlisted::Revoked => return Ok(Created::Revoked),
            Enlisted::Full => return Ok(Created::Full),
            Enlisted::Taken => return Ok(Created::Collision),
        };
        let displaced = self.make_room(&owner, &listed, now, DOING).await?;
        let put = self
            .put(key, &record, now, Some(not_after(&listed)), Class::Relaxed, DOING)
            .await?;
        match put {
            Put::Stored => {
                self.settle(owner, place, &record, now);
                Ok(created(displaced))
            }
            // It was stored and made room for the next one, with nothing in between.
            Put::Ended(reason) if reason == Reason::MadeRoom.byte() => Ok(created(displaced)),
            Put::Ended(_) => {
                self.forget(owner, vec![place]);
                Ok(Created::Revoked)
            }
            Put::Taken => {
                self.withdraw_unless_stored(&owner, place, DOING).await?;
                Ok(Created::Collision)
            }
            Put::Late => {
                self.forget(owner, vec![place]);
                Err(crate::failure::too_late(DOING))
            }
        }
    }

    /// Look at both keys, list, retire the old key, end whom the limit asks for, store at the new key.
    pub(crate) async fn rotate(self: Arc<Self>, rotation: Rotation) -> Result<Rotated> {
        const DOING: &str = "moving a session to a new id";
        let Rotation {
            old,
            expected,
            new,
            record,
            admission,
            now,
            ..
        } = rotation;
        let (before, taken) = try_join(self.read(old, DOING), self.is_taken(new, DOING)).await?;
        let before = match before {
            Some(Stored::Session(before)) if !before.is_expired(now) => before,
            _ => return Ok(Rotated::Gone),
        };
        if before.revision() != expected {
            return Ok(Rotated::Conflict(before));
        }
        let owner = record.owner().cloned();
        let stays = owner.is_some() && before.owner() == owner.as_ref();
        let place = Place::of(&record, new);
        let mut listed = None;
        if let Some(owner) = &owner {
            let terms = (!stays).then_some(admission);
            match self.enlist(owner, place, &record, terms, now, DOING).await? {
                Enlisted::Listed(done) => listed = Some(done),
                Enlisted::Revoked => return Ok(Rotated::Revoked),
                Enlisted::Full => return Ok(Rotated::Full),
                Enlisted::Taken => return Ok(Rotated::Collision),
            }
        }
        let forget = |backend: &Arc<Self>| {
            if let Some(owner) = owner.clone() {
                backend.forget(owner, vec![place]);
            }
        };
        if taken {
            if let Some(owner) = &owner {
                self.withdraw_unless_stored(owner, place, DOING).await?;
            }
            return Ok(Rotated::Collision);
        }
        let seen = match self.retire(old, expected, stays.then_some(place), now, DOING).await? {
            Retired::Done(seen) => seen,
            // Awaited: nothing may come behind the answer and take the place of a next attempt to the same key.
            Retired::Conflict(current) => {
                self.withdraw(owner.as_ref(), place, DOING).await?;
                return Ok(Rotated::Conflict(current));
            }
            Retired::Gone => {
                self.withdraw(owner.as_ref(), place, DOING).await?;
                return Ok(Rotated::Gone);
            }
        };
        let displaced = match (&owner, &listed) {
            (Some(owner), Some(listed)) => self.make_room(owner, listed, now, DOING).await?,
            _ => Vec::new(),
        };
        let record = record.seen(seen);
        let limit = listed.as_ref().map(not_after);
        match self.put(new, &record, now, limit, Class::Durable, DOING).await? {
            Put::Stored => {}
            // What was kept of the session stays in its tombstone: who ended it on its way looks there to know that it was alive.
            Put::Ended(reason) if reason == Reason::MadeRoom.byte() => {
                self.take_off(&before, old);
                return Ok(rotated(displaced));
            }
            Put::Ended(_) => {
                forget(&self);
                self.take_off(&before, old);
                return Ok(if owner.is_some() && !stays {
                    Rotated::Revoked
                } else {
                    Rotated::Gone
                });
            }
            // Someone else drew the same 192 bits in the last millisecond. The session has ended; nobody gets the other one.
            Put::Taken => {
                forget(&self);
                return Ok(Rotated::Gone);
            }
            Put::Late => {
                forget(&self);
                return Err(crate::failure::too_late(DOING));
            }
        }
        if let Some(owner) = owner {
            self.settle(owner, place, &record, now);
        }
        self.clean_up(old, &before, stays.then_some(place));
        Ok(rotated(displaced))
    }

    /// Takes the place of a session that will not be stored off its owner's list.
    async fn withdraw(&self, owner: Option<&Owner>, place: Place, doing: &'static str) -> Result<()> {
        if let Some(owner) = owner {
            self.unlist(owner, &[place], Class::Relaxed, doing).await?;
        }
        Ok(())
    }

    /// Ends whom the limit has chosen; answers whom this login chose itself.
    async fn make_room(
        self: &Arc<Self>,
        owner: &Owner,
        listed: &Listed,
        now: Timestamp,
        doing: &'static str,
    ) -> Result<Vec<Handle>> {
        if listed.victims.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<Place> = listed.victims.iter().map(|victim| victim.place).collect();
        let ended = self
            .end_all(places.clone(), Reason::MadeRoom, |_| true, now, doing)
            .await?;
        let mut displaced: Vec<Handle> = Vec::new();
        for victim in &listed.victims {
            let handle = victim.place.handle;
            let is_gone = ended.iter().any(|end| end.made_room(victim));
            if victim.is_own_choice && is_gone && !displaced.contains(&handle) {
                displaced.push(handle);
            }
        }
        self.forget(owner.clone(), places);
        Ok(displaced)
    }

    /// The session is stored: its place in the list is good until it ends.
    fn settle(self: &Arc<Self>, owner: Owner, place: Place, record: &Record, now: Timestamp) {
        let bound = crate::layout::listed_until(record);
        let args = vec![
            b"settle".to_vec(),
            place.encode(),
            decimal(bound.unix_millis()),
            life(bound, now),
        ];
        let backend = Arc::clone(self);
        self.later(async move {
            let list = backend.keys.owner(&owner).list;
            backend
                .run(&script::SETTLE, list, args, Class::Relaxed, "keeping an owner's list")
                .await
        });
    }

    /// What a rotation leaves behind is made small, and leaves the list.
    fn clean_up(self: &Arc<Self>, old: StoreKey, before: &Record, successor: Option<Place>) {
        self.take_off(before, old);
        if let Some(successor) = successor {
            let backend = Arc::clone(self);
            self.later(async move {
                let key = backend.keys.session(old);
                backend
                    .run(
                        &script::SHRINK,
                        key,
                        vec![successor.encode()],
                        Class::Relaxed,
                        "keeping a tombstone small",
                    )
                    .await
            });
        }
    }

    fn take_off(self: &Arc<Self>, before: &Record, old: StoreKey) {
        if let Some(owner) = before.owner().cloned() {
            self.forget(owner, vec![Place::of(before, old)]);
        }
    }

    /// A place was listed for a key that is taken: it goes, unless it is the place of the session that is there. Awaited: a revocation that
    /// comes behind the answer would end what is there, whoever's it is.
    async fn withdraw_unless_stored(&self, owner: &Owner, place: Place, doing: &'static str) -> Result<()> {
        match self.read(place.key, doing).await? {
            Some(Stored::Session(there)) if there.owner() == Some(owner) && Place::of(&there, place.key) == place => {
                Ok(())
            }
            _ => self.withdraw(Some(owner), place, doing).await,
        }
    }
}

fn not_after(listed: &Listed) -> u64 {
    listed.at + u64::try_from(LOGIN.as_millis()).unwrap_or(u64::MAX)
}

fn created(displaced: Vec<Handle>) -> Created {
    if displaced.is_empty() {
        Created::Stored
    } else {
        Created::Displaced(displaced)
    }
}

fn rotated(displaced: Vec<Handle>) -> Rotated {
    if displaced.is_empty() {
        Rotated::Stored
    } else {
        Rotated::Displaced(displaced)
    }
}
