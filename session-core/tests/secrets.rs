//! No secret reaches a log, an error or `Debug` (P17): everything is logged at TRACE, on all paths, and searched.
//! In a process of its own: what is logged is decided once for all threads.

#![allow(clippy::unwrap_used, reason = "what a test builds upon")]

#[allow(dead_code, reason = "the engine's scenarios use the rest")]
#[path = "engine/site.rs"]
mod site;

use std::io::Write;
use std::sync::{Arc, Mutex};

use session_core::conformance::store::Operation;
use session_core::{Outcome, SigningKey, SigningKeys, Store};
use tracing_subscriber::fmt::MakeWriter;

use site::Site;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn note(&self, what: impl std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{what:?} {what:#?}").unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const VALUE: &str = "s3cret-value-of-hers";
const OWNER: &str = "alice@example.org";

#[tokio::test]
async fn no_token_id_or_value_reaches_a_log_an_error_or_debug() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let site = Site::new();
    let mut tokens = Vec::new();
    let mut keep = |cookie: &Option<String>| {
        tokens.extend(
            cookie
                .as_ref()
                .and_then(|pair| pair.split_once('='))
                .map(|(_, token)| token.to_owned()),
        );
    };

    let anonymous = site
        .handle(None, async |session| session.insert("k", VALUE).unwrap())
        .await;
    keep(&anonymous);
    let signed_in = site
        .handle(anonymous.as_deref(), async |session| {
            session.login(OWNER).unwrap();
            session.set_label(VALUE).unwrap();
            captured.note((session, session.owner()));
        })
        .await;
    keep(&signed_in);
    let mut csrf = String::new();
    site.handle(signed_in.as_deref(), async |session| {
        session.flash(session_core::FlashLevel::Info, VALUE).unwrap();
        let token = session.csrf_token().unwrap();
        csrf = token.to_string();
        captured.note((&token, session, session.verify_csrf(&csrf[1..])));
        session.verify_csrf("forged").unwrap_err().log();
    })
    .await;
    let (inbound, session) = site.request(signed_in.as_deref()).await;
    captured.note((&inbound, &session, &site.engine));
    captured.note(session.get::<Vec<(u64, u64)>>("k").unwrap_err());
    session.renew();
    for operation in [
        Operation::Rotate,
        Operation::Replace,
        Operation::Delete,
        Operation::Touch,
        Operation::Create,
    ] {
        site.faults.fail_next(operation, 1);
    }
    captured.note(session.save().await.unwrap_err());
    let outbound = inbound.finish(Outcome::Success).await.unwrap();
    captured.note(&outbound);
    let set = site::set_cookie(outbound);
    keep(&set.as_deref().and_then(|set| set.split(';').next()).map(str::to_owned));
    let (inbound, session) = site.request(signed_in.as_deref()).await;
    session.insert("k", VALUE).unwrap();
    captured.note(inbound.finish(Outcome::Success).await.map(|_| ()));
    site.faults.recover();
    site.handle(signed_in.as_deref(), async |session| session.destroy())
        .await;
    let owner = OWNER.parse().unwrap();
    let (inbound, session) = site.request(None).await;
    session.login(OWNER).unwrap();
    session.set_label(VALUE).unwrap();
    session.flash(session_core::FlashLevel::Info, VALUE).unwrap();
    captured.note((
        inbound.finish(Outcome::Success).await.unwrap(),
        session.take_flashes().unwrap(),
    ));
    captured.note(site.engine.sessions().unwrap().all(&owner).await.unwrap());
    captured.note(site.engine.sessions().unwrap().everyone(None, 9).await.unwrap());
    captured.note(site.faults.inventory().unwrap().page(None, 9).await.unwrap());
    captured.note(site.engine.sessions().unwrap().revoke_all(&owner).await);
    site.handle(Some(&format!("__Host-session={}", "A".repeat(64))), async |_| ())
        .await;

    let text = captured.text();
    assert!(
        text.contains("session created") && text.contains("session token rejected"),
        "nothing was captured"
    );
    assert!(!text.contains(VALUE), "a value, a message or a label is shown:\n{text}");
    assert!(!text.contains(OWNER), "an owner is shown:\n{text}");
    assert!(text.contains("session refused a request") && text.contains("_session.csrf"));
    for part in [&csrf[..43], &csrf[43..]] {
        assert!(!text.contains(part), "a token of a form is shown:\n{text}");
    }
    assert_eq!(tokens.len(), 3);
    for token in tokens {
        assert!(!text.contains(&token[..32]), "the id is shown:\n{text}");
        assert!(!text.contains(&token[32..]), "the MAC is shown:\n{text}");
    }
}

#[test]
fn debug_of_a_signing_key_shows_nothing_of_it() {
    let key = SigningKey::from_bytes(&[0xAB; 32]).unwrap();
    let shown = format!("{key:?} {:?}", SigningKeys::new(key.clone()).and_verify(key.clone()));
    assert_eq!(shown, "SigningKey(…) SigningKeys(1 signing, 1 verifying)");
}
