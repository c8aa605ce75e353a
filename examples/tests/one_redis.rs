//! Several shops, of different frameworks, behind one Redis: the real binaries, over TCP.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in what they share"
)]

#[path = "../../session-redis/tests/support/mod.rs"]
mod redis_support;
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the scenarios of one shop use the rest"
)]
mod shop;

mod redis {
    use crate::redis_support::server::Server;
    use crate::shop::Shop;

    /// Three machines: what they share is the server and the key that signs cookies.
    fn street(server: &Server) -> [Shop; 3] {
        let url = server.url();
        let axum = Shop::open_with(env!("CARGO_BIN_EXE_axum"), &["--store", &url]);
        let [actix, rocket] = [env!("CARGO_BIN_EXE_actix"), env!("CARGO_BIN_EXE_rocket")]
            .map(|binary| axum.open_another(binary, &["--store", &url]));
        [axum, actix, rocket]
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_visitor_walks_from_shop_to_shop() {
        let server = Server::start(&[]);
        let [axum, actix, rocket] = street(&server);
        let mut browser = axum.visitor();
        browser.submit("/cart/add", &[("product", "mug")]);
        browser.submit("/sign-in", &[("name", "Ada")]);
        browser.moves_to(&actix);
        browser.submit("/cart/add", &[("product", "lamp")]);
        browser.moves_to(&rocket);
        let cart = browser.get("/cart");
        cart.shows("Ada");
        cart.shows("Enamel mug");
        cart.shows("Desk lamp");
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn who_is_signed_out_in_one_shop_is_signed_out_in_all() {
        let server = Server::start(&[]);
        let [axum, actix, rocket] = street(&server);
        let mut desk = axum.visitor();
        desk.submit("/sign-in", &[("name", "Ada")]);
        let mut phone = rocket.visitor().on_a_phone();
        phone.submit("/sign-in", &[("name", "Ada")]);
        desk.moves_to(&actix);
        desk.get("/devices").shows("Safari on iPhone");
        desk.submit("/devices/end-others", &[]).shows("Signed out: 1 device.");
        phone.get("/session").shows("Nothing is stored for you");
        phone.moves_to(&axum);
        phone.get("/session").shows("Nothing is stored for you");
        desk.moves_to(&rocket);
        desk.get("/").shows("Ada");
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_shop_whose_server_is_down_says_so_and_signs_nobody_out() {
        let server = Server::start(&[]);
        let [axum, ..] = street(&server);
        let mut browser = axum.visitor();
        browser.submit("/sign-in", &[("name", "Ada")]);
        server.kill();
        let page = browser.get("/");
        assert_eq!(page.status, 503);
        page.shows("Back in a moment");
        assert_eq!(page.header("set-cookie"), None);
    }
}
