//! Files that are part of the program, served from memory: the same for everybody, so any cache may keep them.

/// A file, with what its response says about it.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What is in it.
    pub body: &'static str,
}

impl Asset {
    /// Its `Cache-Control`: short, as nothing but the name tells one release's file from the next one's.
    pub const CACHE_CONTROL: &'static str = "public, max-age=60";
}

/// The one style sheet.
pub const STYLE: Asset = Asset {
    content_type: "text/css; charset=utf-8",
    body: include_str!("style.css"),
};

/// What the cart's page runs: it saves the gift note while it is typed.
pub const SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    body: include_str!("cart.js"),
};
