//! "Your devices": who is signed in where, and how to end that.

use super::browser::{Browser, Page};
use super::{Shop, customer};

/// A row of the page.
#[derive(Debug)]
struct Device {
    label: &'static str,
    handle: String,
    /// When it signed in.
    since: String,
    marked: bool,
}

pub(crate) fn devices_are_listed_and_this_one_is_marked(shop: Shop) {
    let mut desk = signed_in(shop.visitor(), "Ada");
    let mut phone = signed_in_later(&shop.visitor().on_a_phone(), &mut desk, "Ada");
    let _stranger = signed_in(shop.visitor(), "Grace");
    let page = desk.get("/devices");
    page.shows("just now");
    page.shows("UTC");
    assert_eq!(
        marked(&page),
        [("Safari on iPhone", false), ("Firefox on Linux", true)],
        "newest first"
    );
    assert_eq!(
        marked(&phone.get("/devices")),
        [("Safari on iPhone", true), ("Firefox on Linux", false)]
    );
}

pub(crate) fn one_device_can_be_ended(shop: Shop) {
    let mut desk = signed_in(shop.visitor(), "Ada");
    let mut phone = signed_in(shop.visitor().on_a_phone(), "Ada");
    let handle = other(&mut desk);
    let page = desk.submit("/devices/end", &[("handle", &handle)]);
    page.shows("That device is signed out.");
    assert_eq!(marked(&page), [("Firefox on Linux", true)]);
    phone.get("/session").shows("Nothing is stored for you");
    let again = desk.submit("/devices/end", &[("handle", &handle)]);
    again.shows("signed out already");
    desk.submit("/devices/end", &[("handle", "nonsense")])
        .shows("signed out already");
}

pub(crate) fn this_device_can_be_ended_from_the_list(shop: Shop) {
    let mut desk = signed_in(shop.visitor(), "Ada");
    let handle = devices(&desk.get("/devices")).remove(0).handle;
    let answer = desk.post("/devices/end", &[("handle", &handle)]);
    assert_eq!(answer.status, 303);
    let page = desk.get("/");
    page.shows("You are signed out");
    page.lacks("Ada");
}

pub(crate) fn all_other_devices_can_be_ended(shop: Shop) {
    let mut others = [(); 2].map(|()| signed_in(shop.visitor().on_a_phone(), "Ada"));
    let mut desk = signed_in(shop.visitor(), "Ada");
    let page = desk.submit("/devices/end-others", &[]);
    page.shows("Signed out: 2 devices.");
    assert_eq!(marked(&page), [("Firefox on Linux", true)]);
    for other in &mut others {
        other.get("/session").shows("Nothing is stored for you");
    }
}

pub(crate) fn all_devices_can_be_ended(shop: Shop) {
    let mut phone = signed_in(shop.visitor().on_a_phone(), "Ada");
    let mut desk = signed_in(shop.visitor(), "Ada");
    let mut grace = signed_in(shop.visitor(), "Grace");
    let mut thief = desk.clone();
    let page = desk.submit("/devices/end-all", &[]);
    page.shows("You are signed out everywhere: on 2 devices.");
    page.lacks("Ada");
    for ended in [&mut phone, &mut thief] {
        ended.get("/session").shows("Nothing is stored for you");
    }
    grace.get("/session").shows("Grace");
}

pub(crate) fn nobody_ends_the_devices_of_others(shop: Shop) {
    let mut ada = signed_in(shop.visitor(), "Ada");
    let handle = devices(&ada.get("/devices")).remove(0).handle;
    let mut mallory = signed_in(shop.visitor(), "Mallory");
    mallory
        .submit("/devices/end", &[("handle", &handle)])
        .shows("signed out already");
    mallory.submit("/devices/end-all", &[]);
    ada.get("/session").shows("Ada");
}

pub(crate) fn an_open_cart_learns_at_once_that_its_device_was_ended(shop: Shop) {
    let mut phone = signed_in(customer(&shop).on_a_phone(), "Ada");
    let mut socket = phone.socket();
    socket.types("For Grace");
    let mut desk = signed_in(shop.visitor(), "Ada");
    let handle = other(&mut desk);
    desk.submit("/devices/end", &[("handle", &handle)]);
    assert_eq!(socket.hears(), r#"{"ended":true}"#);
    socket.is_closed();
    phone.get("/cart").lacks("For Grace");
}

pub(crate) fn one_sign_in_too_many_ends_the_oldest(shop: Shop) {
    let mut first = signed_in(customer(&shop), "Ada");
    let mut second = signed_in_later(&shop.visitor(), &mut first, "Ada");
    let mut socket = first.socket();
    let mut last = [(); 9].map(|()| signed_in(shop.visitor(), "Ada"));
    assert_eq!(socket.hears(), r#"{"ended":true}"#, "it had to make room");
    assert_eq!(devices(&last[8].get("/devices")).len(), 10);
    first.get("/session").shows("Nothing is stored for you");
    second.get("/session").shows("Ada");
}

pub(crate) fn a_stranger_is_led_from_the_devices_to_the_sign_in_and_back(shop: Shop) {
    let mut browser = shop.visitor();
    let answer = browser.get("/devices");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/sign-in")));
    let page = browser.submit("/sign-in", &[("name", "Ada")]);
    assert_eq!(marked(&page), [("Firefox on Linux", true)]);
    browser
        .submit("/sign-in", &[("name", "Ada")])
        .shows("Things worth keeping");
}

/// Signs in.
pub(super) fn signed_in(mut browser: Browser, name: &str) -> Browser {
    browser.submit("/sign-in", &[("name", name)]);
    browser
}

/// Signs in later than another device of theirs, by the clock of the shop: two that sign in within one tick of it, some milliseconds,
/// are listed in any order.
fn signed_in_later(browser: &Browser, than: &mut Browser, name: &str) -> Browser {
    loop {
        let mut later = signed_in(browser.clone(), name);
        let devices = devices(&than.get("/devices"));
        let [one, other] = &devices[..] else {
            panic!("two devices are signed in: {devices:?}");
        };
        if one.since != other.since {
            return later;
        }
        later.submit("/sign-out", &[]);
    }
}

/// The public name of the only other device.
#[track_caller]
fn other(browser: &mut Browser) -> String {
    let mut others = devices(&browser.get("/devices"));
    others.retain(|device| !device.marked);
    assert_eq!(others.len(), 1, "{others:?}");
    others.remove(0).handle
}

fn marked(page: &Page) -> Vec<(&'static str, bool)> {
    devices(page)
        .iter()
        .map(|device| (device.label, device.marked))
        .collect()
}

#[track_caller]
fn devices(page: &Page) -> Vec<Device> {
    let (_, list) = page.body.split_once("<ul class=\"devices").expect("a list of devices");
    let (list, _) = list.split_once("</ul>").unwrap();
    let rows = list.split("<li").skip(1);
    rows.map(|row| Device {
        label: ["Firefox on Linux", "Safari on iPhone"]
            .into_iter()
            .find(|label| row.contains(label))
            .unwrap(),
        handle: row
            .split_once("name=\"handle\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(handle, _)| handle.to_owned())
            .unwrap(),
        since: row
            .split_once("<time datetime=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(since, _)| since.to_owned())
            .unwrap(),
        marked: row.contains("this device"),
    })
    .collect()
}
