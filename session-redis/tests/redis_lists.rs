//! Lists that take several reads, because they are long or their sessions are spread over servers, while sessions move.

mod support;

mod redis {
    use std::time::Duration;

    use session_core::conformance::sample::{self, Sample, key};
    use session_core::{Created, Epoch, OwnerIndex, Page, Record, Replaced, Result, Revoke, Rotated, Rotation, Store};
    use session_redis::RedisStore;

    use crate::support::proxy::{Plan, Proxy};
    use crate::support::server::Server;

    /// More than are read at once.
    const MANY: u64 = 140;

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
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let slow = RedisStore::builder(&proxy.url()).connections(1);
        let slow = slow.response_timeout(Duration::from_secs(2)).open().await?;
        let beside = RedisStore::open(&server.url()).await?;
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
            assert_eq!(listed(&beside).await?, MANY as usize, "step {step}");
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
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let slow = RedisStore::builder(&proxy.url()).connections(1);
        let slow = slow.response_timeout(Duration::from_secs(2)).open().await?;
        let beside = RedisStore::open(&server.url()).await?;
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
            assert_eq!(listed(&beside).await?, step as usize, "step {step}");
        }
        Ok(())
    }

    /// The same for a login that was refused, and begins anew.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_login_that_is_tried_again_is_listed() -> Result<()> {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let slow = RedisStore::builder(&proxy.url()).connections(1);
        let slow = slow.response_timeout(Duration::from_secs(2)).open().await?;
        let beside = RedisStore::open(&server.url()).await?;
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
        assert_eq!(listed(&beside).await?, 1);
        Ok(())
    }
}
