//! An engine on a memory store with one session that is signed in: what the targets of requests start from.

use std::sync::Arc;

use session_core::conformance::browser::set_cookie;
use session_core::{CleanerPolicy, Engine, MemoryStore, Outcome, Session, SessionConfig, SigningKey, SigningKeys};
use tokio::runtime::Runtime;

pub(crate) struct Site {
    pub(crate) runtime: Runtime,
    pub(crate) engine: Engine,
    /// Opens the session.
    pub(crate) token: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let config = SessionConfig::builder()
            .danger()
            .insecure_cookies()
            .cleaner(CleanerPolicy::never())
            .build()
            .expect("a valid configuration");
        let keys = SigningKeys::new(SigningKey::from_bytes(&[1; 32]).expect("a key"));
        let engine = Engine::builder(Arc::new(MemoryStore::new()), keys)
            .config(config)
            .build();
        let token = runtime.block_on(async {
            let (inbound, access) = engine.begin();
            let session = access.session(None).await.expect("the store works");
            session.login("root").expect("a name");
            session.insert("k", "v").expect("a value");
            let outbound = inbound.finish(Outcome::Success).await.expect("the store works");
            let set = set_cookie(outbound).expect("a session has a cookie");
            let (_, rest) = set.split_once('=').expect("a cookie has a name");
            rest[..64].to_owned()
        });
        Self { runtime, engine, token }
    }

    /// The session of a request with these `Cookie` headers.
    pub(crate) fn session(&self, headers: &[&[u8]]) -> Session {
        let (_inbound, access) = self.engine.begin();
        let session = access.session(headers.iter().copied());
        self.runtime.block_on(session).expect("the store works")
    }

    /// What opens the session.
    pub(crate) fn cookie(&self) -> String {
        format!("session={}", self.token)
    }

    /// The session that is signed in.
    pub(crate) fn signed_in(&self) -> Session {
        let session = self.session(&[self.cookie().as_bytes()]);
        assert!(!session.is_new());
        session
    }
}

/// Puts `secret`, which differs from run to run, where the bytes say `TOKEN`; says whether it is in them then. libFuzzer watches
/// comparisons, and may have found it by itself.
pub(crate) fn with_secret(bytes: &[u8], secret: &str) -> (Vec<u8>, bool) {
    const PLACE: &[u8] = b"TOKEN";
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(PLACE) {
            filled.extend(secret.as_bytes());
            rest = behind;
        } else {
            filled.push(*first);
            rest = behind;
        }
    }
    let found = filled.windows(secret.len()).any(|part| part == secret.as_bytes());
    (filled, found)
}
