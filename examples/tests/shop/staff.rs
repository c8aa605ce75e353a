//! Roles: what the list of members says holds in every session, at once.

use super::Shop;
use super::devices::signed_in;

const ADA_IS_A_CLERK: &[(&str, &str)] = &[("member", "Ada"), ("role", "clerk")];
const ADA_IS_A_CUSTOMER: &[(&str, &str)] = &[("member", "Ada"), ("role", "customer")];

pub(crate) fn a_new_role_holds_at_once_in_other_browsers(shop: Shop) {
    let mut desk = signed_in(shop.visitor(), "Ada");
    let mut phone = signed_in(shop.visitor().on_a_phone(), "Ada");
    desk.submit("/cart/add", &[("product", "mug")]);
    let mut grace = signed_in(shop.visitor(), "Grace");
    let mut admin = signed_in(shop.visitor(), "admin");
    let page = admin.submit("/staff/role", ADA_IS_A_CLERK);
    page.shows("Ada is a clerk now, on 2 devices");
    for browser in [&mut desk, &mut phone] {
        let home = browser.get("/");
        home.shows("Staff");
        home.shows("€11.20");
        assert_eq!(browser.get("/staff").status, 200);
    }
    let cart = desk.get("/cart");
    cart.shows("€11.20 each");
    cart.lacks("€14.00");
    grace.get("/").lacks("Staff");
}

pub(crate) fn a_role_that_was_taken_away_holds_at_once(shop: Shop) {
    let mut admin = signed_in(shop.visitor(), "admin");
    let mut ada = signed_in(shop.visitor(), "Ada");
    admin.submit("/staff/role", ADA_IS_A_CLERK);
    let token = ada.form_token("/staff/role");
    admin.submit("/staff/role", ADA_IS_A_CUSTOMER);
    let answer = ada.post_with("/staff/role", ADA_IS_A_CLERK, Some(&token));
    assert_eq!(answer.status, 403);
    ada.get("/").lacks("Staff");
}

pub(crate) fn a_role_is_there_after_a_restart_and_at_the_next_sign_in(shop: Shop) {
    let mut admin = signed_in(shop.visitor(), "admin");
    let mut ada = signed_in(shop.visitor(), "Ada");
    admin.submit("/staff/role", ADA_IS_A_CLERK);
    let shop = shop.restart();
    ada.moves_to(&shop);
    ada.get("/").shows("Staff");
    signed_in(shop.visitor(), "Ada").get("/").shows("Staff");
}

pub(crate) fn only_clerks_see_the_staff(shop: Shop) {
    let mut ada = signed_in(shop.visitor(), "Ada");
    ada.get("/").lacks("Staff");
    let page = ada.get("/staff");
    assert_eq!(page.status, 403);
    page.shows("for the shop’s staff alone");
    page.lacks("members");
    let answer = shop.visitor().get("/staff");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in")));
    let shop = shop.restart_with(&["--admin", "Ada"]);
    assert_eq!(signed_in(shop.visitor(), "Ada").get("/staff").status, 200);
}

pub(crate) fn nobody_demotes_the_admin_or_promotes_a_stranger(shop: Shop) {
    let mut admin = signed_in(shop.visitor(), "admin");
    signed_in(shop.visitor(), "Grace"); // so that there is a form
    let page = admin.submit("/staff/role", &[("member", "admin"), ("role", "customer")]);
    page.shows("admin is always a clerk.");
    admin.get("/").shows("Staff");
    let unknown = admin.post("/staff/role", ADA_IS_A_CLERK);
    assert_eq!(unknown.status, 404);
    signed_in(shop.visitor(), "Ada").get("/").lacks("Staff");
    let answer = admin.post("/staff/role", &[("member", "Ada"), ("role", "owner")]);
    assert_eq!(answer.status, 422);
}

pub(crate) fn a_sign_in_of_some_time_ago_changes_no_role(shop: Shop) {
    let shop = shop.restart_with(&["--recent-login", "0s"]); // any sign-in is too long ago
    let mut admin = signed_in(shop.visitor(), "admin");
    let mut ada = signed_in(shop.visitor(), "Ada");
    let page = admin.submit("/staff/role", ADA_IS_A_CLERK);
    page.shows("That needs a fresh sign-in");
    page.shows("Sign in again");
    ada.get("/").lacks("Staff");
    let back = admin.submit("/sign-in", &[("name", "admin")]);
    back.shows("Who has signed in so far.");

    let shop = shop.restart_with(&[]); // ten minutes, and the sign-in is younger
    admin.moves_to(&shop);
    ada.moves_to(&shop);
    admin.submit("/staff/role", ADA_IS_A_CLERK);
    ada.get("/").shows("Staff");
}
