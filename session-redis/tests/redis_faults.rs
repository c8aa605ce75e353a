//! What goes wrong with one server. Everywhere the same is asked: an answer in time, an error that says so and never "there is no
//! session", no panic, and work that goes on by itself when the fault is over. Run with `--nocapture`, it prints what it has measured.

mod support;

mod redis {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use session_core::conformance::sample::{self, Sample, key};
    use session_core::{ErrorKind, OwnerIndex, Replaced, Result, Revoke, Store};

    use crate::support::load::{Load, builder, fails, is_there, put, recovery, row, visitor};
    use crate::support::proxy::{Plan, Proxy};
    use crate::support::server::{Server, free_port};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_is_down_at_the_start_is_an_error_at_once() {
        let port = free_port();
        for url in ["redis://", "redis+cluster://", "redis+sentinel://"] {
            let service = if url.contains("sentinel") { "?service=main" } else { "" };
            let store = builder(&format!("{url}app:secret@127.0.0.1:{port}{service}"));
            let (error, took) = fails(store.open()).await;
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains(&port.to_string()), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
            row(
                &format!("server down when the store opens ({url})"),
                &format!("error after {took:?}"),
            );
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_is_killed_and_started_again_goes_on_where_it_stopped() -> Result<()> {
        let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let store = builder(&server.url()).open().await?;
        put(&store, 1).await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        server.kill();
        let (error, _) = fails(is_there(&store, 1)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        server.restart();
        let recovered = recovery(&store, 1).await;
        load.wait_for(1500).await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        assert_eq!(lost, 0, "the server synced every write before it answered");
        assert_eq!(seen.missing.load(Ordering::Relaxed), 0);
        row(
            "kill -9 under load, then a restart (appendfsync always)",
            &format!("works {recovered:?} after the server answers; {}", seen.told(lost)),
        );
        Ok(())
    }

    /// As for an update of the server: it writes what it has, says goodbye, and comes back.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_is_restarted_in_order_loses_nothing() -> Result<()> {
        let server = Server::start(&["--appendonly", "yes", "--appendfsync", "everysec"]);
        let store = builder(&server.url()).open().await?;
        put(&store, 1).await?;
        let load = Load::start(&store);
        load.wait_for(500).await;
        server.cli(&["SHUTDOWN"]);
        let (error, _) = fails(is_there(&store, 1)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        server.restart();
        let recovered = recovery(&store, 1).await;
        load.wait_for(load.seen.acknowledged.load(Ordering::Relaxed) + 500)
            .await;
        let seen = load.stop().await;
        let lost = seen.lost(&store).await;
        assert_eq!(lost, 0, "a server that shuts down writes what it has acknowledged");
        assert_eq!(seen.missing.load(Ordering::Relaxed), 0);
        row(
            "a shutdown and a restart under load (appendfsync everysec)",
            &format!("works {recovered:?} after the server answers; {}", seen.told(lost)),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_stands_still_is_an_error_in_time() -> Result<()> {
        let server = Server::start(&[]);
        let store = builder(&server.url()).open().await?;
        put(&store, 1).await?;
        server.pause();
        let mut longest = Duration::ZERO;
        for _ in 0..3 {
            let (error, took) = fails(is_there(&store, 1)).await;
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            longest = longest.max(took);
            let (_, took) = fails(put(&store, 2)).await;
            longest = longest.max(took);
        }
        server.go_on();
        let recovered = recovery(&store, 1).await;
        row(
            "SIGSTOP for longer than the timeouts (0.5 s + 0.5 s)",
            &format!("errors after {longest:?} at most; works {recovered:?} after SIGCONT"),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_network_that_swallows_everything_is_an_error_in_time() -> Result<()> {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let store = builder(&proxy.url()).open().await?;
        put(&store, 1).await?;
        proxy.plan(Plan::Swallow);
        let (_, read) = fails(is_there(&store, 1)).await;
        let (_, written) = fails(put(&store, 2)).await;
        let (_, revoked) = fails(store.revoke(&sample::owner("alice"), Revoke::All, sample::now())).await;
        proxy.plan(Plan::Pass);
        let recovered = recovery(&store, 1).await;
        row(
            "a network that drops everything and tells nobody",
            &format!(
                "errors after {read:?} (load), {written:?} (create), {revoked:?} (revoke); works {recovered:?} after it is back"
            ),
        );
        proxy.plan(Plan::Delay(Duration::from_millis(100)));
        let start = Instant::now();
        assert!(is_there(&store, 1).await?);
        row(
            "a network that delays by 100 ms",
            &format!("load takes {:?}", start.elapsed()),
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_connection_that_breaks_while_a_write_is_under_way_is_an_error_and_no_second_write() -> Result<()> {
        let server = Server::start(&[]);
        let proxy = Proxy::start(server.port);
        let store = builder(&proxy.url()).connections(1).open().await?;
        put(&store, 1).await?;
        let next = |revision| Sample::of(&visitor(1)).revision(revision).build();
        // So that the server knows the script.
        assert_eq!(
            store.replace(key(1), 1, next(2), sample::now()).await?,
            Replaced::Stored
        );
        proxy.plan(Plan::CutOnceAfter(1));
        let (error, _) = fails(store.replace(key(1), 2, next(3), sample::now())).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        proxy.plan(Plan::Pass);
        recovery(&store, 1).await;
        let there = store.load(key(1), sample::now()).await?.expect("it is there");
        assert_eq!(there.revision(), 3, "the write was carried out, once");
        row(
            "a connection that breaks behind a write",
            "error; the write is not sent again",
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_without_memory_is_an_error_for_writes_and_goes_on_reading() -> Result<()> {
        let server = Server::start(&["--maxmemory-policy", "noeviction"]);
        let store = builder(&server.url()).open().await?;
        put(&store, 1).await?;
        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        let (error, _) = fails(put(&store, 2)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("maxmemory"), "{error}");
        assert!(is_there(&store, 1).await?);
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        put(&store, 2).await?;
        row(
            "out of memory (noeviction)",
            "writes fail and say so, reads go on, writes work at once when there is memory",
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_wrong_password_is_refused_at_the_door_and_never_shown() -> Result<()> {
        let server = Server::start(&["--requirepass", "letmein"]);
        for wrong in [builder(&server.url()).password("hunter2"), builder(&server.url())] {
            assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
            let (error, _) = fails(wrong.open()).await;
            assert_eq!(error.kind(), ErrorKind::Permission, "{error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        let url = server.url().replace("redis://", "redis://:letmein@");
        let store = builder(&url).open().await?;
        assert!(!format!("{store:?}").contains("letmein"), "{store:?}");
        put(&store, 1).await?;
        server.cli(&["-a", "letmein", "CONFIG", "SET", "requirepass", "other"]);
        server.cli(&["-a", "other", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let (error, _) = fails(is_there(&store, 1)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().contains("password") && !format!("{error:?}").contains("letmein"),
            "{error:?}"
        );
        server.cli(&["-a", "other", "CONFIG", "SET", "requirepass", "letmein"]);
        let recovered = recovery(&store, 1).await;
        row(
            "a password that is changed under way",
            &format!("unavailable, naming the password; works {recovered:?} after it is right again"),
        );
        Ok(())
    }

    /// A certificate authority of our own, and a server that it vouches for.
    fn certificates() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = r#"
            set -e
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ours -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr
            printf 'subjectAltName=DNS:localhost' > san
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem
        "#;
        let made = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .output();
        let made = made.expect("sh runs");
        assert!(
            made.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        folder
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_server_that_nobody_vouches_for_is_not_talked_to() -> Result<()> {
        let folder = certificates();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let port = free_port();
        let server = Server::start(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("server.pem"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            "no",
        ]);
        let url = format!("rediss://localhost:{port}");
        let (error, _) = fails(builder(&url).open()).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let root = std::fs::read(file("ca.pem")).expect("it was made");
        let store = builder(&url).root_certificate(root.clone()).open().await?;
        put(&store, 1).await?;
        assert!(is_there(&store, 1).await?);
        // The certificate is for another name.
        let (error, _) = fails(
            builder(&format!("rediss://127.0.0.1:{port}"))
                .root_certificate(root.clone())
                .open(),
        )
        .await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let (error, _) = fails(builder(&server.url()).root_certificate(root).open()).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_read_only_replica_takes_no_writes_and_says_so() -> Result<()> {
        let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        crate::support::until("the replica follows", || {
            replica.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let store = builder(&replica.url()).open().await?;
        let (error, _) = fails(put(&store, 1)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("read-only replica"), "{error}");
        replica.cli(&["REPLICAOF", "NO", "ONE"]);
        put(&store, 1).await?;
        row(
            "a read-only replica",
            "writes fail and say so; they work at once when it is a primary",
        );
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn forgotten_scripts_are_sent_again() -> Result<()> {
        let server = Server::start(&[]);
        let store = builder(&server.url()).open().await?;
        for number in 0..3 {
            put(&store, number).await?;
            server.cli(&["SCRIPT", "FLUSH"]);
        }
        assert!(is_there(&store, 0).await?);
        row("SCRIPT FLUSH", "nobody notices");
        Ok(())
    }

    /// One replica that stands still confirms nothing.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs redis-server"]
    async fn a_durable_change_that_no_replica_confirms_is_an_error_that_says_so() -> Result<()> {
        let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        // A replica is called online up to a second before it confirms its first write.
        primary.cli(&["SET", "a", "write"]);
        let offset = |name: &str| {
            let offsets = primary.cli(&["INFO", "replication"]);
            let number = offsets
                .split(name)
                .nth(1)
                .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            number.flatten().and_then(|number| number.parse::<u64>().ok())
        };
        let written = offset("master_repl_offset:").expect("a number");
        crate::support::until("the replica confirms", || {
            offset(",offset=").is_some_and(|seen| seen >= written)
        });
        let wait = Duration::from_millis(200);
        let store = builder(&primary.url()).wait_replicas(1, wait).open().await?;
        for number in 1..4 {
            put(&store, number).await?;
        }
        let start = Instant::now();
        store.delete(key(1)).await?;
        let confirmed = start.elapsed();
        let name = primary.cli(&["KEYS", "*"]).lines().count();
        assert_eq!(
            replica.cli(&["KEYS", "*"]).lines().count(),
            name,
            "the replica has it when WAIT is over"
        );
        replica.pause();
        let start = Instant::now();
        let (error, took) = fails(store.delete(key(2))).await;
        assert!(start.elapsed() >= wait);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
        assert!(!is_there(&store, 2).await?, "it is done where it was sent");
        put(&store, 5).await?;
        replica.go_on();
        let start = Instant::now();
        while store.delete(key(3)).await.is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the replica does not catch up"
            );
        }
        row(
            "a replica that confirms nothing (wait_replicas 1, 200 ms)",
            &format!(
                "delete fails after {took:?} and says so, create goes on; with the replica a delete takes {confirmed:?}"
            ),
        );
        Ok(())
    }
}
