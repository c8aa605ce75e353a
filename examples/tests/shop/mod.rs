//! What every framework's shop must do. Each scenario starts the binary on a folder of its own and visits it with a browser.

mod browser;
mod gift_note;
mod server;
mod socket;

use std::net::TcpStream;

pub(crate) use browser::Browser;
pub(crate) use gift_note::*;
pub(crate) use server::Shop;

use browser::Page;

/// Runs every scenario against one binary: the one list of them.
macro_rules! scenarios {
    ($binary:expr) => {
        $crate::shop::scenarios! { @each $binary =>
            the_cart_survives_signing_in
            signing_out_forgets_everything
            a_restart_keeps_everybody_signed_in
            a_crash_keeps_everybody_signed_in
            remember_me_sets_max_age
            without_remember_me_the_cookie_ends_with_the_browser
            visits_are_counted
            visits_at_the_same_time_are_all_counted
            a_cart_can_be_changed_and_emptied
            a_notice_is_shown_once
            the_session_page_tells_the_facts_and_not_the_token
            a_stranger_who_only_looks_at_the_facts_gets_no_cookie
            a_name_that_is_refused_is_asked_for_again
            a_page_that_does_not_exist_is_explained
            a_method_that_no_form_uses_is_explained
            a_form_that_cannot_be_read_is_explained
            a_form_that_is_too_large_is_explained
            the_style_sheet_may_be_cached
            a_gift_note_needs_no_script
            a_gift_note_that_does_not_fit_is_asked_for_again
            a_note_typed_over_the_socket_is_in_the_next_page
            a_note_that_does_not_fit_is_refused_and_the_socket_stays_open
            a_message_that_is_far_too_large_ends_the_socket
            a_socket_loses_nothing_that_another_tab_does
            a_socket_learns_of_a_sign_out
            a_note_after_a_sign_out_brings_nothing_back
            a_stranger_gets_no_session_over_a_socket
            a_socket_for_a_page_from_elsewhere_is_refused
            an_open_socket_does_not_keep_the_shop_open
            a_folder_in_use_is_refused_by_name
            a_port_in_use_is_refused_by_name
        }
    };
    (@each $binary:expr => $($scenario:ident)*) => {
        $(
            #[test]
            fn $scenario() {
                $crate::shop::$scenario($crate::shop::Shop::open($binary));
            }
        )*
    };
}
pub(crate) use scenarios;

pub(crate) fn the_cart_survives_signing_in(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/cart/add", &[("product", "mug")]);
    let home = browser.submit("/sign-in", &[("name", "Ada")]);
    home.shows("Welcome, Ada.");
    browser.get("/cart").shows("Enamel mug");
}

pub(crate) fn signing_out_forgets_everything(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/cart/add", &[("product", "mug")]);
    browser.submit("/sign-in", &[("name", "Ada")]);
    let mut thief = browser.clone();
    let home = browser.submit("/sign-out", &[]);
    home.shows("You are signed out");
    home.shows("first time");
    home.lacks("Ada");
    browser.get("/cart").lacks("Enamel mug");
    thief.get("/").lacks("Ada");
}

pub(crate) fn a_restart_keeps_everybody_signed_in(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/sign-in", &[("name", "Ada")]);
    browser.submit("/cart/add", &[("product", "lamp")]);
    let _idle = TcpStream::connect(shop.address()).unwrap();
    let shop = shop.restart();
    browser.moves_to(&shop);
    let cart = browser.get("/cart");
    cart.shows("Ada");
    cart.shows("Desk lamp");
}

pub(crate) fn a_crash_keeps_everybody_signed_in(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/sign-in", &[("name", "Ada")]);
    let shop = shop.crash_and_restart();
    browser.moves_to(&shop);
    browser.get("/").shows("Ada");
}

pub(crate) fn remember_me_sets_max_age(shop: Shop) {
    let answer = shop.visitor().post("/sign-in", &[("name", "Ada"), ("remember", "yes")]);
    let cookie = answer.header("set-cookie").unwrap();
    let max_age = cookie
        .split("; ")
        .find_map(|attribute| attribute.strip_prefix("Max-Age="));
    let seconds: u64 = max_age.unwrap().parse().unwrap();
    let days = 24 * 3600;
    assert!((29 * days..=30 * days).contains(&seconds), "{cookie}");
}

pub(crate) fn without_remember_me_the_cookie_ends_with_the_browser(shop: Shop) {
    let answer = shop.visitor().post("/sign-in", &[("name", "Ada")]);
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");
}

pub(crate) fn visits_are_counted(shop: Shop) {
    let mut browser = shop.visitor();
    browser.get("/").shows("first time");
    browser.get("/").shows("<strong>2</strong> times");
    browser.get("/cart");
    browser.get("/").shows("<strong>3</strong> times");
    shop.visitor().get("/").shows("first time");
}

pub(crate) fn visits_at_the_same_time_are_all_counted(shop: Shop) {
    let mut browser = shop.visitor();
    browser.get("/");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let mut window = browser.clone();
            scope.spawn(move || assert_eq!(window.get("/").status, 200));
        }
    });
    browser.get("/").shows("<strong>10</strong> times");
}

pub(crate) fn a_cart_can_be_changed_and_emptied(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/cart/add", &[("product", "mug")]);
    browser.submit("/cart/add", &[("product", "lamp")]);
    let cart = browser.submit("/cart/change", &[("product", "mug"), ("quantity", "3")]);
    cart.shows("€106.00");
    let cart = browser.submit("/cart/remove", &[("product", "lamp")]);
    cart.shows("€42.00");
    browser.submit("/cart/empty", &[]).shows("nothing in it");
}

pub(crate) fn a_notice_is_shown_once(shop: Shop) {
    let mut browser = shop.visitor();
    let home = browser.submit("/cart/add", &[("product", "mug")]);
    home.shows("Enamel mug is in your cart.");
    browser.get("/").lacks("Enamel mug is in your cart.");
}

pub(crate) fn the_session_page_tells_the_facts_and_not_the_token(shop: Shop) {
    let mut browser = shop.visitor();
    browser.submit("/sign-in", &[("name", "Ada"), ("remember", "yes")]);
    let facts = browser.get("/session");
    for fact in [
        "Ada",
        "Firefox on Linux",
        "in 30 days",
        "You asked to be remembered.",
        "visits",
    ] {
        facts.shows(fact);
    }
    let token = browser.token().unwrap();
    assert_eq!(token.len(), 64);
    facts.lacks(&token);
}

pub(crate) fn a_stranger_who_only_looks_at_the_facts_gets_no_cookie(shop: Shop) {
    let facts = shop.visitor().get("/session");
    facts.shows("Nothing is stored for you");
    assert_eq!(facts.header("set-cookie"), None);
}

pub(crate) fn a_name_that_is_refused_is_asked_for_again(shop: Shop) {
    let page = shop.visitor().post("/sign-in", &[("name", "  ")]);
    assert_eq!(page.status, 422);
    page.shows("Please enter a name");
}

pub(crate) fn a_page_that_does_not_exist_is_explained(shop: Shop) {
    let page = shop.visitor().get("/nowhere");
    assert_eq!(page.status, 404);
    page.shows("Nothing here");
    assert_eq!(page.header("set-cookie"), None);
    let page = shop.visitor().post("/cart/add", &[("product", "unicorn")]);
    assert_eq!(page.status, 404);
    page.shows("Nothing here");
}

pub(crate) fn a_form_that_cannot_be_read_is_explained(shop: Shop) {
    let form = [("product", "mug"), ("quantity", "many")];
    let page = shop.visitor().post("/cart/change", &form);
    assert!((400..500).contains(&page.status), "{}", page.status);
    page.shows("We could not read that");
}

pub(crate) fn a_form_that_is_too_large_is_explained(shop: Shop) {
    let page = shop.visitor().post("/cart/note", &[("note", &"a".repeat(17 * 1024))]);
    assert_eq!(page.status, 413);
    page.shows("We could not read that");
}

/// Rocket answers 404, as its routes are of one method each.
pub(crate) fn a_method_that_no_form_uses_is_explained(shop: Shop) {
    let page = shop.visitor().get("/cart/add");
    match page.status {
        405 => page.shows("Not that way"),
        404 => page.shows("Nothing here"),
        other => panic!("{other}"),
    }
}

pub(crate) fn the_style_sheet_may_be_cached(shop: Shop) {
    let mut browser = shop.visitor();
    browser.get("/");
    let sheet = browser.get("/style.css");
    assert!(sheet.header("cache-control").unwrap().contains("public"));
    assert_eq!(sheet.header("vary"), None);
    assert_eq!(sheet.header("set-cookie"), None);
}

pub(crate) fn a_folder_in_use_is_refused_by_name(shop: Shop) {
    let said = shop.refused("127.0.0.1:0", shop.data());
    assert!(said.contains(&shop.data().display().to_string()), "{said}");
}

pub(crate) fn a_port_in_use_is_refused_by_name(shop: Shop) {
    let elsewhere = tempfile::tempdir().unwrap();
    let said = shop.refused(shop.address(), elsewhere.path());
    assert!(said.contains(shop.address()) && said.contains("--listen"), "{said}");
}

impl Page {
    #[track_caller]
    fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "no {text:?} in:\n{}", self.body);
    }

    #[track_caller]
    fn lacks(&self, text: &str) {
        assert!(!self.body.contains(text), "{text:?} is in:\n{}", self.body);
    }
}
