//! One server takes over from another while 32 clients write. Run with `--nocapture`, it prints what it has measured.

mod support;

mod redis {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use session_core::conformance::sample::{self, Sample, key};
    use session_core::{Result, Store};
    use session_redis::RedisStore;

    use crate::support::cluster::Cluster;
    use crate::support::load::{Load, builder, is_there, put, recovery, row, visitor};
    use crate::support::sentinel::Guarded;
    use crate::support::server::{Server, cli};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_primary_that_dies_under_sentinel_is_replaced() -> Result<()> {
        let guarded = Guarded::start(&[]);
        let store = builder(&guarded.url()).open().await?;
        put(&store, 1).await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let start = Instant::now();
        guarded.primary().kill();
        let _ = recovery(&store, 1).await;
        let recovered = start.elapsed();
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        row(
            "Sentinel: the primary is killed (down-after 1 s), 32 clients write",
            &format!("works {recovered:?} after; {}", seen.told(lost)),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_primary_that_hands_over_under_sentinel_is_followed() -> Result<()> {
        let guarded = Guarded::start(&[]);
        let store = builder(&guarded.url()).open().await?;
        put(&store, 1).await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let before = guarded.primary().port;
        guarded.sentinels[0].cli(&["SENTINEL", "FAILOVER", "main"]);
        let start = Instant::now();
        crate::support::until("another one is the primary", || guarded.primary().port != before);
        crate::support::until("the old one follows", || {
            cli(before, &["INFO", "replication"]).contains("role:slave")
        });
        let _ = recovery(&store, 1).await;
        let recovered = start.elapsed();
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        row(
            "Sentinel: a failover is ordered, 32 clients write",
            &format!("settled {recovered:?} after; {}", seen.told(lost)),
        );
        Ok(())
    }

    /// The way to move a primary under Sentinel on purpose.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_primary_that_is_paused_before_it_hands_over_loses_nothing() -> Result<()> {
        let guarded = Guarded::start(&[]);
        let store = builder(&guarded.url()).open().await?;
        put(&store, 1).await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let before = guarded.primary();
        let start = Instant::now();
        before.cli(&["CLIENT", "PAUSE", "20000", "WRITE"]);
        guarded.sentinels[0].cli(&["SENTINEL", "FAILOVER", "main"]);
        let _ = recovery(&store, 1).await;
        let recovered = start.elapsed();
        crate::support::until("the old one follows", || {
            before.cli(&["INFO", "replication"]).contains("role:slave")
        });
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        row(
            "Sentinel: the primary is paused, then a failover is ordered, 32 clients write",
            &format!("works {recovered:?} after; {}", seen.told(lost)),
        );
        assert_eq!(lost, 0);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_primary_that_dies_in_a_cluster_is_replaced() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let store = builder(&cluster.url()).open().await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let victim = cluster.primaries()[0].port;
        let number = (1..)
            .find(|number| has_slot_of(victim, *number))
            .expect("some key is there");
        put(&store, number).await?;
        let start = Instant::now();
        cluster
            .servers
            .iter()
            .find(|server| server.port == victim)
            .expect("one of ours")
            .kill();
        let _ = recovery_of(&store, number).await;
        let recovered = start.elapsed();
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        row(
            "Cluster: one of three primaries is killed (node timeout 1.5 s), 32 clients write",
            &format!("its slots work {recovered:?} after; {}", seen.told(lost)),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_primary_that_hands_over_in_a_cluster_is_followed() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let store = builder(&cluster.url()).open().await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let replica = cluster
            .servers
            .iter()
            .find(|server| server.cli(&["INFO", "replication"]).contains("role:slave"));
        let replica = replica.expect("three of them are replicas");
        let start = Instant::now();
        let mut asked = None::<Instant>;
        crate::support::until("it is the primary", || {
            // A server that is busy may miss its five seconds; then it has to be told again.
            if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(6)) {
                asked = Some(Instant::now());
                replica.cli(&["CLUSTER", "FAILOVER"]);
            }
            replica.cli(&["INFO", "replication"]).contains("role:master")
        });
        let recovered = start.elapsed();
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 1000)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        assert_eq!(lost, 0, "a primary that hands over loses nothing");
        row(
            "Cluster: a failover is ordered, 32 clients write",
            &format!("handed over in {recovered:?}; {}", seen.told(lost)),
        );
        Ok(())
    }

    /// Slots that wander from server to server redirect by ASK.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn slots_that_move_are_followed() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let store = builder(&cluster.url()).open().await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        let primaries = cluster.primaries();
        let id = |server: &Server| server.cli(&["CLUSTER", "MYID"]).trim().to_owned();
        let (from, to) = (id(primaries[0]), id(primaries[1]));
        let moved = std::process::Command::new("redis-cli")
            .args(["--cluster", "reshard", &format!("127.0.0.1:{}", primaries[0].port)])
            .args([
                "--cluster-from",
                &from,
                "--cluster-to",
                &to,
                "--cluster-slots",
                "300",
                "--cluster-yes",
            ])
            .output()
            .expect("redis-cli runs");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        assert_eq!(lost, 0);
        assert_eq!(seen.missing.load(Ordering::Relaxed), 0);
        row("Cluster: 300 slots move, 32 clients write", &seen.told(lost));
        Ok(())
    }

    /// A primary that others have given up may go on answering: no connection stays with it, whichever of them learns of it first.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn every_connection_leaves_a_server_that_is_the_primary_no_more() -> Result<()> {
        let (old, new) = (Server::start(&[]), Server::start(&[]));
        let watch = |server: &Server| format!("127.0.0.1 {} 1", server.port);
        let sentinel = Server::start_with(
            Some(&format!("sentinel monitor main {}\n", watch(&old))),
            &["--sentinel"],
        );
        let url = format!("redis+sentinel://127.0.0.1:{}?service=main", sentinel.port);
        let store = builder(&url).connections(4).open().await?;
        let use_all = async || {
            for number in 0..8 {
                is_there(&store, number).await?;
            }
            Ok::<_, session_core::Error>(())
        };
        use_all().await?;
        let ours = || {
            let all = old.cli(&["CLIENT", "LIST"]);
            let ours = all.lines().filter(|client| client.contains("cmd=get"));
            let ids = ours.filter_map(|client| client.strip_prefix("id=")?.split(' ').next());
            ids.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ours().len(), 4);
        sentinel.cli(&["SENTINEL", "REMOVE", "main"]);
        let mut monitor = vec!["SENTINEL", "MONITOR", "main"];
        let where_it_is = watch(&new);
        monitor.extend(where_it_is.split(' '));
        // The first one that is made again learns of the new primary before anybody else does.
        let first = ours().remove(0);
        sentinel.cli(&monitor);
        old.cli(&["CLIENT", "KILL", "ID", &first]);
        let _ = use_all().await;
        crate::support::until("all have left", || ours().is_empty());
        use_all().await?;
        assert!(ours().is_empty());
        Ok(())
    }

    /// Whether the session of that number is kept by the server at that port.
    fn has_slot_of(port: u16, number: u64) -> bool {
        use base64ct::{Base64UrlUnpadded, Encoding};
        let name = format!("session:s:{}", Base64UrlUnpadded::encode_string(key(number).as_bytes()));
        !cli(port, &["GET", &name]).contains("MOVED")
    }

    async fn recovery_of(store: &RedisStore, number: u64) -> Duration {
        let start = Instant::now();
        let next = |revision| Sample::of(&visitor(number)).revision(revision).build();
        // Whether or not the session was lost with its primary: its slot answers.
        while store.replace(key(number), 1, next(2), sample::now()).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "the slot does not recover");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }
}
