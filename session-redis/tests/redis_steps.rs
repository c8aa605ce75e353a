//! What the suite cannot see from outside: how many round trips an operation takes, and what is left if a process dies, or another
//! one acts, between any two of its steps.

mod support;

mod redis {
    use std::sync::OnceLock;
    use std::time::Duration;

    use base64ct::{Base64UrlUnpadded, Encoding};
    use session_core::conformance::sample::{self, Sample, after, handle, key};
    use session_core::{
        Admission, Created, Deleted, Epoch, ErrorKind, OwnerIndex, OwnerLimit, Page, Record, Replaced, Result, Revoke,
        Rotated, Rotation, Store, StoreKey, Touched,
    };
    use session_redis::RedisStore;

    use crate::support::prefix;
    use crate::support::proxy::{Plan, Proxy};
    use crate::support::server::Server;

    fn server() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Server::start(&[]))
    }

    /// A store whose steps can be seen and stopped, and one beside it on the same data.
    struct Scene {
        prefix: String,
        proxy: Proxy,
        slow: RedisStore,
        beside: RedisStore,
    }

    impl Scene {
        async fn set() -> Result<Self> {
            let prefix = prefix();
            let proxy = Proxy::start(server().port);
            let slow = RedisStore::builder(&proxy.url()).prefix(&prefix).connections(1);
            let slow = slow.response_timeout(Duration::from_secs(2)).open().await?;
            let beside = RedisStore::builder(&server().url()).prefix(&prefix).open().await?;
            Ok(Self {
                prefix,
                proxy,
                slow,
                beside,
            })
        }

        async fn is_alive(&self, key: StoreKey) -> Result<bool> {
            Ok(self.beside.load(key, sample::now()).await?.is_some())
        }

        async fn listed(&self) -> Result<usize> {
            let page = Page {
                after: None,
                limit: 100,
            };
            let listed = self.beside.list(&sample::owner("alice"), page, sample::now()).await?;
            Ok(listed.sessions.len())
        }
    }

    fn alices(number: u64) -> Record {
        Sample::new(sample::now()).handle(number).owner("alice").build()
    }

    fn terms(store: &RedisStore) -> Admission {
        store.epoch().into()
    }

    fn rotation(store: &RedisStore, (old, new): (u64, u64), before: &Record, after: Record) -> Rotation {
        let rotation = Rotation::new(key(old), before.revision(), key(new), after, sample::now());
        rotation.with_admission(terms(store))
    }

    fn signed_in(visitor: &Record) -> Record {
        Sample::of(visitor).next_revision().owner("alice").build()
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn the_operations_of_every_request_take_one_round_trip() -> Result<()> {
        let scene = Scene::set().await?;
        let now = sample::now();
        let record = Sample::new(now).build();
        // The server learns the scripts.
        for number in [1, 2] {
            let counted = |name: &str| println!("| {name} | {} |", scene.proxy.trips());
            let trips = || scene.proxy.trips();
            scene.proxy.plan(Plan::Pass);
            assert_eq!(
                scene
                    .slow
                    .create(key(number), record.clone(), terms(&scene.slow), now)
                    .await?,
                Created::Stored
            );
            if number == 2 {
                counted("create for a visitor");
                assert_eq!(trips(), 1, "create for a visitor");
            }
            scene.proxy.plan(Plan::Pass);
            assert!(scene.slow.load(key(number), now).await?.is_some());
            if number == 2 {
                counted("load");
                assert_eq!(trips(), 1, "load");
            }
            scene.proxy.plan(Plan::Pass);
            let seen = after(now, 5);
            assert_eq!(
                scene.slow.touch(key(number), seen, after(seen, 3600)).await?,
                Touched::Recorded
            );
            if number == 2 {
                counted("touch");
                assert_eq!(trips(), 1, "touch");
            }
            scene.proxy.plan(Plan::Pass);
            let next = Sample::of(&record).next_revision().build();
            assert_eq!(
                scene.slow.replace(key(number), 1, next.clone(), now).await?,
                Replaced::Stored
            );
            if number == 2 {
                counted("replace");
                assert_eq!(trips(), 1, "replace");
            }
            scene.proxy.plan(Plan::Pass);
            let late = scene.slow.replace(key(number), 1, next, now).await?;
            assert!(matches!(late, Replaced::Conflict(_)));
            assert_eq!(trips(), 1, "a conflict brings the current record along");
            scene.proxy.plan(Plan::Pass);
            assert_eq!(scene.slow.delete(key(number)).await?, Deleted::Removed);
            if number == 2 {
                counted("delete");
                assert_eq!(trips(), 1, "delete");
            }
        }
        Ok(())
    }

    /// The rotation's first two go out at once.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_login_takes_two_requests_and_a_login_by_rotation_five() -> Result<()> {
        let scene = Scene::set().await?;
        let now = sample::now();
        for number in [1, 2] {
            let visitor = Sample::new(now).handle(number).build();
            let _ = scene
                .beside
                .create(key(number), visitor.clone(), Admission::default(), now)
                .await?;
            let rotation = rotation(&scene.slow, (number, 10 + number), &visitor, signed_in(&visitor));
            // What tidies up behind the answer is held, and nobody waits for it.
            scene.proxy.plan(if number == 2 { Plan::HoldAt(6) } else { Plan::Pass });
            assert_eq!(scene.slow.rotate(rotation).await?, Rotated::Stored);
            scene.proxy.plan(Plan::Pass);
            scene.slow.health().await?;
            scene.proxy.plan(if number == 2 { Plan::HoldAt(3) } else { Plan::Pass });
            let created = scene
                .slow
                .create(key(20 + number), alices(20 + number), terms(&scene.slow), now)
                .await?;
            assert_eq!(created, Created::Stored);
            scene.proxy.plan(Plan::Pass);
            scene.slow.health().await?;
        }
        Ok(())
    }

    /// What a process may be in the midst of.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Work {
        Login,
        LoginByRotation,
        Renewal,
        LoginThatMakesRoom,
    }

    const WORK: [Work; 4] = [
        Work::Login,
        Work::LoginByRotation,
        Work::Renewal,
        Work::LoginThatMakesRoom,
    ];
    /// More requests than any of them sends.
    const STEPS: std::ops::Range<usize> = 1..9;

    /// Sessions that are there before, under keys 1 to 3; the work ends with a session under key 9.
    async fn prepare(scene: &Scene, work: Work) -> Result<()> {
        let now = sample::now();
        let first = match work {
            Work::LoginByRotation => Sample::new(now).handle(1).build(),
            Work::Login | Work::Renewal | Work::LoginThatMakesRoom => alices(1),
        };
        for (number, record) in [(1, first), (2, alices(2)), (3, alices(3))] {
            let created = scene
                .beside
                .create(key(number), record, terms(&scene.beside), now)
                .await?;
            assert_eq!(created, Created::Stored);
        }
        // The connection is there, and the server knows the scripts.
        scene.slow.load(key(1), now).await?;
        Ok(())
    }

    /// Whether the store says that it is done.
    async fn carry_out(store: RedisStore, work: Work, admission: Admission) -> Result<bool> {
        let now = sample::now();
        let login = Sample::new(after(now, 1)).handle(9).owner("alice").build();
        Ok(match work {
            Work::Login => store.create(key(9), login, admission, now).await? == Created::Stored,
            Work::LoginThatMakesRoom => {
                let admission = admission.with_limit(OwnerLimit::end_oldest(2)?);
                let created = store.create(key(9), login, admission, now).await?;
                matches!(created, Created::Displaced(_))
            }
            Work::LoginByRotation | Work::Renewal => {
                let before = store.load(key(1), now).await?;
                let Some(before) = before else { return Ok(false) };
                let record = Sample::of(&before).next_revision().owner("alice").build();
                let rotation = rotation(&store, (1, 9), &before, record);
                store.rotate(rotation.with_admission(admission)).await? == Rotated::Stored
            }
        })
    }

    /// A revocation on another machine, before any step of a login or a renewal.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_revocation_between_any_two_steps_leaves_nobody_signed_in() -> Result<()> {
        for work in WORK {
            for step in STEPS {
                let scene = Scene::set().await?;
                prepare(&scene, work).await?;
                let admission = terms(&scene.slow);
                scene.proxy.plan(Plan::HoldAt(step));
                let working = tokio::spawn(carry_out(scene.slow.clone(), work, admission));
                tokio::task::block_in_place(|| scene.proxy.wait_until_held(|| working.is_finished()));
                scene
                    .beside
                    .revoke(&sample::owner("alice"), Revoke::All, sample::now())
                    .await?;
                scene.proxy.plan(Plan::Pass);
                let _ = working.await.expect("it does not panic")?;
                for number in [2, 3, 9] {
                    assert!(
                        !scene.is_alive(key(number)).await?,
                        "{work:?}, step {step}: session {number} is alive"
                    );
                }
                assert_eq!(scene.listed().await?, 0, "{work:?}, step {step}");
            }
        }
        Ok(())
    }

    /// The other way round: the session has moved on when the revocation comes to where it was.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_renewal_between_any_two_steps_of_a_revocation_does_not_escape() -> Result<()> {
        for by in [Revoke::All, Revoke::Others(handle(2)), Revoke::One(handle(1))] {
            for step in STEPS {
                let scene = Scene::set().await?;
                prepare(&scene, Work::Renewal).await?;
                scene.proxy.plan(Plan::HoldAt(step));
                let slow = scene.slow.clone();
                let revoking =
                    tokio::spawn(async move { slow.revoke(&sample::owner("alice"), by, sample::now()).await });
                tokio::task::block_in_place(|| scene.proxy.wait_until_held(|| revoking.is_finished()));
                let admission = terms(&scene.beside);
                let renewed = carry_out(scene.beside.clone(), Work::Renewal, admission).await?;
                scene.proxy.plan(Plan::Pass);
                let ended = revoking.await.expect("it does not panic")?;
                let expected = if by == Revoke::All {
                    3
                } else if by == Revoke::One(handle(1)) {
                    1
                } else {
                    2
                };
                assert_eq!(ended, expected, "{by:?}, step {step}, renewed: {renewed}");
                assert!(!scene.is_alive(key(1)).await?, "{by:?}, step {step}");
                assert!(
                    !scene.is_alive(key(9)).await?,
                    "{by:?}, step {step}: the session moved away from its revocation"
                );
            }
        }
        Ok(())
    }

    /// A revocation that has met the new key alone, and comes to the old one only after the renewal has failed and tidied up, still
    /// has to see there that the session was alive: it has ended it.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_renewal_that_is_ended_on_its_way_leaves_what_the_session_was() -> Result<()> {
        let scene = Scene::set().await?;
        prepare(&scene, Work::Renewal).await?;
        let named = |key: StoreKey| format!("{}s:{}", scene.prefix, Base64UrlUnpadded::encode_string(key.as_bytes()));
        let end = concat!(
            include_str!("../src/script/prelude.lua"),
            "\n",
            include_str!("../src/script/end.lua")
        );
        // What a revocation does there that has read the list.
        let ended = server().cli(&["EVAL", end, "1", &named(key(9)), "v", "600000", "mark", "header"]);
        assert_eq!(ended.lines().next(), Some("absent"));

        let admission = terms(&scene.slow);
        assert!(!carry_out(scene.slow.clone(), Work::Renewal, admission).await?);
        let list = server().cli(&["KEYS", &format!("{}o:*", scene.prefix)]);
        crate::support::until("both places are off the list", || {
            server().cli(&["ZCARD", list.trim()]).trim() == "2"
        });
        // On the same connection, so behind whatever else the renewal sends.
        scene.slow.health().await?;

        // A mark of two bytes, the new key's place, and then the session.
        let left: usize = server()
            .cli(&["STRLEN", &named(key(1))])
            .trim()
            .parse()
            .expect("a length");
        assert!(left > 2 + 55, "only {left} bytes are left");
        Ok(())
    }

    /// A process that dies before a step, or right behind it: at worst a user is signed out, and nothing escapes a revocation.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_process_that_dies_between_any_two_steps_leaves_at_most_one_key_alive() -> Result<()> {
        for work in WORK {
            for step in STEPS {
                for plan in [Plan::CutBefore(step), Plan::CutAfter(step)] {
                    let scene = Scene::set().await?;
                    prepare(&scene, work).await?;
                    let admission = terms(&scene.slow);
                    scene.proxy.plan(plan);
                    let done = carry_out(scene.slow.clone(), work, admission).await;
                    if let Err(error) = &done {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{work:?}, {plan:?}: {error:?}");
                    }
                    let (old, new) = (scene.is_alive(key(1)).await?, scene.is_alive(key(9)).await?);
                    if matches!(work, Work::LoginByRotation | Work::Renewal) {
                        assert!(!(old && new), "{work:?}, {plan:?}: both ids are alive");
                    }
                    if matches!(done, Ok(true)) {
                        assert!(new, "{work:?}, {plan:?}: it was acknowledged and is not there");
                    }
                    if work == Work::LoginThatMakesRoom {
                        let mut alive = 0;
                        for number in [1, 2, 3, 9] {
                            alive += usize::from(scene.is_alive(key(number)).await?);
                        }
                        assert!(alive <= 3, "{work:?}, {plan:?}: {alive} are alive");
                        assert!(
                            alive <= 2 || !new,
                            "{work:?}, {plan:?}: a login went live before there was room"
                        );
                    }
                    scene
                        .beside
                        .revoke(&sample::owner("alice"), Revoke::All, sample::now())
                        .await?;
                    for number in [2, 3, 9] {
                        assert!(
                            !scene.is_alive(key(number)).await?,
                            "{work:?}, {plan:?}: {number} escaped a revocation"
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// A revocation that dies in its midst says so; done again it ends everything.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn a_revocation_that_dies_between_any_two_steps_can_be_done_again() -> Result<()> {
        for step in STEPS {
            for plan in [Plan::CutBefore(step), Plan::CutAfter(step)] {
                let scene = Scene::set().await?;
                prepare(&scene, Work::Login).await?;
                scene.proxy.plan(plan);
                let alice = sample::owner("alice");
                let revoked = scene.slow.revoke(&alice, Revoke::All, sample::now()).await;
                if revoked.is_err() {
                    scene.beside.revoke(&alice, Revoke::All, sample::now()).await?;
                }
                for number in 1..4 {
                    assert!(
                        !scene.is_alive(key(number)).await?,
                        "{plan:?}: session {number} is alive"
                    );
                }
            }
        }
        Ok(())
    }

    /// Machines share no clock and no memory: what counts is when the login began.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_revocation_on_another_machine_refuses_a_login_that_began_before() -> Result<()> {
        let scene = Scene::set().await?;
        let alice = sample::owner("alice");
        let before = terms(&scene.slow);
        scene.beside.revoke(&alice, Revoke::All, sample::now()).await?;
        let late = scene.slow.create(key(1), alices(1), before, sample::now()).await?;
        assert_eq!(late, Created::Revoked);
        let without_beginning = Admission::from(Epoch::default());
        let late = scene
            .slow
            .create(key(2), alices(2), without_beginning, sample::now())
            .await?;
        assert_eq!(late, Created::Revoked);
        let fresh = scene
            .slow
            .create(key(3), alices(3), terms(&scene.slow), sample::now())
            .await?;
        assert_eq!(fresh, Created::Stored);
        Ok(())
    }

    /// A page is of one moment, also if it takes several reads: what ends in between is not shown, and does not end the walk.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs redis-server"]
    async fn sessions_that_end_while_a_page_is_read_do_not_end_the_walk() -> Result<()> {
        let scene = Scene::set().await?;
        let now = sample::now();
        let alice = sample::owner("alice");
        for number in 0..300 {
            let record = Sample::new(after(now, number)).handle(number).owner("alice").build();
            let created = scene
                .beside
                .create(key(number), record, terms(&scene.beside), now)
                .await?;
            assert_eq!(created, Created::Stored);
        }
        // The server knows the script: the first request is for the list, the second one for its sessions.
        assert_eq!(scene.listed().await?, 100);
        scene.slow.health().await?;
        scene.proxy.plan(Plan::HoldAt(3));
        let slow = scene.slow.clone();
        let first = Page { after: None, limit: 10 };
        let listing = tokio::spawn(async move { slow.list(&sample::owner("alice"), first, now).await });
        tokio::task::block_in_place(|| scene.proxy.wait_until_held(|| listing.is_finished()));
        for number in 200..300 {
            scene.beside.delete(key(number)).await?;
        }
        scene.proxy.plan(Plan::Pass);
        let mut page = listing.await.expect("it does not panic")?;
        let mut listed = 0;
        loop {
            for owned in &page.sessions {
                assert!(scene.is_alive(owned.key).await?, "a session is shown that had ended");
            }
            listed += page.sessions.len();
            let Some(cursor) = page.next else { break };
            let next = Page {
                after: Some(cursor),
                limit: 10,
            };
            page = scene.slow.list(&alice, next, now).await?;
        }
        assert_eq!(listed, 200);
        Ok(())
    }
}
