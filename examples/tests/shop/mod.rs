//! What every framework's shop must do. Each scenario starts the binary on a folder of its own and visits it with a browser.

mod browser;
mod chromium;
mod devices;
mod forgery;
mod gift_note;
mod in_chromium;
mod metrics;
mod server;
mod socket;
mod staff;

use std::net::TcpStream;

pub(crate) use browser::Browser;
pub(crate) use chromium::Chromium;
pub(crate) use devices::*;
pub(crate) use forgery::*;
pub(crate) use gift_note::*;
pub(crate) use in_chromium::*;
pub(crate) use metrics::*;
pub(crate) use server::Shop;
pub(crate) use staff::*;

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
            a_message_is_shown_once
            the_session_page_tells_the_facts_and_not_the_token
            a_stranger_who_looks_at_pages_without_a_form_gets_no_cookie
            a_stranger_who_gets_a_form_gets_a_cookie
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
            devices_are_listed_and_this_one_is_marked
            one_device_can_be_ended
            this_device_can_be_ended_from_the_list
            all_other_devices_can_be_ended
            all_devices_can_be_ended
            nobody_ends_the_devices_of_others
            an_open_cart_learns_at_once_that_its_device_was_ended
            one_sign_in_too_many_ends_the_oldest
            a_stranger_is_led_from_the_devices_to_the_sign_in_and_back
            a_form_without_a_token_or_with_a_foreign_one_changes_nothing
            a_token_from_before_a_sign_in_is_refused
            a_new_role_holds_at_once_in_other_browsers
            a_role_that_was_taken_away_holds_at_once
            a_role_is_there_after_a_restart_and_at_the_next_sign_in
            only_clerks_see_the_staff
            nobody_demotes_the_admin_or_promotes_a_stranger
            a_sign_in_of_some_time_ago_changes_no_role
            a_folder_in_use_is_refused_by_name
            a_port_in_use_is_refused_by_name
            metrics_are_served_on_an_address_of_their_own
            metrics_that_others_could_read_are_refused
        }
        $crate::shop::scenarios! { @chromium $binary =>
            a_browser_lists_its_devices_and_an_open_cart_learns_of_its_end
            a_browser_shows_a_new_role_when_it_reloads
            a_browser_shows_a_message_once
            a_browser_saves_the_note_while_it_is_typed
            a_browser_is_kept_from_posting_what_another_site_has_made
            a_browser_as_narrow_as_a_phone_shows_whole_pages
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
    (@chromium $binary:expr => $($scenario:ident)*) => {
        $(
            #[tokio::test]
            #[ignore = "needs chromium"]
            async fn $scenario() {
                let chromium = $crate::shop::Chromium::start();
                $crate::shop::$scenario($crate::shop::Shop::open($binary), &chromium).await;
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

pub(crate) fn a_message_is_shown_once(shop: Shop) {
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

pub(crate) fn a_stranger_who_looks_at_pages_without_a_form_gets_no_cookie(shop: Shop) {
    for (path, words) in [
        ("/session", "Nothing is stored for you"),
        ("/cart", "nothing in it yet"),
        ("/nowhere", "Nothing here"),
    ] {
        let page = shop.visitor().get(path);
        page.shows(words);
        page.lacks("<form");
        assert_eq!(page.header("set-cookie"), None, "{path}");
    }
}

pub(crate) fn a_stranger_who_gets_a_form_gets_a_cookie(shop: Shop) {
    for path in ["/", "/sign-in"] {
        let mut browser = shop.visitor();
        browser.get(path).shows("<form");
        assert!(browser.token().is_some(), "{path}");
    }
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
    let page = gift_note::customer(&shop).post("/cart/change", &form);
    assert_eq!(page.status, 422);
    page.shows("We could not read that");
}

pub(crate) fn a_form_that_is_too_large_is_explained(shop: Shop) {
    let page = gift_note::customer(&shop).post("/cart/note", &[("note", &"a".repeat(17 * 1024))]);
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
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "no {text:?} in:\n{}", self.body);
    }

    #[track_caller]
    pub(crate) fn lacks(&self, text: &str) {
        assert!(!self.body.contains(text), "{text:?} is in:\n{}", self.body);
    }
}
