//! [`World`]: the servers, and what can go wrong with them and with the workers.

use std::time::{Duration, Instant};

use crate::random::Random;
use crate::support::cluster::Cluster;
use crate::support::proxy::{Plan, Proxy};
use crate::support::sentinel::Guarded;
use crate::support::server::{Server, cli};
use crate::support::until;

pub(crate) enum World {
    /// Each worker has a proxy of its own.
    Standalone {
        server: Server,
        proxies: Vec<Proxy>,
    },
    Sentinel(Guarded),
    Cluster(Cluster),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a worker; another one takes its place.
    WorkerDies,
    /// `kill -9` of a primary, and a restart before anybody takes over.
    ServerRestarts,
    /// A primary stands still for longer than the time limits, and not so long that anybody takes over.
    ServerStandsStill,
    /// Scripts are forgotten.
    ScriptsFlushed,
    /// The network of one worker drops everything and tells nobody.
    NetworkDrops,
    /// It delays every answer.
    NetworkDelays,
    /// It keeps requests back, and delivers them when their senders have given up.
    NetworkHolds,
    /// A connection breaks behind a request that was carried out.
    ConnectionBreaks,
    /// A replica stands still, and confirms nothing.
    ReplicaStandsStill,
    /// A replica takes over in order: `CLUSTER FAILOVER`, or `CLIENT PAUSE` and `SENTINEL FAILOVER`.
    HandOver,
    /// `kill -9` of a primary; a replica takes over; then it comes back.
    PrimaryDies,
    /// A primary stands still; a replica takes over; then it goes on.
    PrimaryStandsStill,
    /// Slots of a cluster move.
    SlotsMove,
    /// One of the sentinels is killed and restarted.
    SentinelRestarts,
}

impl Fault {
    /// Whether writes that were acknowledged may be gone afterwards, by what Redis promises.
    pub(crate) fn may_lose(self) -> bool {
        matches!(self, Self::PrimaryDies | Self::PrimaryStandsStill)
    }

    /// Whether a replica takes over, which takes its time.
    pub(crate) fn is_takeover(self) -> bool {
        self.may_lose() || self == Self::HandOver
    }
}

/// Longer than the time limits of the workers' stores.
const STILL: Duration = Duration::from_millis(1100);
/// Shorter than the time after which a replica takes over.
const RATHER_STILL: Duration = Duration::from_millis(800);

impl World {
    /// Every write is on disk before it is acknowledged.
    pub(crate) fn standalone(workers: usize) -> Self {
        let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let proxies = (0..workers).map(|_| Proxy::start(server.port)).collect();
        Self::Standalone { server, proxies }
    }

    pub(crate) fn sentinel() -> Self {
        Self::Sentinel(Guarded::start(&["--appendonly", "yes", "--appendfsync", "always"]))
    }

    pub(crate) fn cluster() -> Self {
        Self::Cluster(Cluster::start(&["--appendonly", "yes", "--appendfsync", "always"]))
    }

    /// Where the worker at this place connects to.
    pub(crate) fn url_for(&self, place: usize) -> String {
        match self {
            Self::Standalone { proxies, .. } => proxies[place].url(),
            _ => self.url(),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Standalone { server, .. } => server.url(),
            Self::Sentinel(guarded) => guarded.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// How many replicas an end waits for: all, so that whichever takes over has it.
    pub(crate) fn replicas(&self) -> u32 {
        match self {
            Self::Standalone { .. } => 0,
            Self::Sentinel(_) => 2,
            Self::Cluster(_) => 1,
        }
    }

    /// What can go wrong here without loss of what was acknowledged.
    pub(crate) fn harmless(&self) -> Vec<Fault> {
        let mut all = vec![Fault::WorkerDies, Fault::ServerRestarts, Fault::ScriptsFlushed];
        all.extend_from_slice(match self {
            Self::Standalone { .. } => &[
                Fault::ServerStandsStill,
                Fault::NetworkDrops,
                Fault::NetworkDelays,
                Fault::NetworkHolds,
                Fault::ConnectionBreaks,
            ][..],
            // Here a replica takes over after one second: there is no time to stand still without that.
            Self::Sentinel(_) => &[Fault::ReplicaStandsStill, Fault::HandOver, Fault::SentinelRestarts],
            Self::Cluster(_) => &[
                Fault::ServerStandsStill,
                Fault::ReplicaStandsStill,
                Fault::HandOver,
                Fault::SlotsMove,
            ],
        });
        all
    }

    /// What can lose writes here.
    pub(crate) fn harmful(&self) -> &[Fault] {
        match self {
            Self::Standalone { .. } => &[],
            Self::Sentinel(_) | Self::Cluster(_) => &[Fault::PrimaryDies, Fault::PrimaryStandsStill],
        }
    }

    /// The ports of all primaries: a busy machine may lose one where none should be lost.
    pub(crate) fn primaries(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = match self {
            Self::Standalone { server, .. } => vec![server.port],
            Self::Sentinel(guarded) => vec![guarded.primary().port],
            Self::Cluster(cluster) => cluster.primaries().iter().map(|server| server.port).collect(),
        };
        ports.sort_unstable();
        ports
    }

    fn primary(&self, random: &mut Random) -> &Server {
        match self {
            Self::Standalone { server, .. } => server,
            Self::Sentinel(guarded) => guarded.primary(),
            Self::Cluster(cluster) => random.choose(&cluster.primaries()).expect("there are three"),
        }
    }

    fn servers(&self) -> Vec<&Server> {
        match self {
            Self::Standalone { server, .. } => vec![server],
            Self::Sentinel(guarded) => guarded.servers.iter().collect(),
            Self::Cluster(cluster) => cluster.servers.iter().collect(),
        }
    }

    fn replica(&self, random: &mut Random) -> &Server {
        let servers = self.servers();
        let is_replica = |server: &&&Server| server.cli(&["INFO", "replication"]).contains("role:slave");
        let replicas: Vec<&Server> = servers.iter().filter(is_replica).copied().collect();
        random.choose(&replicas).expect("each primary has one")
    }

    /// Breaks something, and is back when it is mended.
    pub(crate) fn inject(&self, fault: Fault, random: &mut Random) {
        match fault {
            Fault::WorkerDies => unreachable!("whoever has started the workers kills them"),
            Fault::ServerRestarts => {
                let server = self.primary(random);
                server.kill();
                server.restart();
                self.wait_until_it_works();
            }
            Fault::ServerStandsStill => {
                let still = match self {
                    Self::Standalone { .. } => STILL,
                    _ => RATHER_STILL,
                };
                stand_still(self.primary(random), still);
                self.wait_until_it_works();
            }
            Fault::ScriptsFlushed => {
                for server in self.servers() {
                    server.cli(&["SCRIPT", "FLUSH"]);
                }
            }
            Fault::NetworkDrops => self.with_plan(random, Plan::Swallow, STILL),
            Fault::NetworkDelays => self.with_plan(random, Plan::Delay(Duration::from_millis(20)), RATHER_STILL),
            Fault::NetworkHolds => {
                let at = 1 + random.below(20) as usize;
                self.with_plan(random, Plan::HoldAt(at), STILL);
            }
            Fault::ConnectionBreaks => {
                for _ in 0..16 {
                    let at = 1 + random.below(10) as usize;
                    self.with_plan(random, Plan::CutOnceAfter(at), Duration::from_millis(50));
                }
            }
            Fault::ReplicaStandsStill => {
                stand_still(self.replica(random), RATHER_STILL);
                self.wait_until_it_works();
            }
            Fault::HandOver => self.hand_over(random),
            Fault::PrimaryDies => {
                let server = self.primary(random);
                server.kill();
                self.wait_until_another_is_primary(server.port);
                server.restart();
                self.wait_until_it_works();
            }
            Fault::PrimaryStandsStill => {
                let server = self.primary(random);
                server.pause();
                self.wait_until_another_is_primary(server.port);
                server.go_on();
                self.wait_until_it_works();
            }
            Fault::SlotsMove => self.move_slots(random),
            Fault::SentinelRestarts => {
                let Self::Sentinel(guarded) = self else { return };
                // The first one is asked by this test.
                guarded.sentinels[2].kill();
                guarded.sentinels[2].restart();
            }
        }
    }

    fn with_plan(&self, random: &mut Random, plan: Plan, during: Duration) {
        let Self::Standalone { proxies, .. } = self else { return };
        let proxy = random.choose(proxies).expect("each worker has one");
        proxy.plan(plan);
        std::thread::sleep(during);
        proxy.plan(Plan::Pass);
    }

    fn hand_over(&self, random: &mut Random) {
        match self {
            Self::Standalone { .. } => {}
            Self::Sentinel(guarded) => {
                let before = guarded.primary();
                // Sentinel wants some time between two of them. Paused anew with each try, for longer than the failover takes then: what the
                // old primary acknowledged meanwhile would be lost. In the end it takes writes again, some ten seconds long, and nobody is
                // there to send any.
                until("a failover is ordered", || {
                    before.cli(&["CLIENT", "PAUSE", "5000", "WRITE"]);
                    guarded.sentinels[0]
                        .cli(&["SENTINEL", "FAILOVER", "main"])
                        .contains("OK")
                });
                self.wait_until_another_is_primary(before.port);
                self.wait_until_it_works();
            }
            Self::Cluster(_) => {
                let replica = self.replica(random);
                let is_primary = || replica.cli(&["INFO", "replication"]).contains("role:master");
                let mut asked = None::<Instant>;
                until("it is the primary", || {
                    // A server that is busy may miss its five seconds; then it has to be told again.
                    if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(6)) {
                        asked = Some(Instant::now());
                        replica.cli(&["CLUSTER", "FAILOVER"]);
                    }
                    is_primary()
                });
                self.wait_until_it_works();
            }
        }
    }

    fn move_slots(&self, random: &mut Random) {
        let Self::Cluster(cluster) = self else { return };
        let mut primaries = cluster.primaries();
        random.shuffle(&mut primaries);
        let id = |server: &Server| server.cli(&["CLUSTER", "MYID"]).trim().to_owned();
        let moved = std::process::Command::new("redis-cli")
            .args(["--cluster", "reshard", &format!("127.0.0.1:{}", primaries[0].port)])
            .args(["--cluster-from", &id(primaries[0]), "--cluster-to", &id(primaries[1])])
            .args(["--cluster-slots", "200", "--cluster-yes"])
            .output()
            .expect("redis-cli runs");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
    }

    fn wait_until_another_is_primary(&self, port: u16) {
        until("another one has taken over", || match self {
            Self::Standalone { .. } => true,
            Self::Sentinel(guarded) => guarded.primary().port != port,
            Self::Cluster(cluster) => {
                let others = cluster.servers.iter().filter(|server| server.port != port);
                let primaries = others.filter(|server| server.cli(&["INFO", "replication"]).contains("role:master"));
                primaries.count() == 3
            }
        });
    }

    /// Servers follow whom they should, so that the next one can take over.
    pub(crate) fn wait_until_it_works(&self) {
        match self {
            Self::Standalone { server, .. } => server.wait_until_it_answers(),
            Self::Sentinel(guarded) => until("two replicas follow", || {
                let primary = cli(guarded.primary().port, &["INFO", "replication"]);
                primary.contains("role:master") && primary.matches("state=online").count() == 2
            }),
            Self::Cluster(cluster) => cluster.wait_until_it_works(),
        }
    }
}

fn stand_still(server: &Server, during: Duration) {
    server.pause();
    std::thread::sleep(during);
    server.go_on();
}
