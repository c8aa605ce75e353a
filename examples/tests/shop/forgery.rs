//! Forms that no page of the shop has made. A browser sends them with the visitor's cookie, from another port of this machine say:
//! `SameSite=Lax` takes that for the same site.

use super::devices::signed_in;
use super::{Shop, customer};

pub(crate) fn a_form_without_a_token_or_with_a_foreign_one_changes_nothing(shop: Shop) {
    let mut admin = signed_in(customer(&shop), "admin");
    signed_in(shop.visitor().on_a_phone(), "admin");
    let mut ada = signed_in(shop.visitor(), "Ada");
    let foreign = ada.form_token("/cart/add");
    let handle = "0".repeat(32);
    for (action, form) in [
        ("/cart/add", &[("product", "lamp")][..]),
        ("/cart/change", &[("product", "mug"), ("quantity", "7")]),
        ("/cart/remove", &[("product", "mug")]),
        ("/cart/empty", &[]),
        ("/cart/note", &[("note", "For Mallory")]),
        ("/sign-in", &[("name", "Mallory")]),
        ("/devices/end", &[("handle", &handle)]),
        ("/devices/end-others", &[]),
        ("/devices/end-all", &[]),
        ("/staff/role", &[("member", "Ada"), ("role", "clerk")]),
        ("/sign-out", &[]),
    ] {
        for token in [None, Some(""), Some("x"), Some(foreign.as_str())] {
            let answer = admin.post_with(action, form, token);
            assert_eq!(answer.status, 403, "{action}: {token:?}");
            answer.shows("Not from here");
        }
    }
    let cart = admin.get("/cart");
    cart.shows("Enamel mug");
    cart.shows("value=\"1\"");
    cart.lacks("Desk lamp");
    cart.lacks("Mallory");
    admin.get("/devices").shows("Safari on iPhone");
    ada.get("/").lacks("Staff");
}

pub(crate) fn a_token_from_before_a_sign_in_is_refused(shop: Shop) {
    let mut browser = customer(&shop);
    let before = browser.form_token("/cart/empty");
    browser.submit("/sign-in", &[("name", "Ada")]);
    assert_eq!(browser.post_with("/cart/empty", &[], Some(&before)).status, 403);
    browser.get("/cart").shows("Enamel mug");
    let after = browser.form_token("/cart/empty");
    assert_eq!(browser.post_with("/cart/empty", &[], Some(&after)).status, 303);
}
