//! What the servers hold: how long each key lives, what leaves an owner's list, and what is not ours.

mod support;

mod redis {
    use std::time::Duration;

    use session_core::conformance::sample::{self, Sample, after, handle, key};
    use session_core::{Admission, ErrorKind, OwnerIndex, Page, Record, Result, Revoke, Rotation, Store, Touched};
    use session_redis::RedisStore;

    use crate::support::server::Server;

    fn alices(number: u64) -> Record {
        Sample::new(sample::now()).handle(number).owner("alice").build()
    }

    fn terms(store: &RedisStore) -> Admission {
        store.epoch().into()
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn no_key_is_without_a_time_to_live() -> Result<()> {
        let server = Server::start(&[]);
        let store = RedisStore::open(&server.url()).await?;
        let now = sample::now();
        let idle_only = session_core::Lifetime::sliding(Duration::from_secs(60))?;
        for number in 0..4 {
            let record = alices(number);
            let _ = store.create(key(number), record.clone(), terms(&store), now).await?;
            let _ = store.touch(key(number), after(now, 5), after(now, 3605)).await?;
        }
        let sliding = Sample::new(now).handle(7).owner("bob").lifetime(idle_only).build();
        let _ = store.create(key(7), sliding.clone(), terms(&store), now).await?;
        let before = alices(1).seen(after(now, 5));
        let renewed = Sample::of(&before).next_revision().build();
        let rotation = Rotation::new(key(1), before.revision(), key(10), renewed, now);
        let _ = store.rotate(rotation.with_admission(terms(&store))).await?;
        store.delete(key(2)).await?;
        store
            .revoke(&sample::owner("alice"), Revoke::Others(handle(3)), now)
            .await?;
        let keys = server.cli(&["KEYS", "*"]);
        assert!(keys.lines().count() > 8, "{keys}");
        for key in keys.lines() {
            let ttl: i64 = server.cli(&["PTTL", key]).trim().parse().expect("a number");
            assert!(ttl > 0, "{key}: {ttl}");
        }
        Ok(())
    }

    /// Without an absolute timeout touches extend a session without end; the list follows before the session outlives it.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_session_that_is_touched_for_months_stays_listed() -> Result<()> {
        let server = Server::start(&[]);
        let store = RedisStore::open(&server.url()).await?;
        let now = sample::now();
        let idle = 3600;
        let lifetime = session_core::Lifetime::sliding(Duration::from_secs(idle))?;
        let record = Sample::new(now).handle(1).owner("alice").lifetime(lifetime).build();
        let _ = store.create(key(1), record, terms(&store), now).await?;
        let mut at = now;
        for _ in 0..24 * 60 {
            at = after(at, idle - 1);
            let touched = store.touch(key(1), at, after(at, idle)).await?;
            assert_eq!(touched, Touched::Recorded);
        }
        // The server's clock cannot be moved; so look at what it goes by.
        let list = server.cli(&["KEYS", "session:o:*"]).trim().to_owned();
        let entry = server.cli(&["ZRANGE", &list, "0", "-1", "WITHSCORES"]);
        let until: u64 = entry
            .lines()
            .last()
            .and_then(|score| score.parse().ok())
            .expect("a score");
        assert!(
            until >= after(at, idle).unix_millis(),
            "listed until {until}, seen at {at}"
        );
        let page = Page { after: None, limit: 10 };
        assert_eq!(store.list(&sample::owner("alice"), page, at).await?.sessions.len(), 1);
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_list_loses_what_will_never_be_there_again() -> Result<()> {
        let server = Server::start(&[]);
        let store = RedisStore::builder(&server.url()).prefix("p:").open().await?;
        let now = sample::now();
        for number in 0..3 {
            let _ = store.create(key(number), alices(number), terms(&store), now).await?;
        }
        // As if the server had removed it at its deadline.
        let name = server.cli(&["KEYS", "p:s:*"]);
        let name = name.lines().next().expect("a session");
        server.cli(&["DEL", name]);
        let list = server.cli(&["KEYS", "p:o:*"]);
        let members = || server.cli(&["ZCARD", list.trim()]).trim().to_owned();
        crate::support::until("the logins are settled", || {
            !server
                .cli(&["ZRANGE", list.trim(), "0", "-1", "WITHSCORES"])
                .contains("\n-")
        });
        assert_eq!(members(), "3");
        let page = Page { after: None, limit: 10 };
        assert_eq!(store.list(&sample::owner("alice"), page, now).await?.sessions.len(), 2);
        for _ in 0..100 {
            if members() == "2" {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        panic!("the list still names {} sessions", members());
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn what_is_not_ours_is_an_error_and_is_left_alone() -> Result<()> {
        let server = Server::start(&[]);
        let store = RedisStore::builder(&server.url()).prefix("p:").open().await?;
        let now = sample::now();
        let _ = store.create(key(1), alices(1), terms(&store), now).await?;
        let name = server.cli(&["KEYS", "p:s:*"]).trim().to_owned();
        for (foreign, kind) in [
            ("text", ErrorKind::Corrupt),
            ("\u{2}newer", ErrorKind::UnsupportedFormat),
        ] {
            server.cli(&["SET", &name, foreign]);
            let replaced = store.replace(key(1), 1, alices(1), now).await.map(|_| ());
            for error in [
                store.load(key(1), now).await.map(|_| ()),
                replaced,
                store.touch(key(1), now, now).await.map(|_| ()),
                store.delete(key(1)).await.map(|_| ()),
            ] {
                assert_eq!(error.map_err(|error| error.kind()), Err(kind), "{foreign}");
            }
            assert_eq!(server.cli(&["GET", &name]).trim(), foreign);
        }
        server.cli(&["DEL", &name]);
        server.cli(&["RPUSH", &name, "a list"]);
        let error = store.load(key(1), now).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        Ok(())
    }

    /// A server that stood still carries out what it was sent when it goes on; by then a revocation may be forgotten.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn what_arrives_too_late_is_not_stored() {
        let server = Server::start(&[]);
        let create = concat!(
            include_str!("../src/script/prelude.lua"),
            "\n",
            include_str!("../src/script/create.lua")
        );
        let put = |key: &str, not_after: &str| server.cli(&["EVAL", create, "1", key, "value", "60000", not_after]);
        assert_eq!(put("late", "1000").trim(), "late");
        assert_eq!(server.cli(&["EXISTS", "late"]).trim(), "0");
        assert_eq!(put("in time", "9000000000000").trim(), "stored");
        assert_eq!(put("whenever", "0").trim(), "stored");
    }
}
