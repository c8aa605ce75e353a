//! Settings of servers that may lose sessions are said in the log when a store opens.

mod support;

mod redis {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use session_core::Result;
    use session_redis::RedisStoreBuilder;

    use crate::support::server::Server;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What opening a store writes to the log, in lines.
    async fn opening(store: RedisStoreBuilder) -> Result<Vec<String>> {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        store.open().await?;
        drop(guard);
        let bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = String::from_utf8_lossy(&bytes).lines().map(ToOwned::to_owned).collect();
        Ok(lines)
    }

    fn store(server: &Server) -> RedisStoreBuilder {
        session_redis::RedisStore::builder(&server.url())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_server_that_is_set_up_as_we_ask_for_is_not_mentioned() -> Result<()> {
        let server = Server::start(&["--appendonly", "yes"]);
        assert_eq!(opening(store(&server)).await?, Vec::<String>::new());
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn each_setting_that_may_lose_sessions_is_one_warning() -> Result<()> {
        let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
        let lines = opening(store(&server).wait_replicas(1, Duration::from_millis(50))).await?;
        assert_eq!(lines.len(), 3, "{lines:#?}");
        for (line, setting) in lines
            .iter()
            .zip(["maxmemory-policy", "appendonly", "min-replicas-to-write"])
        {
            assert!(line.contains("WARN") && line.contains(setting), "{line}");
            assert!(line.contains(&server.port.to_string()), "{line}");
        }
        Ok(())
    }

    /// A managed service may forbid it; that is no reason not to open.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_user_without_a_right_to_the_settings_opens_the_store() -> Result<()> {
        let server = Server::start(&["--appendonly", "yes"]);
        server.cli(&["ACL", "SETUSER", "app", "on", ">pass", "~session:*", "+@all", "-config"]);
        let url = server.url().replace("redis://", "redis://app:pass@");
        let store = session_redis::RedisStore::builder(&url).wait_replicas(1, Duration::from_millis(50));
        assert_eq!(opening(store).await?, Vec::<String>::new());
        Ok(())
    }

    /// What the documentation says a user needs is enough.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_user_with_the_documented_rights_can_do_everything() -> Result<()> {
        use session_core::conformance::sample::{self, Sample, handle, key};
        use session_core::{OwnerIndex, OwnerLimit, Page, Revoke, Rotation, Store};

        let server = Server::start(&["--appendonly", "yes"]);
        let documented = "get mget getrange set setrange pexpire pttl eval evalsha time hmget hset hdel zadd zrem zscore zrange zremrangebyscore ping info hello";
        let rights: Vec<String> = documented.split(' ').map(|command| format!("+{command}")).collect();
        let mut acl = vec!["ACL", "SETUSER", "app", "on", ">pass", "~session:*", "-@all"];
        acl.extend(rights.iter().map(String::as_str));
        let set = server.cli(&acl);
        assert!(set.contains("OK"), "{set}");
        let url = server.url().replace("redis://", "redis://app:pass@");
        let store = session_redis::RedisStore::open(&url).await?;
        let now = sample::now();
        let alice = sample::owner("alice");
        let terms = |limit| session_core::Admission::from(store.epoch()).with_limit(limit);
        for number in 0..3 {
            let record = Sample::new(now).handle(number).owner("alice").build();
            let limit = Some(OwnerLimit::end_oldest(2)?);
            let _ = store.create(key(number), record, terms(limit), now).await?;
        }
        let page = Page { after: None, limit: 1 };
        let listed = store.list(&alice, page, now).await?;
        let there = &listed.sessions[0];
        let _ = store
            .touch(there.key, sample::after(now, 1), there.record.expires_at())
            .await?;
        let next = Sample::of(&there.record).next_revision().build();
        let _ = store.replace(there.key, 1, next.clone(), now).await?;
        let record = Sample::of(&next).next_revision().build();
        let rotation = Rotation::new(there.key, 2, key(10), record, now);
        let _ = store.rotate(rotation.with_admission(terms(None))).await?;
        store.revoke(&alice, Revoke::Others(handle(9)), now).await?;
        store.delete(key(10)).await?;
        store.health().await?;
        Ok(())
    }
}
