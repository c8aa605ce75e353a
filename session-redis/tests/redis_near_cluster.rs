//! Holds the store to the published suite, on a cluster, with records that are kept in the process.

mod support;

mod redis {
    use std::sync::OnceLock;
    use std::time::Duration;

    use session_core::conformance::store::TestStore;
    use session_redis::RedisStore;

    use crate::support::cluster::Cluster;
    use crate::support::prefix;

    static SERVERS: OnceLock<Cluster> = OnceLock::new();

    async fn fresh() -> TestStore {
        let server = SERVERS.get_or_init(|| Cluster::start(&[]));
        let store = RedisStore::builder(&server.url()).prefix(prefix());
        // A machine that does a lot at once is slow, and that is no fault here.
        let store = store.response_timeout(Duration::from_secs(3));
        let store = store.near_cache(1 << 20, Duration::from_secs(1)).open().await;
        TestStore::new(store.expect("the server runs")).expiring_by_itself()
    }

    crate::redis_contract!(fresh);
}
