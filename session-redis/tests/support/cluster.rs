//! [`Cluster`]: three primaries and three replicas.

use std::process::Command;

use super::server::Server;
use super::until;

pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let mut all = vec![
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ];
        all.extend(settings);
        let servers: Vec<Server> = (0..6).map(|_| Server::start(&all)).collect();
        let addresses = servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .expect("redis-cli runs");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        let cluster = Self { servers };
        cluster.wait_until_it_works();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self
            .servers
            .iter()
            .take(3)
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Every server sees every slot served, and every primary has a replica that follows it.
    pub(crate) fn wait_until_it_works(&self) {
        until("the cluster works", || {
            self.servers.iter().all(|server| {
                let state = server.cli(&["CLUSTER", "INFO"]);
                let link = server.cli(&["INFO", "replication"]);
                state.contains("cluster_state:ok")
                    && (link.contains("master_link_status:up") || link.contains("connected_slaves:1"))
            })
        });
    }

    pub(crate) fn primaries(&self) -> Vec<&Server> {
        let is_primary = |server: &&Server| server.cli(&["INFO", "replication"]).contains("role:master");
        self.servers.iter().filter(is_primary).collect()
    }
}
