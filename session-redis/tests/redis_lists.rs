//! What stands on an owner's list while sessions move, and how it is followed.

mod support;

mod redis {
    use std::time::Duration;

    use base64ct::{Base64UrlUnpadded, Encoding};
    use session_core::conformance::sample::{self, Sample, key};
    use session_core::{
        Created, Epoch, ErrorKind, OwnerIndex, Page, Record, Replaced, Result, Revoke, Rotated, Rotation, Store,
    };
    use session_redis::RedisStore;

    use crate::support::proxy::{Plan, Proxy};
    use crate::support::server::Server;

    /// More than are read at once.
    const MANY: u64 = 140;

    /// A store whose steps can be stopped, and one beside it on the same server.
    struct Scene {
        proxy: Proxy,
        slow: RedisStore,
        beside: RedisStore,
        _server: Server,
    }

    impl Scene {
        async fn set() -> Result<Self> {
            let server = Server::start(&[]);
            let proxy = Proxy::start(server.port);
            let slow = RedisStore::builder(&proxy.url()).connections(1);
            Ok(Self {
                slow: slow.response_timeout(Duration::from_secs(2)).open().await?,
                beside: RedisStore::open(&server.url()).await?,
                proxy,
                _server: server,
            })
        }
    }

    async fn listed(store: &RedisStore) -> Result<usize> {
        let all = Page {
            after: None,
            limit: 200,
        };
        let page = store.list(&sample::owner("alice"), all, sample::now()).await?;
        Ok(page.sessions.len())
    }

    /// Between the two halves of a renewal no key holds the session: the list shows it all the same.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_session_stays_listed_between_any_two_steps_of_its_renewal() -> Result<()> {
        let scene = Scene::set().await?;
        let (proxy, slow, beside) = (&scene.proxy, &scene.slow, &scene.beside);
        let now = sample::now();
        for number in 0..MANY {
            let record = Sample::new(now).handle(number).owner("alice").build();
            let created = beside.create(key(number), record, beside.epoch().into(), now).await?;
            assert_eq!(created, Created::Stored);
        }
        for step in 1..8 {
            let old = key(step as u64);
            let before = slow.load(old, now).await?.expect("it was stored");
            let after = Sample::of(&before).next_revision().build();
            let rotation = Rotation::new(old, before.revision(), key(1000 + step as u64), after, now);
            proxy.plan(Plan::HoldAt(step));
            let renewing = {
                let slow = slow.clone();
                tokio::spawn(async move { slow.rotate(rotation).await })
            };
            tokio::task::block_in_place(|| proxy.wait_until_held(|| renewing.is_finished()));
            assert_eq!(listed(beside).await?, MANY as usize, "step {step}");
            proxy.plan(Plan::Pass);
            assert_eq!(renewing.await.expect("it does not panic")?, Rotated::Stored);
        }
        Ok(())
    }

    /// A renewal that met a conflict has changed nothing, and may be tried again to the same key: what takes its place off the list must
    /// not come behind.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_renewal_that_is_tried_again_stays_listed() -> Result<()> {
        let scene = Scene::set().await?;
        let (proxy, slow, beside) = (&scene.proxy, &scene.slow, &scene.beside);
        let now = sample::now();
        for step in 1..8 {
            let (old, new) = (key(step), key(1000 + step));
            let before = Sample::new(now).handle(step).owner("alice").build();
            let created = beside.create(old, before.clone(), beside.epoch().into(), now).await?;
            assert_eq!(created, Created::Stored);
            let rotation = |before: &Record| {
                let after = Sample::of(before).next_revision().build();
                Rotation::new(old, before.revision(), new, after, now)
            };
            proxy.plan(Plan::HoldAt(step as usize));
            let renewing = {
                let (slow, rotation) = (slow.clone(), rotation(&before));
                tokio::spawn(async move { slow.rotate(rotation).await })
            };
            tokio::pin!(renewing);
            tokio::task::block_in_place(|| proxy.wait_until_held(|| renewing.is_finished()));
            let changed = Sample::of(&before).next_revision().build();
            let replaced = beside.replace(old, before.revision(), changed.clone(), now).await?;
            // The next request is held again.
            proxy.plan(Plan::HoldAt(1));
            let early = tokio::time::timeout(Duration::from_millis(200), &mut renewing).await;
            if replaced == Replaced::Stored {
                let answer = match early {
                    Ok(answer) => answer,
                    Err(_) => {
                        proxy.plan(Plan::Pass);
                        (&mut renewing).await
                    }
                };
                assert_eq!(answer.expect("it does not panic")?, Rotated::Conflict(changed.clone()));
                assert_eq!(beside.rotate(rotation(&changed)).await?, Rotated::Stored);
            }
            proxy.plan(Plan::Pass);
            slow.health().await?;
            assert_eq!(listed(beside).await?, step as usize, "step {step}");
        }
        Ok(())
    }

    /// The same for a login that was refused, and begins anew.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_login_that_is_tried_again_is_listed() -> Result<()> {
        let scene = Scene::set().await?;
        let (proxy, slow, beside) = (&scene.proxy, &scene.slow, &scene.beside);
        let now = sample::now();
        let alices = |number| Sample::new(now).handle(number).owner("alice").build();
        // The server knows the script.
        let created = beside.create(key(1), alices(1), beside.epoch().into(), now).await?;
        assert_eq!(created, Created::Stored);
        beside.revoke(&sample::owner("alice"), Revoke::All, now).await?;
        slow.health().await?;
        proxy.plan(Plan::HoldAt(2));
        let refused = {
            let (slow, record) = (slow.clone(), alices(2));
            tokio::spawn(async move { slow.create(key(2), record, Epoch::default().into(), now).await })
        };
        tokio::pin!(refused);
        tokio::task::block_in_place(|| proxy.wait_until_held(|| false));
        let early = tokio::time::timeout(Duration::from_millis(200), &mut refused).await;
        assert!(early.is_err(), "it is answered before its place is off the list");
        proxy.plan(Plan::Pass);
        assert_eq!(refused.await.expect("it does not panic")?, Created::Revoked);
        let created = beside.create(key(2), alices(2), beside.epoch().into(), now).await?;
        assert_eq!(created, Created::Stored);
        assert_eq!(listed(beside).await?, 1);
        Ok(())
    }

    /// A revocation follows what has moved; what fails where it leads is not tried again and again while the caller waits.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_revocation_tries_each_session_once() -> Result<()> {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let slow = RedisStore::builder(&proxy.url()).connections(1).open().await?;
        let beside = RedisStore::open(&server.url()).await?;
        let now = sample::now();
        let owner = |number: u64| format!("owner {number}");
        // The process dies behind a renewal, and has not tidied up: both places stay on the list.
        let places = |number| {
            let hash = Base64UrlUnpadded::encode_string(&sample::owner(&owner(number)).index_key());
            let places = server.cli(&["ZCARD", &format!("session:o:{{{hash}}}")]);
            places.trim().to_owned()
        };
        let mut cut = 0;
        while beside.load(key(200 + cut), now).await?.is_none() || places(cut) != "2" {
            cut += 1;
            assert!(cut < 20, "a renewal has no such step");
            proxy.plan(Plan::Pass);
            while slow.health().await.is_err() {}
            let before = Sample::new(now).handle(cut).owner(&owner(cut)).build();
            let created = beside.create(key(100 + cut), before.clone(), beside.epoch().into(), now);
            assert_eq!(created.await?, Created::Stored);
            let after = Sample::of(&before).next_revision().build();
            let renewal = Rotation::new(key(100 + cut), before.revision(), key(200 + cut), after, now);
            proxy.plan(Plan::CutAfter(cut as usize));
            let _ = slow.rotate(renewal).await;
        }
        proxy.plan(Plan::Pass);
        while slow.health().await.is_err() {}
        let name = format!(
            "session:s:{}",
            Base64UrlUnpadded::encode_string(key(200 + cut).as_bytes())
        );
        server.cli(&["SET", &name, "not ours"]);
        proxy.plan(Plan::Pass);
        let revoked = slow.revoke(&sample::owner(&owner(cut)), Revoke::All, now).await;
        assert_eq!(revoked.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
        assert!(proxy.requests() < 8, "{} requests for two sessions", proxy.requests());
        Ok(())
    }
}
