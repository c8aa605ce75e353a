//! The gift note: with a form, and with a WebSocket that saves it while it is typed.

use super::{Browser, Shop};

pub(crate) fn a_gift_note_needs_no_script(shop: Shop) {
    let mut browser = customer(&shop);
    let cart = browser.submit("/cart/note", &[("note", "For Ada & Grace")]);
    cart.shows(">For Ada &amp; Grace</textarea>");
    let longest = "🎁".repeat(500);
    browser.submit("/cart/note", &[("note", &longest)]).shows(&longest);
    browser.submit("/cart/note", &[("note", "")]).lacks("Grace");
}

pub(crate) fn a_gift_note_that_does_not_fit_is_asked_for_again(shop: Shop) {
    let mut browser = customer(&shop);
    let page = browser.post("/cart/note", &[("note", &"a".repeat(501))]);
    assert_eq!(page.status, 422);
    page.shows("at most 500 characters");
    page.shows(&"a".repeat(501));
    browser.get("/cart").lacks("aaa");
}

pub(crate) fn a_note_typed_over_the_socket_is_in_the_next_page(shop: Shop) {
    let mut browser = customer(&shop);
    let mut socket = browser.socket();
    assert_eq!(socket.types("For A"), r#"{"items":1,"saved":true}"#);
    assert_eq!(socket.types("For Ada"), r#"{"items":1,"saved":true}"#);
    browser.get("/cart").shows(">For Ada</textarea>");
}

pub(crate) fn a_note_that_does_not_fit_is_refused_and_the_socket_stays_open(shop: Shop) {
    let mut browser = customer(&shop);
    let mut socket = browser.socket();
    let refusal = socket.types(&"🎁".repeat(501));
    assert!(
        refusal.contains("refused") && refusal.contains("at most 500 characters"),
        "{refusal}"
    );
    assert_eq!(socket.types(&"🎁".repeat(500)), r#"{"items":1,"saved":true}"#);
    browser.get("/cart").shows(&"🎁".repeat(500));
}

pub(crate) fn a_message_that_is_far_too_large_ends_the_socket(shop: Shop) {
    let mut browser = customer(&shop);
    let mut socket = browser.socket();
    socket.sends(&"a".repeat(5000));
    socket.is_closed();
    browser.get("/cart").lacks("aaa");
}

pub(crate) fn a_socket_loses_nothing_that_another_tab_does(shop: Shop) {
    let mut browser = customer(&shop);
    let mut socket = browser.socket();
    socket.types("For A");
    browser.submit("/cart/add", &[("product", "lamp")]);
    assert_eq!(socket.types("For Ada"), r#"{"items":2,"saved":true}"#);
    let cart = browser.get("/cart");
    cart.shows("Enamel mug");
    cart.shows("Desk lamp");
    cart.shows("For Ada");
}

pub(crate) fn a_socket_learns_of_a_sign_out(shop: Shop) {
    let mut browser = customer(&shop);
    browser.submit("/sign-in", &[("name", "Ada")]);
    let mut socket = browser.socket();
    browser.submit("/sign-out", &[]);
    assert_eq!(socket.hears(), r#"{"ended":true}"#);
    socket.is_closed();
}

pub(crate) fn a_note_after_a_sign_out_brings_nothing_back(shop: Shop) {
    let mut browser = customer(&shop);
    browser.submit("/sign-in", &[("name", "Ada")]);
    let mut thief = browser.clone();
    let mut socket = browser.socket();
    socket.types("For Ada");
    browser.submit("/sign-out", &[]);
    socket.sends("For Grace");
    // The note may also come too late for any answer: the socket closes by itself.
    let rest = socket.hears_the_rest();
    assert!(!rest.iter().any(|said| said.contains("saved")), "{rest:?}");
    thief.get("/session").shows("Nothing is stored for you");
    browser.get("/cart").lacks("For ");
}

pub(crate) fn a_stranger_gets_no_session_over_a_socket(shop: Shop) {
    let mut socket = shop.visitor().socket();
    let refusal = socket.hears();
    assert!(refusal.contains("refused") && refusal.contains("no cart"), "{refusal}");
    socket.is_closed();
}

pub(crate) fn a_socket_for_a_page_from_elsewhere_is_refused(shop: Shop) {
    let browser = customer(&shop);
    // Another port of this machine is of the same site: `SameSite=Lax` lets its page send the cookie.
    for origin in [
        Some("http://127.0.0.1:1"),
        Some("https://evil.example"),
        Some("null"),
        None,
    ] {
        let Err(page) = browser.socket_from(origin) else {
            panic!("{origin:?} got a socket");
        };
        assert_eq!(page.status, 403, "{origin:?}");
    }
}

pub(crate) fn an_open_socket_does_not_keep_the_shop_open(shop: Shop) {
    let mut browser = customer(&shop);
    let mut socket = browser.socket();
    socket.types("For Ada");
    let shop = shop.restart();
    assert_eq!(socket.hears(), r#"{"closing":true}"#);
    socket.is_closed();
    browser.moves_to(&shop);
    browser.get("/cart").shows("For Ada");
}

/// A visitor with an [enamel mug](examples::catalogue) in the cart.
pub(super) fn customer(shop: &Shop) -> Browser {
    let mut browser = shop.visitor();
    browser.submit("/cart/add", &[("product", "mug")]);
    browser
}
