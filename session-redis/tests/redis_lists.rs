//! Lists that take several reads, because they are long or their sessions are spread over servers, while sessions move.

mod support;

mod redis {
    use session_core::conformance::sample::{self, Sample, key};
    use session_core::{Created, OwnerIndex, Page, Result, Rotated, Rotation, Store};
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
        let slow = slow.response_timeout(std::time::Duration::from_secs(2)).open().await?;
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
}
