//! What comes with requests.

use std::cell::RefCell;

use session_core::{Admin, AdminAccess, AdminRequest, ErrorKind, Session};

use crate::site::{Site, with_secret};

thread_local! {
    static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
}

fn on_the_site(test: impl FnOnce(&Site)) {
    SITE.with_borrow_mut(|site| {
        let running = site.get_or_insert_with(Site::new);
        test(running);
        // A target may have ended the session that the next one needs.
        if running.session(&[running.cookie().as_bytes()]).is_new() {
            *site = None;
        }
    });
}

/// `Cookie` headers, separated by line feeds; `TOKEN` stands for a genuine token. No other bytes open a session.
pub fn cookie(bytes: &[u8]) {
    on_the_site(|site| {
        let (bytes, genuine) = with_secret(bytes, &site.token);
        let headers: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        let session = site.session(&headers);
        assert!(session.is_new() || genuine, "a session was opened without its token");
        assert_eq!(session.is_new(), session.owner().is_none());
    });
}

/// What is changed about a genuine token, byte by byte. Only what changes nothing is accepted.
pub fn token(bytes: &[u8]) {
    on_the_site(|site| {
        let mut token = site.token.clone().into_bytes();
        for (byte, change) in token.iter_mut().zip(bytes) {
            *byte ^= change;
        }
        let session = site.session(&[&[b"session=".as_slice(), &token].concat()]);
        assert_eq!(
            session.is_new(),
            token != site.token.as_bytes(),
            "a token that was tampered with opens a session"
        );
    });
}

/// A form, behind a line with its content type; `TOKEN` stands for a token that is good.
pub fn form(bytes: &[u8]) {
    on_the_site(|site| {
        let session = site.signed_in();
        let good = session.csrf_token().expect("randomness").to_string();
        let (bytes, genuine) = with_secret(bytes, &good);
        let line = bytes.iter().position(|byte| *byte == b'\n');
        let (content_type, body) = bytes.split_at(line.map_or(0, |line| line + 1));
        match session.verify_csrf_form(Some(content_type.trim_ascii_end()), body) {
            Ok(rest) => {
                assert!(genuine, "a form without a token was let in");
                assert!(!rest.split('&').any(|field| field.starts_with("csrf_token=")));
            }
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Csrf | ErrorKind::ContentType),
                "{error}"
            ),
        }
        let passed = session.verify_csrf(body).is_ok();
        assert!(!passed || genuine, "a header without a token was let in");
    });
}

/// A request to the administration: method, path, query and body in lines; `TOKEN` stands for a token that is good.
pub fn admin(bytes: &[u8]) {
    on_the_site(|site| {
        let session = site.signed_in();
        let good = session.csrf_token().expect("randomness").to_string();
        let (bytes, genuine) = with_secret(bytes, &good);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.splitn(4, '\n');
        let [method, path, query] = std::array::from_fn(|_| lines.next().unwrap_or_default());
        let body = lines.next().map(str::as_bytes);
        let admin = Admin::new(|_: &Session| AdminAccess::Granted);
        let request = AdminRequest {
            method,
            path,
            query: Some(query).filter(|query| !query.is_empty()),
            content_type: Some(b"application/x-www-form-urlencoded"),
            csrf_header: None,
            body,
        };
        let reply = site.runtime.block_on(admin.answer(&session, request));
        assert!(reply.status < 500, "{}", reply.status);
        assert!(!reply.body.contains("<script"), "text of a visitor became markup");
        let changes = method == "POST" && matches!(reply.status, 200 | 303);
        assert!(!changes || genuine, "something was done without a token");
    });
}
