//! [`Guarded`]: a primary and two replicas, watched by three sentinels.

use super::server::Server;
use super::until;

pub(crate) struct Guarded {
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Guarded {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let mut all = vec!["--repl-diskless-sync-delay", "0"];
        all.extend(settings);
        // Sentinel writes into their files whom they follow, so that they know it when they start again.
        let primary = Server::start_with(Some(""), &all);
        let port = primary.port.to_string();
        let follows = format!("replicaof 127.0.0.1 {port}\n");
        let replicas = [(); 2].map(|()| Server::start_with(Some(&follows), &all));
        let servers: Vec<Server> = std::iter::once(primary).chain(replicas).collect();
        until("the replicas follow", || {
            servers[0].cli(&["INFO", "replication"]).contains("connected_slaves:2")
        });
        let sentinels = (0..3).map(|_| sentinel(&port)).collect();
        let guarded = Self { servers, sentinels };
        until("the sentinels know each other and the replicas", || {
            guarded.sentinels.iter().all(|sentinel| {
                let known = sentinel.cli(&["SENTINEL", "MASTER", "main"]);
                let known: Vec<&str> = known.lines().collect();
                let field = |name| known.iter().position(|line| *line == name).map(|at| known[at + 1]);
                field("num-other-sentinels") == Some("2") && field("num-slaves") == Some("2")
            })
        });
        guarded
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        format!("redis+sentinel://{}?service=main", hosts.join(","))
    }

    /// The server that the sentinels hold for the primary.
    pub(crate) fn primary(&self) -> &Server {
        let answer = self.sentinels[0].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
        let port: u16 = answer
            .lines()
            .nth(1)
            .and_then(|port| port.parse().ok())
            .expect("a port");
        self.servers
            .iter()
            .find(|server| server.port == port)
            .expect("one of ours")
    }
}

fn sentinel(primary: &str) -> Server {
    let settings = format!(
        "sentinel monitor main 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
    );
    Server::start_with(Some(&settings), &["--sentinel"])
}
