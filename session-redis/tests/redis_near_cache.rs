//! Records that are kept in the process: they take no round trip, and are never older than promised, whatever happens to the
//! connection that tells of changes. Run with `--nocapture`, it prints what it has measured.

mod support;

mod redis {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use session_core::conformance::sample::{self, Sample, after, key};
    use session_core::conformance::store::TestStore;
    use session_core::{
        Deleted, ErrorKind, OwnerIndex, Record, Replaced, Result, Revoke, Rotated, Rotation, Store, Touched,
    };
    use session_redis::{RedisStore, RedisStoreBuilder};

    use crate::support::load::{IN_TIME, builder, fails, is_there, put, row, visitor};
    use crate::support::prefix;
    use crate::support::proxy::{Plan, Proxy};
    use crate::support::server::Server;

    /// So long that no test waits for it, and no heartbeat is counted.
    const LONG: Duration = Duration::from_secs(60);
    const ROOM: u64 = 1 << 20;

    fn server() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Server::start(&[]))
    }

    mod one_server {
        use super::*;

        async fn fresh() -> TestStore {
            let store = RedisStore::builder(&server().url()).prefix(prefix());
            let store = store.response_timeout(Duration::from_secs(3)).near_cache(ROOM, LONG);
            TestStore::new(store.open().await.expect("the server runs")).expiring_by_itself()
        }

        crate::redis_contract!(fresh);
    }

    /// A store that keeps records, behind a proxy, and one beside it on the same data that keeps none.
    struct Scene {
        proxy: Proxy,
        near: RedisStore,
        beside: RedisStore,
    }

    impl Scene {
        async fn set(staleness: Duration) -> Result<Self> {
            Self::set_up(server(), |store| store.near_cache(ROOM, staleness)).await
        }

        async fn set_up(server: &Server, near: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> Result<Self> {
            let prefix = prefix();
            let proxy = Proxy::start(server.port);
            let near = near(builder(&proxy.url()).prefix(&prefix)).open().await?;
            let beside = builder(&server.url()).prefix(&prefix).open().await?;
            Ok(Self { proxy, near, beside })
        }

        /// How many requests it takes to find this session.
        async fn requests(&self, number: u64) -> Result<usize> {
            self.proxy.plan(Plan::Pass);
            assert!(is_there(&self.near, number).await?, "session {number} is there");
            Ok(self.proxy.requests())
        }
    }

    /// Looks until the session is not there any more; answers how long that took.
    async fn turned_away(store: &RedisStore, number: u64) -> Result<Duration> {
        let start = Instant::now();
        while is_there(store, number).await? {
            assert!(start.elapsed() < IN_TIME, "session {number} does not go");
            tokio::task::yield_now().await;
        }
        Ok(start.elapsed())
    }

    fn alices(number: u64) -> Record {
        Sample::new(sample::now()).handle(number).owner("alice").build()
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn what_was_read_takes_no_round_trip_again() -> Result<()> {
        let scene = Scene::set(LONG).await?;
        put(&scene.beside, 1).await?;
        let first = scene.requests(1).await?;
        let mut later = 0;
        for _ in 0..1000 {
            later += scene.requests(1).await?;
        }
        assert_eq!((first, later), (1, 0));

        let without = Scene::set_up(server(), |store| store.connections(1)).await?;
        put(&without.beside, 1).await?;
        let mut each = 0;
        for _ in 0..1000 {
            each += without.requests(1).await?;
        }
        assert_eq!(each, 1000);
        let time = async |store: &RedisStore| -> Result<Duration> {
            let start = Instant::now();
            for _ in 0..10_000 {
                assert!(is_there(store, 1).await?);
            }
            Ok(start.elapsed() / 10_000)
        };
        let (with, from_server) = (time(&scene.near).await?, time(&without.beside).await?);
        assert!(with < from_server);
        row(
            "1000 loads of one session after the first",
            &format!("{each} round trips without, {later} with; {from_server:?} each without, {with:?} with"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_another_process_ends_is_turned_away_within_one_message() -> Result<()> {
        let prefix = prefix();
        let near = builder(&server().url()).prefix(&prefix).near_cache(ROOM, LONG);
        let near = near.open().await?;
        let beside = builder(&server().url()).prefix(&prefix).open().await?;
        let mut delays = Vec::new();
        for number in 0..1000 {
            put(&beside, number).await?;
            assert!(is_there(&near, number).await? && is_there(&near, number).await?);
            beside.delete(key(number)).await?;
            delays.push(turned_away(&near, number).await?);
        }
        delays.sort();
        row(
            "1000 sessions are ended by another process: from its answer until they are turned away here",
            &format!(
                "median {:?}, 99 % {:?}, longest {:?}",
                delays[500], delays[990], delays[999]
            ),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_this_process_changes_is_seen_at_once() -> Result<()> {
        let store = builder(&server().url()).prefix(prefix()).near_cache(ROOM, LONG);
        let store = store.open().await?;
        let now = sample::now();
        let alice = sample::owner("alice");
        let terms = || store.epoch().into();
        for round in 0..100 {
            let (first, second) = (2 * round, 2 * round + 1);
            let record = alices(first);
            let read = async |number| store.load(key(number), after(now, 2)).await;

            assert_eq!(read(first).await?, None);
            let _ = store.create(key(first), record.clone(), terms(), now).await?;
            assert_eq!(read(first).await?.as_ref(), Some(&record));

            let changed = Sample::of(&record).next_revision().build();
            let replaced = store.replace(key(first), 1, changed.clone(), now).await?;
            assert!(matches!(replaced, Replaced::Stored));
            assert_eq!(read(first).await?.as_ref(), Some(&changed));

            // A sighting that were not seen here would be recorded again by the next request.
            let seen = changed.clone().seen(after(now, 1));
            let touched = store.touch(key(first), seen.seen_at(), seen.expires_at()).await?;
            assert_eq!(touched, Touched::Recorded);
            assert_eq!(read(first).await?.as_ref(), Some(&seen));

            let moved = Sample::of(&seen).next_revision().build();
            let rotation = Rotation::new(key(first), 2, key(second), moved.clone(), after(now, 1));
            let rotated = store.rotate(rotation.with_admission(terms())).await?;
            assert!(matches!(rotated, Rotated::Stored), "{rotated:?}");
            assert_eq!(read(first).await?, None);
            assert_eq!(read(second).await?.as_ref(), Some(&moved));

            if round % 2 == 0 {
                store.delete(key(second)).await?;
            } else {
                assert_eq!(store.revoke(&alice, Revoke::All, after(now, 1)).await?, 1);
            }
            assert_eq!(read(second).await?, None);
        }
        Ok(())
    }

    /// On one thread, so that the news is heard before the one who asked goes on.
    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn an_answer_that_the_news_overtakes_is_not_kept() -> Result<()> {
        // What is held must not be late.
        let patient = |store: RedisStoreBuilder| store.near_cache(ROOM, LONG).response_timeout(2 * IN_TIME);
        let scene = Scene::set_up(server(), patient).await?;
        put(&scene.beside, 1).await?;
        put(&scene.beside, 2).await?;
        assert_eq!(scene.requests(2).await?, 1);

        scene.proxy.plan(Plan::HoldAnswers);
        let near = scene.near.clone();
        let reading = tokio::spawn(async move { is_there(&near, 1).await });
        soon("the answer is under way", || scene.proxy.holds("\r\n")).await;
        assert!(!reading.is_finished());
        scene.beside.delete(key(1)).await?;
        soon("the news is behind it", || scene.proxy.holds("invalidate")).await;
        scene.proxy.plan(Plan::Pass);
        assert!(
            reading.await.expect("it does not panic")?,
            "it was there when it was asked for"
        );
        assert!(!is_there(&scene.near, 1).await?);
        assert_eq!(scene.requests(2).await?, 0, "the others are still here");
        Ok(())
    }

    /// What is read while a write is under way is kept; it goes with the answer, not with the news, which are late here.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_this_process_ends_is_gone_before_the_news_arrive() -> Result<()> {
        let server = Server::start(&[]);
        let patient = |store: RedisStoreBuilder| store.near_cache(ROOM, LONG).response_timeout(2 * IN_TIME);
        let scene = Scene::set_up(&server, patient).await?;
        put(&scene.beside, 1).await?;
        server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        let near = scene.near.clone();
        let ending = tokio::spawn(async move { near.delete(key(1)).await });
        soon("the write waits at the server", || {
            server.cli(&["INFO", "clients"]).contains("blocked_clients:1")
        })
        .await;
        assert_eq!((scene.requests(1).await?, scene.requests(1).await?), (1, 0));
        scene.proxy.plan(Plan::HoldNews);
        server.cli(&["CLIENT", "UNPAUSE"]);
        assert_eq!(ending.await.expect("it does not panic")?, Deleted::Removed);
        soon("the news are on their way", || scene.proxy.holds("invalidate")).await;
        let asked = tokio::spawn({
            let near = scene.near.clone();
            async move { is_there(&near, 1).await }
        });
        soon("the server is asked", || scene.proxy.requests() > 0).await;
        scene.proxy.plan(Plan::Pass);
        assert!(!asked.await.expect("it does not panic")?);
        Ok(())
    }

    /// A server may be there and not serve: it has handed over, or lost its cluster, or may not be read any more.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_its_server_would_not_answer_is_not_shown() -> Result<()> {
        const STALENESS: Duration = Duration::from_secs(1);
        let server = Server::start(&[]);
        let store = builder(&server.url()).near_cache(ROOM, STALENESS).open().await?;
        put(&store, 1).await?;
        assert!(is_there(&store, 1).await?);
        server.cli(&["ACL", "SETUSER", "default", "-get", "-getrange"]);
        let refused = Instant::now();
        loop {
            let asked = refused.elapsed();
            match is_there(&store, 1).await {
                Ok(true) => assert!(asked < STALENESS, "shown after {asked:?}"),
                Ok(false) => panic!("no server has said so"),
                Err(error) => break assert_eq!(error.kind(), ErrorKind::Unavailable),
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_quiet_connection_stays_trusted() -> Result<()> {
        const STALENESS: Duration = Duration::from_secs(1);
        let server = Server::start(&[]);
        let store = builder(&server.url()).near_cache(ROOM, STALENESS).open().await?;
        put(&store, 1).await?;
        let start = Instant::now();
        while start.elapsed() < STALENESS * 5 / 2 {
            assert!(is_there(&store, 1).await?);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let reads = server.cli(&["INFO", "commandstats"]);
        let reads = reads.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        let reads = reads.and_then(|line| line.split(',').next()?.parse::<u32>().ok());
        // One, and one more if this machine had no time for a heartbeat.
        assert!(matches!(reads, Some(1 | 2)), "{reads:?} reads");
        Ok(())
    }

    /// Three processes change six sessions while their connections are killed again and again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn no_process_goes_back_and_none_stays_behind() -> Result<()> {
        const SESSIONS: usize = 6;
        let server = Server::start(&[]);
        let mut stores = Vec::new();
        for _ in 0..3 {
            stores.push(builder(&server.url()).near_cache(ROOM, LONG).open().await?);
        }
        for number in 0..SESSIONS {
            put(&stores[0], number as u64).await?;
        }
        let is_over = AtomicBool::new(false);
        let (loads, writes) = (AtomicU64::new(0), AtomicU64::new(0));
        let work = async |store: &RedisStore, seen: &[AtomicU64; SESSIONS], mut random: u64| {
            while !is_over.load(Ordering::Relaxed) {
                // Knuth's generator: the same walk in every run.
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let number = (random >> 33) as usize % SESSIONS;
                let before = seen[number].load(Ordering::SeqCst);
                let session = key(number as u64);
                let Ok(Some(record)) = store.load(session, sample::now()).await else {
                    continue;
                };
                loads.fetch_add(1, Ordering::Relaxed);
                assert!(record.revision() >= before, "{} after {before}", record.revision());
                let mut known = record.revision();
                if random >> 60 == 0 {
                    let next = Sample::of(&record).next_revision().build();
                    if let Ok(Replaced::Stored) = store.replace(session, known, next, sample::now()).await {
                        writes.fetch_add(1, Ordering::Relaxed);
                        known += 1;
                    }
                }
                seen[number].fetch_max(known, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        };
        let seen: [[AtomicU64; SESSIONS]; 3] = Default::default();
        let clients = (0..12).map(|client| work(&stores[client % 3], &seen[client % 3], client as u64));
        let breaking = async {
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                kill_tracked(&server);
            }
            is_over.store(true, Ordering::Relaxed);
        };
        futures_util::future::join(futures_util::future::join_all(clients), breaking).await;
        let truth = builder(&server.url()).open().await?;
        for number in 0..SESSIONS as u64 {
            let last = truth.load(key(number), sample::now()).await?;
            for store in &stores {
                let start = Instant::now();
                while store.load(key(number), sample::now()).await? != last {
                    assert!(start.elapsed() < IN_TIME, "a process stays behind");
                    tokio::task::yield_now().await;
                }
            }
        }
        row(
            "three processes, twelve clients, six sessions, the connections that tell killed 30 times",
            &format!("{loads:?} loads and {writes:?} writes; none went back"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_connection_that_is_lost_empties_the_cache_until_it_is_back() -> Result<()> {
        let scene = Scene::set(LONG).await?;
        for number in 1..=3 {
            put(&scene.beside, number).await?;
        }
        assert_eq!((scene.requests(1).await?, scene.requests(1).await?), (1, 0));
        let mut longest = Duration::ZERO;
        for number in 4..24 {
            put(&scene.beside, number).await?;
            assert!(is_there(&scene.near, number).await?);
            kill_tracked(server());
            scene.beside.delete(key(number)).await?;
            longest = longest.max(turned_away(&scene.near, number).await?);
        }
        row(
            "20 times the connection is killed just before a session is ended elsewhere",
            &format!("turned away after {longest:?} at most"),
        );
        assert!(scene.requests(1).await? > 0, "nothing is left from before");
        let start = Instant::now();
        while scene.requests(1).await? > 0 {
            assert!(start.elapsed() < IN_TIME, "it does not come back");
            tokio::task::yield_now().await;
        }
        assert_eq!((scene.requests(2).await?, scene.requests(2).await?), (1, 0));
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn nothing_is_shown_for_longer_than_promised_when_the_network_is_silent() -> Result<()> {
        const STALENESS: Duration = Duration::from_millis(300);
        let scene = Scene::set(STALENESS).await?;
        put(&scene.beside, 1).await?;
        put(&scene.beside, 2).await?;
        // Long enough for heartbeats to be what keeps it.
        let start = Instant::now();
        while start.elapsed() < 3 * STALENESS {
            assert!(is_there(&scene.near, 1).await?);
            tokio::task::yield_now().await;
        }
        let silent = Instant::now();
        scene.proxy.plan(Plan::Swallow);
        scene.beside.delete(key(1)).await?;
        let mut shown = Duration::ZERO;
        let error = loop {
            let asked = silent.elapsed();
            match is_there(&scene.near, 1).await {
                Ok(true) => shown = asked,
                Ok(false) => panic!("no server has said so"),
                Err(error) => break error,
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(shown < STALENESS, "shown after {shown:?}");
        let (_, took) = fails(is_there(&scene.near, 1)).await;
        scene.proxy.plan(Plan::Pass);
        let recovered = Instant::now();
        while is_there(&scene.near, 2).await.is_err() {
            assert!(recovered.elapsed() < 2 * IN_TIME);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let recovered = recovered.elapsed();
        assert!(!is_there(&scene.near, 1).await?);
        row(
            "a network that drops everything and tells nobody, staleness 300 ms",
            &format!("an ended session is shown for {shown:?}, then errors after {took:?}; works {recovered:?} after"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_stands_still_is_not_trusted() -> Result<()> {
        const STALENESS: Duration = Duration::from_millis(300);
        let server = Server::start(&[]);
        let store = builder(&server.url()).near_cache(ROOM, STALENESS).open().await?;
        put(&store, 1).await?;
        assert!(is_there(&store, 1).await?);
        server.pause();
        let paused = Instant::now();
        loop {
            let asked = paused.elapsed();
            match is_there(&store, 1).await {
                Ok(true) => assert!(asked < STALENESS, "shown after {asked:?}"),
                Ok(false) => panic!("no server has said so"),
                Err(_) => break,
            }
            tokio::task::yield_now().await;
        }
        server.go_on();
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn it_takes_no_more_room_than_it_may() -> Result<()> {
        let scene = Scene::set_up(server(), |store| store.near_cache(10_000, LONG)).await?;
        for number in 0..100 {
            put(&scene.beside, number).await?;
            let _ = scene.requests(number).await?;
        }
        let mut here = 0;
        for number in (0..100).rev() {
            here += usize::from(scene.requests(number).await? == 0);
        }
        assert!((5..20).contains(&here), "{here} sessions in 10,000 bytes");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_is_emptied_empties_the_cache() -> Result<()> {
        let server = Server::start(&[]);
        let store = builder(&server.url()).near_cache(ROOM, LONG).open().await?;
        put(&store, 1).await?;
        assert!(is_there(&store, 1).await? && is_there(&store, 1).await?);
        server.cli(&["FLUSHALL"]);
        turned_away(&store, 1).await?;
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn an_expired_record_is_not_shown() -> Result<()> {
        let scene = Scene::set(LONG).await?;
        put(&scene.beside, 1).await?;
        assert_eq!(scene.requests(1).await?, 1);
        scene.proxy.plan(Plan::Pass);
        let deadline = visitor(1).expires_at();
        assert_eq!(scene.near.load(key(1), after(deadline, 1)).await?, None);
        assert_eq!(scene.proxy.requests(), 0, "it was here");
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_user_who_may_not_track_is_told_so_when_the_store_opens() -> Result<()> {
        let server = Server::start(&[]);
        server.cli(&[
            "ACL",
            "SETUSER",
            "app",
            "on",
            ">secret",
            "~session:*",
            "+@all",
            "-client",
        ]);
        let url = server.url().replace("redis://", "redis://app:secret@");
        let error = builder(&url).near_cache(ROOM, LONG).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission, "{error:?}");
        assert!(error.to_string().contains("allow +client|tracking"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        builder(&url).open().await?;

        server.cli(&["ACL", "SETUSER", "app", "+client|tracking"]);
        let store = builder(&url).near_cache(ROOM, LONG).open().await?;
        put(&store, 1).await?;
        assert!(is_there(&store, 1).await? && is_there(&store, 1).await?);
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_server_that_cannot_do_it_is_named_when_the_store_opens() {
        for (missing, told) in [("CLIENT", "CLIENT TRACKING"), ("HELLO", "RESP3")] {
            let server = Server::start(&["--rename-command", missing, ""]);
            let store = builder(&server.url()).near_cache(ROOM, LONG);
            let error = store.open().await.unwrap_err();
            assert!(error.to_string().contains(told), "{error:?}");
            assert!(error.to_string().contains(&server.port.to_string()), "{error}");
        }
    }

    #[tokio::test]
    #[ignore = "needs redis-server"]
    async fn a_staleness_that_makes_no_sense_is_refused() {
        for staleness in [Duration::ZERO, Duration::from_millis(49), Duration::from_secs(61)] {
            let store = builder(&server().url()).near_cache(ROOM, staleness);
            assert_eq!(store.open().await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    /// Waits without holding up the others on this thread.
    async fn soon(what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < IN_TIME, "waited in vain until {what}");
            tokio::task::yield_now().await;
        }
    }

    /// Ends the connections on which a server tells of changes.
    fn kill_tracked(server: &Server) {
        for client in server.cli(&["CLIENT", "LIST"]).lines() {
            let field = |name: &str| client.split(' ').find_map(|field| field.strip_prefix(name));
            if field("flags=").is_some_and(|flags| flags.contains('t'))
                && let Some(id) = field("id=")
            {
                server.cli(&["CLIENT", "KILL", "ID", id]);
            }
        }
    }
}
