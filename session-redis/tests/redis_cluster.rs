//! Holds the store to the published suite, on a cluster.

mod support;

mod redis {
    use std::sync::OnceLock;

    use session_core::conformance::store::TestStore;
    use session_redis::RedisStore;

    use crate::support::cluster::Cluster;
    use crate::support::prefix;

    static SERVERS: OnceLock<Cluster> = OnceLock::new();

    async fn fresh() -> TestStore {
        let server = SERVERS.get_or_init(|| Cluster::start(&[]));
        let store = RedisStore::builder(&server.url()).prefix(prefix()).open().await;
        TestStore::new(store.expect("the server runs")).expiring_by_itself()
    }

    crate::redis_contract!(fresh);
}
