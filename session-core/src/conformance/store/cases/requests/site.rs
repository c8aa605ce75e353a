//! [`Site`]: the engine whose requests stop at a gate, and [`Scene`]: the session that they meet at.

use std::sync::Arc;
use std::time::Duration;

use super::wish::{Content, Request, VISITS, Wish, set_cookie};
use crate::cleaner::CleanerPolicy;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::config::SessionConfig;
use crate::conformance::sample::{self, Sample};
use crate::conformance::store::gated::GatedStore;
use crate::conformance::store::test_store::TestStore;
use crate::cookie::{SigningKey, SigningKeys};
use crate::engine::{Engine, Outcome};
use crate::id::{Handle, Owner, StoreKey};
use crate::lifetime::Lifetime;
use crate::record::Record;

/// How long a session lives without a request; of this, one hundredth need not be recorded.
const IDLE: Duration = Duration::from_secs(100);
/// Passes before every step of a script, so that every sighting is another one, and due.
const STEP: Duration = Duration::from_secs(2);

/// Whose session requests meet at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Nobody,
    Alice,
    Bob,
}

impl Whose {
    pub(super) const ALL: [Self; 3] = [Self::Nobody, Self::Alice, Self::Bob];
}

/// What all scripts of a case share.
pub(super) struct Site {
    pub(super) gate: Arc<GatedStore>,
    /// Its requests stop at the gate.
    pub(super) engine: Engine,
    /// The same, without the gate.
    ungated: Engine,
    clock: Arc<ManualClock>,
    store: TestStore,
}

/// One session that requests meet at, fresh for every script, and another one of alice's.
pub(super) struct Scene {
    pub(super) cookie: String,
    pub(super) handle: Handle,
    pub(super) owner: Option<Owner>,
    pub(super) alice: Owner,
    pub(super) bob: Owner,
    pub(super) keys: [StoreKey; 2],
}

impl Site {
    pub(super) fn new(store: TestStore) -> Self {
        let lifetime = Lifetime::sliding(IDLE).expect("the timeout is within the limits");
        let config = SessionConfig::builder()
            .lifetime(lifetime)
            .remember_lifetime(lifetime)
            .cleaner(CleanerPolicy::never())
            .build()
            .expect("browsers accept the default cookie");
        let key = SigningKey::from_bytes(&[7; SigningKey::MIN_LEN]).expect("the key is long enough");
        let keys = SigningKeys::new(key);
        let clock = Arc::new(ManualClock::new(sample::now()));
        let gate = Arc::new(GatedStore::new(store.store()));
        let build = |store| {
            Engine::builder(store, keys.clone())
                .config(config.clone())
                .clock(clock.clone())
                .build()
        };
        Self {
            engine: build(gate.clone()),
            ungated: build(store.store()),
            gate,
            clock,
            store,
        }
    }

    pub(super) fn has_owner_index(&self) -> bool {
        self.store.store.owner_index().is_some()
    }

    /// Owners of another number are other ones, so that scripts do not meet.
    pub(super) async fn set(&self, whose: Whose, number: u64) -> Scene {
        // A store on a server may drop what has expired by a clock of its own.
        self.clock.set(sample::now());
        let [alice, bob] = ["alice", "bob"].map(|name| sample::owner(&format!("{name} {number}")));
        let owner = match whose {
            Whose::Nobody => None,
            Whose::Alice => Some(alice.clone()),
            Whose::Bob => Some(bob.clone()),
        };
        let elsewhere = sample::key(number);
        let record = Sample::new(self.now()).idle(IDLE.as_secs()).without_values();
        let record = record.handle(number).owner(alice.as_ref()).build();
        self.store.put(elsewhere, &record).await;
        // The handles of sessions that began together would order a list by chance.
        self.a_moment_passes();
        let cookie = self.begin(owner.as_ref()).await;
        let key = self.key(&cookie);
        let stored = self.look(key).await;
        Scene {
            cookie,
            handle: stored.expect("the session was just stored").handle(),
            owner,
            alice,
            bob,
            keys: [key, elsewhere],
        }
    }

    /// Begins a session, and answers its cookie.
    async fn begin(&self, owner: Option<&Owner>) -> String {
        let (inbound, access) = self.ungated.begin();
        let session = access.session([]).await.expect("no cookie asks for no store");
        let wanted = session.insert(VISITS, 7);
        wanted.expect("a number is within the limits");
        // A cookie with a lifetime is set again whenever that moves: by every request that is not too late.
        session.remember();
        if let Some(owner) = owner {
            session.login(owner).expect("the number of sessions is not limited");
        }
        let outbound = inbound.finish(Outcome::Success).await;
        let outbound =
            outbound.unwrap_or_else(|error| panic!("create answered an error on a store without faults: {error:?}"));
        set_cookie(outbound).expect("a session that was begun has a cookie")
    }

    /// Where the session is stored that a cookie opens.
    pub(super) fn key(&self, cookie: &str) -> StoreKey {
        let token = cookie.split_once('=').map_or("", |(_, token)| token);
        let verified = self.engine.keys().verify(token.as_bytes());
        verified.expect("a response sets tokens that we signed").id.store_key()
    }

    pub(super) async fn look(&self, key: StoreKey) -> Option<Record> {
        self.store.load(key, self.now()).await
    }

    /// The handles in an owner's list, in their own order; none if this store has no lists.
    pub(super) async fn listed(&self, owner: &Owner) -> Vec<Handle> {
        if !self.has_owner_index() {
            return Vec::new();
        }
        let listed = self.store.list(owner, 100, self.now()).await;
        let mut handles: Vec<Handle> = listed.iter().map(Record::handle).collect();
        handles.sort();
        handles
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn a_moment_passes(&self) {
        self.clock.advance(STEP);
    }

    /// Time passes until everything that is stored has expired.
    pub(super) fn everything_expires(&self) {
        self.clock.advance(2 * IDLE);
    }
}

impl Scene {
    pub(super) fn request(&self, wish: Wish, place: u32) -> Request {
        let owner = self.owner.as_ref().unwrap_or(&self.alice);
        Request {
            wish,
            place,
            cookie: self.cookie.clone(),
            alice: self.alice.clone(),
            named: (owner.clone(), self.handle),
        }
    }

    /// The session that requests meet at, before any of them.
    pub(super) fn at_first(&self) -> Content {
        Content {
            handle: Some(self.handle),
            owner: self.owner.clone(),
            visits: Some(7),
            note: None,
        }
    }

    /// Alice's other session.
    pub(super) fn elsewhere(&self) -> Content {
        Content {
            handle: None,
            owner: Some(self.alice.clone()),
            visits: None,
            note: None,
        }
    }

    /// What a record holds; of handles only that of the session at first is told apart.
    pub(super) fn content(&self, record: &Record) -> Content {
        let content = Content::of_record(record);
        Content {
            handle: content.handle.filter(|handle| *handle == self.handle),
            ..content
        }
    }
}
