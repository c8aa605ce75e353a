//! The shop in a real browser: what pages and scripts do there, and what the browser lets through.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use super::Shop;
use super::chromium::{Chromium, DESK, PHONE};
use super::devices::signed_in;

pub(crate) async fn a_browser_lists_its_devices_and_an_open_cart_learns_of_its_end(shop: Shop, chromium: &Chromium) {
    let desk = chromium.window("desk", &shop).await;
    let other = chromium.window("other", &shop).await;
    for device in [&desk, &other] {
        device.sign_in("Ada").await;
    }
    for device in [&desk, &other] {
        device.open("/devices").await;
        device.shows("this device").await;
        let rows = device
            .script("return document.querySelectorAll('.devices li').length")
            .await;
        assert_eq!(rows, 2);
    }
    other.add_to_cart("Enamel mug").await;
    other.open("/cart").await;
    other.fill("note", "For Grace").await;
    other.shows("Saved.").await;

    desk.reload().await;
    desk.press("Sign out the others").await;
    desk.shows("Signed out: 1 device.").await;

    other.shows("This session has ended").await; // nobody touched that window
    other.press("Reload the page").await;
    other.shows("There is nothing in it yet.").await;
    other.lacks("Ada").await;
    desk.reload().await;
    desk.shows("this device").await;
}

pub(crate) async fn a_browser_shows_a_new_role_when_it_reloads(shop: Shop, chromium: &Chromium) {
    let ada = chromium.window("ada", &shop).await;
    let admin = chromium.window("admin", &shop).await;
    ada.sign_in("Ada").await;
    ada.lacks("Staff").await;
    admin.sign_in("admin").await;
    admin.press("Staff").await;
    admin.choose("Role of Ada", "clerk").await;
    admin.press("Change the role of Ada").await;
    admin.shows("Ada is a clerk now, on 1 device").await;
    ada.reload().await;
    ada.shows("You pay the staff’s price.").await;
    ada.press("Staff").await;
    ada.shows("always a clerk").await;
}

pub(crate) async fn a_browser_shows_a_message_once(shop: Shop, chromium: &Chromium) {
    let window = chromium.window("ada", &shop).await;
    window.add_to_cart("Wool blanket").await;
    window.reload().await;
    window.shows("Wool blanket").await;
    window.lacks("is in your cart").await;
}

pub(crate) async fn a_browser_saves_the_note_while_it_is_typed(shop: Shop, chromium: &Chromium) {
    let window = chromium.window("ada", &shop).await;
    window.add_to_cart("Enamel mug").await;
    window.open("/cart").await;
    window.fill("note", "For Grace & Ada").await;
    window.shows("Saved.").await;
    window.reload().await;
    let note = window.script("return document.querySelector('#note').value").await;
    assert_eq!(note, "For Grace & Ada");
}

pub(crate) async fn a_browser_is_kept_from_posting_what_another_site_has_made(shop: Shop, chromium: &Chromium) {
    let ada = chromium.window("ada", &shop).await;
    ada.sign_in("Ada").await;
    ada.add_to_cart("Enamel mug").await;
    ada.open("/cart").await;
    let token = ada
        .script("return document.querySelector('main [name=csrf_token]').value")
        .await;
    let token = token.as_str().unwrap();
    let forged = |token: &str| {
        let action = format!("http://{}/cart/empty", shop.address());
        format!(
            "<form method=post action='{action}'><input name=csrf_token value='{token}'></form>\
             <script>document.forms[0].submit()</script>"
        )
    };

    ada.open(&elsewhere(forged("guessed"))).await;
    ada.shows("Not from here").await;
    ada.open("/cart").await;
    ada.shows("Enamel mug").await;

    // The token is what stops it: the cookie came along, as another port is of the same site.
    ada.open(&elsewhere(forged(token))).await;
    ada.shows("There is nothing in it yet.").await;
    ada.shows("Ada").await;
}

pub(crate) async fn a_browser_as_narrow_as_a_phone_shows_whole_pages(shop: Shop, chromium: &Chromium) {
    for name in ["Grace", "Ada", "admin"] {
        signed_in(shop.visitor().on_a_phone(), name);
    }
    let mut desk = signed_in(shop.visitor(), "admin");
    desk.submit("/staff/role", &[("member", "Ada"), ("role", "clerk")]);
    let admin = chromium.window("admin", &shop).await;
    admin.sign_in("admin").await;
    admin.add_to_cart("Cast-iron teapot").await;
    admin.add_to_cart("Dotted notebook").await;
    admin.open("/cart").await;
    admin
        .fill("note", "For Ada, with love from the whole engine room.")
        .await;
    admin.shows("Saved.").await;
    for (page, path) in [
        ("home", "/"),
        ("cart", "/cart"),
        ("devices", "/devices"),
        ("staff", "/staff"),
        ("session", "/session"),
        ("sign-in", "/sign-in"),
    ] {
        admin.open(path).await;
        for width in [DESK, PHONE] {
            admin.resize(width).await;
            assert_eq!(
                admin.script(SIDEWAYS).await,
                Value::Array(Vec::new()),
                "{page} at {width}"
            );
            admin.photograph(&format!("{page}-{width}")).await;
        }
    }
}

/// What cannot be seen without scrolling to the right.
const SIDEWAYS: &str = "
    const sees = (element) => element.getBoundingClientRect().right <= document.documentElement.clientWidth;
    return [document.documentElement, ...document.querySelectorAll('body *')]
        .filter((element) => !sees(element) || element.scrollWidth > document.documentElement.clientWidth)
        .map((element) => element.outerHTML.slice(0, 100));
";

/// Another site, of this one page, on another port of this machine; its address. A browser may open connections that it does not use.
fn elsewhere(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let page = page.clone();
            std::thread::spawn(move || serve(connection.unwrap(), &page));
        }
    });
    address
}

fn serve(mut connection: TcpStream, page: &str) {
    if matches!(connection.read(&mut [0; 4096]), Ok(1..)) {
        let length = page.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close");
        let _ = write!(connection, "{head}\r\n\r\n{page}");
    }
}
