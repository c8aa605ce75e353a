//! `--metrics`: figures for Prometheus, away from the visitors.

use std::net::TcpListener;

use super::{Browser, Shop};

pub(crate) fn metrics_are_served_on_an_address_of_their_own(shop: Shop) {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    shop.visitor().get("/"); // it serves, and so it also listens for signals
    let shop = shop.restart_with(&["--metrics", &free]);
    let mut browser = shop.visitor();
    browser.submit("/sign-in", &[("name", "Ada")]);
    let figures = Browser::new(&free).get("/metrics");
    assert_eq!(figures.status, 200);
    figures.shows("session_created_total 1\n");
    figures.shows("session_signed_in_total 1\n");
    figures.shows("session_store_duration_seconds_count{operation=\"create\"} 1\n");
    figures.shows("# TYPE session_store_duration_seconds histogram");
    figures.lacks("Ada");
    assert_eq!(browser.get("/metrics").status, 404, "visitors can read them");
}

pub(crate) fn metrics_that_others_could_read_are_refused(shop: Shop) {
    for address in ["0.0.0.0:9090", "192.0.2.1:9090", "[::]:9090"] {
        let said = shop.misused(&["--metrics", address]);
        assert!(said.contains("metrics are for this machine"), "{said}");
    }
}
