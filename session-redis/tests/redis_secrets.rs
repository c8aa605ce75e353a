//! No secret reaches a log, an error or `Debug` (P17): not the password of the server, and nothing of what sessions hold. Everything is
//! logged at TRACE, the client's own lines too, and searched. In a process of its own: there is one log for all threads.

mod support;

mod redis {
    use std::fmt::Debug;
    use std::io::Write as _;
    use std::time::Duration;

    use session_core::conformance::http::secrets::Log;
    use session_core::conformance::sample::{Sample, key, now, owner};
    use session_core::{Admission, OwnerIndex, Page, Result, Revoke, Rotation, Store};
    use session_redis::RedisStore;

    use crate::support::server::Server;

    const PASSWORD: &str = "s3cret-password";
    const VALUE: &str = "s3cret-value";
    const OWNER: &str = "s3cret-owner";
    const LABEL: &str = "s3cret-label";

    /// Writes what `Debug` and, of an error, its whole chain show.
    fn note(log: &Log, result: Result<impl Debug>) {
        let mut log = log.clone();
        match result {
            // What is loaded is asked for; its own `Debug` hides the rest.
            Ok(value) => writeln!(log, "{value:?} {value:#?}"),
            Err(error) => {
                error.log();
                writeln!(log, "{error} {error:?} {error:#?}")
            }
        }
        .expect("a log in memory");
    }

    async fn everything(store: &RedisStore, log: &Log, from: u64) {
        let begun = now();
        let sample = Sample::new(begun)
            .handle(from)
            .owner(OWNER)
            .label(LABEL)
            .value("k", VALUE.as_bytes());
        let next = sample.clone().next_revision();
        let admission = Admission::new(store.epoch());
        let page = Page { after: None, limit: 10 };
        note(log, store.create(key(from), sample.build(), admission, begun).await);
        note(log, store.load(key(from), begun).await);
        note(log, store.replace(key(from), 1, next.clone().build(), begun).await);
        note(log, store.touch(key(from), begun, begun).await);
        note(log, store.list(&owner(OWNER), page, begun).await);
        let rotation = Rotation::new(key(from), 2, key(from + 1), next.next_revision().build(), begun);
        note(log, store.rotate(rotation).await);
        note(log, store.revoke(&owner(OWNER), Revoke::All, begun).await);
        note(log, store.delete(key(from + 1)).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn no_password_and_nothing_that_sessions_hold_is_logged() -> Result<()> {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        let server = Server::start(&["--appendonly", "yes"]);
        server.cli(&["ACL", "SETUSER", "app", "on", &format!(">{PASSWORD}"), "~*", "+@all"]);
        let open = |password: &str| {
            let url = server.url().replace("redis://", &format!("redis://app:{password}@"));
            RedisStore::builder(&url).response_timeout(Duration::from_millis(500))
        };
        note(&log, Ok(open(PASSWORD)));
        note(&log, open(&format!("{PASSWORD}-wrong")).open().await);
        let store = open(PASSWORD).open().await?;
        note(&log, Ok(&store));
        everything(&store, &log, 1).await;
        // What is stored is damaged, of another type, of a newer format; then the server is gone.
        let begun = now();
        let sample = Sample::new(begun)
            .owner(OWNER)
            .label(LABEL)
            .value("k", VALUE.as_bytes())
            .build();
        for damage in ["x", "\u{2}newer", VALUE] {
            let admission = Admission::new(store.epoch());
            note(&log, store.create(key(9), sample.clone(), admission, begun).await);
            let keys = server.cli(&["KEYS", "*s:*"]);
            for stored in keys.lines() {
                server.cli(&["SET", stored, damage]);
            }
            note(&log, store.load(key(9), begun).await);
            note(&log, store.replace(key(9), 1, sample.clone(), begun).await);
            server.cli(&["FLUSHALL"]);
        }
        server.kill();
        everything(&store, &log, 20).await;

        let text = log.text();
        assert!(text.contains("session error"), "the log was not captured:\n{text}");
        for secret in [PASSWORD, VALUE, OWNER, LABEL] {
            let found: Vec<_> = text.lines().filter(|line| line.contains(secret)).collect();
            assert!(found.is_empty(), "{secret} is shown (P17): {found:#?}");
        }
        Ok(())
    }
}
