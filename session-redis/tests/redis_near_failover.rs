//! Records that are kept in the process while servers take over from each other. Run with `--nocapture`, it prints what it has
//! measured.

mod support;

mod redis {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use session_core::conformance::sample::key;
    use session_core::{Deleted, Result, Store};
    use session_redis::RedisStore;

    use crate::support::cluster::Cluster;
    use crate::support::load::{IN_TIME, Load, builder, is_there, put, row};
    use crate::support::sentinel::Guarded;
    use crate::support::server::Server;
    use crate::support::until;

    const ROOM: u64 = 1 << 20;
    const STALENESS: Duration = Duration::from_secs(1);
    const SESSIONS: u64 = 60;

    /// One store that keeps records, and all of these sessions with it; and one that will end them.
    async fn stores(url: &str) -> Result<(RedisStore, RedisStore)> {
        let near = builder(url).near_cache(ROOM, STALENESS).open().await?;
        let beside = builder(url).open().await?;
        for number in 0..SESSIONS {
            put(&beside, number).await?;
            assert!(is_there(&near, number).await? && is_there(&near, number).await?);
        }
        Ok((near, beside))
    }

    /// Ends every session as soon as a server does it.
    async fn end_all(beside: &RedisStore, near: &RedisStore) -> Result<Duration> {
        let mut longest = Duration::ZERO;
        for number in 0..SESSIONS {
            let start = Instant::now();
            loop {
                match beside.delete(key(number)).await {
                    Ok(Deleted::Removed | Deleted::Absent) => break,
                    Err(_) => assert!(start.elapsed() < Duration::from_secs(30), "no server takes over"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // An error is no session either; that a session is there must not be said.
            let ended = Instant::now();
            while let Ok(true) = is_there(near, number).await {
                assert!(ended.elapsed() < STALENESS, "a session lives on here");
                tokio::task::yield_now().await;
            }
            longest = longest.max(ended.elapsed());
        }
        Ok(longest)
    }

    /// It works as before: what is read is kept, and goes when it is ended.
    async fn is_back(near: &RedisStore, beside: &RedisStore) -> Result<()> {
        let start = Instant::now();
        while let Err(error) = is_there(near, SESSIONS).await {
            assert!(start.elapsed() < Duration::from_secs(30), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for number in SESSIONS..2 * SESSIONS {
            put(beside, number).await?;
            assert!(is_there(near, number).await? && is_there(near, number).await?);
            beside.delete(key(number)).await?;
            let ended = Instant::now();
            while is_there(near, number).await? {
                assert!(ended.elapsed() < IN_TIME, "a session lives on here");
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_ends_after_a_primary_of_a_cluster_died_is_turned_away() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let (near, beside) = stores(&cluster.url()).await?;
        cluster.primaries()[0].kill();
        let longest = end_all(&beside, &near).await?;
        is_back(&near, &beside).await?;
        row(
            "Cluster: a primary is killed, then 60 sessions are ended elsewhere",
            &format!("turned away after {longest:?} at most"),
        );
        Ok(())
    }

    /// It comes back as a replica, and must not be believed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_ends_after_a_primary_of_a_cluster_stood_still_is_turned_away() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let (near, beside) = stores(&cluster.url()).await?;
        let victim = cluster.primaries()[0];
        victim.pause();
        let longest = end_all(&beside, &near).await?;
        victim.go_on();
        for number in 0..SESSIONS {
            assert!(!matches!(is_there(&near, number).await, Ok(true)));
        }
        is_back(&near, &beside).await?;
        row(
            "Cluster: a primary stands still, then 60 sessions are ended elsewhere",
            &format!("turned away after {longest:?} at most"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_ends_after_a_primary_of_a_cluster_handed_over_is_turned_away() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let (near, beside) = stores(&cluster.url()).await?;
        let is_replica = |server: &&Server| server.cli(&["INFO", "replication"]).contains("role:slave");
        let replica = cluster.servers.iter().find(is_replica);
        let replica = replica.expect("three of them are replicas");
        let mut asked = None::<Instant>;
        until("it is the primary", || {
            if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(6)) {
                asked = Some(Instant::now());
                replica.cli(&["CLUSTER", "FAILOVER"]);
            }
            replica.cli(&["INFO", "replication"]).contains("role:master")
        });
        let longest = end_all(&beside, &near).await?;
        is_back(&near, &beside).await?;
        row(
            "Cluster: a primary hands over, then 60 sessions are ended elsewhere",
            &format!("turned away after {longest:?} at most"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn what_ends_after_a_primary_under_sentinel_died_is_turned_away() -> Result<()> {
        let guarded = Guarded::start(&[]);
        let (near, beside) = stores(&guarded.url()).await?;
        guarded.primary().kill();
        let longest = end_all(&beside, &near).await?;
        is_back(&near, &beside).await?;
        row(
            "Sentinel: the primary is killed, then 60 sessions are ended elsewhere",
            &format!("turned away after {longest:?} at most"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn slots_that_move_are_followed() -> Result<()> {
        let cluster = Cluster::start(&[]);
        let (near, beside) = stores(&cluster.url()).await?;
        let load = Load::start(&near);
        load.wait_for(500).await;
        let primaries = cluster.primaries();
        let id = |server: &Server| server.cli(&["CLUSTER", "MYID"]).trim().to_owned();
        let (from, to) = (id(primaries[0]), id(primaries[1]));
        let moved = std::process::Command::new("redis-cli")
            .args(["--cluster", "reshard", &format!("127.0.0.1:{}", primaries[0].port)])
            .args(["--cluster-from", &from, "--cluster-to", &to])
            .args(["--cluster-slots", "300", "--cluster-yes"])
            .output()
            .expect("redis-cli runs");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&near).await;
        assert_eq!((lost, seen.missing.load(Ordering::Relaxed)), (0, 0));
        let longest = end_all(&beside, &near).await?;
        row(
            "Cluster: 300 slots move, 32 clients write",
            &format!(
                "{}; ended elsewhere, turned away after {longest:?} at most",
                seen.told(lost)
            ),
        );
        Ok(())
    }
}
