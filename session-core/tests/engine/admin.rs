//! The administration of sessions, without a framework: what needs another store or another guard than the http half of the suite has.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Admin, AdminAccess, AdminGuard, AdminReply, AdminRequest, Admission, CleanerPolicy, Created, Deleted, Engine,
    Error, ErrorKind, Inbound, MemoryStore, OwnerIndex, Record, Replaced, Result, Revision, Rotated, Rotation, Session,
    SessionConfig, SigningKeys, Store, StoreKey, Swept, Timestamp, Touched, async_trait,
};

use crate::site::{Site, VISITS};

fn everybody(_session: &Session) -> AdminAccess {
    AdminAccess::Granted
}

fn get<'a>(path: &'a str, query: &'a str) -> AdminRequest<'a> {
    AdminRequest {
        method: "GET",
        path,
        query: Some(query),
        content_type: None,
        csrf_header: None,
        body: Some(b""),
    }
}

/// A request that is not answered yet: a visitor can still be given a cookie, and so a token for a form.
async fn visit(engine: &Engine) -> (Inbound, Session) {
    let (inbound, access) = engine.begin();
    (inbound, access.session([]).await.unwrap())
}

async fn ask(engine: &Engine, path: &str, query: &str) -> AdminReply {
    let (_inbound, session) = visit(engine).await;
    Admin::new(everybody).answer(&session, get(path, query)).await
}

/// Keeps records, and can find none of them.
struct Bare {
    memory: MemoryStore,
    index: Index,
}

#[derive(PartialEq)]
enum Index {
    OfOwners,
    None,
}

#[async_trait]
impl Store for Bare {
    async fn create(&self, key: StoreKey, record: Record, admission: Admission, now: Timestamp) -> Result<Created> {
        self.memory.create(key, record, admission, now).await
    }

    async fn load(&self, key: StoreKey, now: Timestamp) -> Result<Option<Record>> {
        self.memory.load(key, now).await
    }

    async fn replace(&self, key: StoreKey, expected: Revision, record: Record, now: Timestamp) -> Result<Replaced> {
        self.memory.replace(key, expected, record, now).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated> {
        self.memory.rotate(rotation).await
    }

    async fn touch(&self, key: StoreKey, seen_at: Timestamp, expires_at: Timestamp) -> Result<Touched> {
        self.memory.touch(key, seen_at, expires_at).await
    }

    async fn delete(&self, key: StoreKey) -> Result<Deleted> {
        self.memory.delete(key).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.memory.sweep(now, limit).await
    }

    fn owner_index(&self) -> Option<&dyn OwnerIndex> {
        self.memory.owner_index().filter(|_| self.index == Index::OfOwners)
    }
}

fn on(index: Index) -> Engine {
    let config = SessionConfig::builder()
        .cleaner(CleanerPolicy::never())
        .build()
        .unwrap();
    let store = Bare {
        memory: MemoryStore::new(),
        index,
    };
    Engine::builder(Arc::new(store), SigningKeys::generate().unwrap())
        .config(config)
        .build()
}

#[tokio::test]
async fn a_store_without_an_inventory_says_so_and_shows_an_owner_all_the_same() {
    let engine = on(Index::OfOwners);
    let page = ask(&engine, "", "").await;
    assert_eq!(page.status, 501);
    assert!(page.body.contains("cannot list everybody") && page.body.contains("name=\"owner\""));
    for path in ["sessions.json", "stats.json"] {
        assert_eq!(ask(&engine, path, "").await.status, 501, "{path}");
    }
    assert_eq!(ask(&engine, "", "owner=alice").await.status, 200);
    assert_eq!(ask(&engine, "sessions.json", "owner=alice").await.status, 200);
}

#[tokio::test]
async fn a_store_that_finds_nothing_says_so() {
    let engine = on(Index::None);
    let page = ask(&engine, "", "owner=alice").await;
    assert_eq!(page.status, 501);
    assert!(page.body.contains("cannot find the sessions of an owner"));
    assert_eq!(ask(&engine, "", "owner=alice&action=revoke-owner").await.status, 501);
}

#[tokio::test]
async fn debug_of_an_answer_shows_no_token() {
    let page = ask(&Site::new().engine, "", "").await;
    let token = page
        .body
        .split("name=\"csrf_token\" value=\"")
        .nth(1)
        .map(|rest| &rest[..86])
        .unwrap();
    assert!(!format!("{page:?}").contains(&token[..16]));
}

struct Undecided(ErrorKind);

#[async_trait]
impl AdminGuard for Undecided {
    async fn access(&self, _session: &Session) -> Result<AdminAccess> {
        Err(Error::new(self.0, "asking who is an administrator"))
    }
}

#[tokio::test]
async fn a_guard_that_cannot_decide_lets_nobody_in() {
    let site = Site::new();
    let (_inbound, session) = visit(&site.engine).await;
    for (kind, status) in [(ErrorKind::Unavailable, 503), (ErrorKind::Invalid, 500)] {
        let reply = Admin::new(Undecided(kind)).answer(&session, get("", "")).await;
        assert_eq!((reply.status, reply.body.contains("<main>")), (status, false));
    }
}

#[tokio::test]
async fn a_guard_is_asked_before_anything_is_looked_at() {
    let site = Site::new();
    let (_inbound, session) = visit(&site.engine).await;
    let denied = Admin::new(|_: &Session| AdminAccess::Denied);
    let long = "x".repeat(10_000);
    let mut seen = Vec::new();
    for (method, path, query) in [
        ("GET", "", ""),
        ("PUT", "sweep", ""),
        ("POST", "revoke", "a=b"),
        ("GET", "x", &long),
    ] {
        let request = AdminRequest {
            method,
            body: None,
            ..get(path, query)
        };
        seen.push(denied.answer(&session, request).await);
    }
    assert!(seen.iter().all(|reply| reply.status == 404 && *reply == seen[0]));
    assert_eq!(site.counted.counts().total(), 0);
}

#[tokio::test]
async fn a_method_that_a_route_does_not_take_is_405() {
    let site = Site::new();
    let (_inbound, session) = visit(&site.engine).await;
    let admin = Admin::new(everybody);
    for (method, path, allow) in [
        ("DELETE", "", "GET, HEAD, POST"),
        ("POST", "stats.json", "GET, HEAD"),
        ("GET", "revoke", "POST"),
        ("PUT", "sweep", "POST"),
    ] {
        let reply = admin
            .answer(
                &session,
                AdminRequest {
                    method,
                    ..get(path, "")
                },
            )
            .await;
        let allowed = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "allow")
            .map(|(_, value)| value.as_ref());
        assert_eq!((reply.status, allowed), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test]
async fn a_long_label_is_cut_and_a_wide_character_stays_whole() {
    let site = Site::new();
    site.handle(None, async |session| {
        session.login("alice").unwrap();
        session.set_label("ü".repeat(125)).unwrap();
    })
    .await;
    let page = ask(&site.engine, "", "").await.body;
    assert!(page.contains(&format!("<bdi>{}…</bdi>", "ü".repeat(120))));
    let json = ask(&site.engine, "sessions.json", "").await.body;
    assert!(json.contains(&"ü".repeat(125)), "JSON has all of it");
}

#[tokio::test]
async fn a_walk_goes_on_behind_a_part_whose_sessions_have_all_expired() {
    let site = Site::new();
    for _ in 0..5 {
        site.handle(None, async |session| session.insert(VISITS, 1).unwrap())
            .await;
    }
    site.clock.advance(Duration::from_secs(40 * 24 * 3600));
    let mut after = String::new();
    for _ in 0..2 {
        let part: serde_json::Value = serde_json::from_str(
            &ask(&site.engine, "sessions.json", &format!("limit=2&after={after}"))
                .await
                .body,
        )
        .unwrap();
        assert_eq!(part["sessions"].as_array().map(Vec::len), Some(0));
        after = part["next"].as_str().unwrap().to_owned();
    }
    let page = ask(&site.engine, "", "limit=2").await.body;
    assert!(page.contains("No live session here.") && page.contains("Next page"));
}

#[tokio::test]
async fn only_the_first_page_of_everybody_counts_the_store() {
    let site = Site::new();
    for _ in 0..3 {
        site.handle(None, async |session| session.login("alice").unwrap()).await;
    }
    for (query, counts) in [
        ("", true),
        ("owner=alice", false),
        ("owner=alice&action=revoke-owner", false),
    ] {
        let page = ask(&site.engine, "", query).await.body;
        assert_eq!(page.contains("<dt>Live</dt>"), counts, "{query}");
    }
}

#[tokio::test]
async fn the_style_of_the_page_is_the_one_that_its_policy_allows() {
    use base64ct::{Base64, Encoding};
    use sha2::{Digest, Sha256};
    let site = Site::new();
    let page = ask(&site.engine, "", "").await;
    let style = page
        .body
        .split("<style>")
        .nth(1)
        .and_then(|rest| rest.split("</style>").next())
        .unwrap();
    let hash = Base64::encode_string(&Sha256::digest(style));
    let policy = page.headers.iter().find(|(name, _)| *name == "content-security-policy");
    assert!(policy.is_some_and(|(_, value)| value.contains(&format!("'sha256-{hash}'"))));
    assert!(!page.body.contains("style=\"") && !page.body.contains("<script") && !page.body.contains("http"));
}
