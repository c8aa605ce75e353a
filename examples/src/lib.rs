//! Keepsake, a small shop that shows server-side sessions at work: a cart, a sign-in that keeps it, "remember me", a visit
//! counter, and a page that lays the session itself open.
//!
//! What is here knows no web framework. The binaries in `src/bin` add the routes, so comparing them compares frameworks:
//!
//! ```text
//! bin/axum, bin/actix, bin/rocket     routes and handlers, a few lines each
//!   ├─ options  the command line; opens store, keys and engine
//!   ├─ server   what is printed; when to stop
//!   ├─ shop     what a visitor does, on a `&Session`      catalogue, forms, note, label, failure
//!   ├─ live     what goes over the cart's WebSocket, on a `Session` that outlives its response
//!   ├─ facts    what is known of a session
//!   └─ pages    data in, HTML out                          assets: files from memory; moment: times in human words
//! ```
//!
//! The binaries answer alike, and so the same tests hold for all of them (`tests/shop`). Where the frameworks themselves differ, they are
//! left as they are:
//!
//! | | axum | actix-web | Rocket |
//! |---|---|---|---|
//! | a form with a field that is missing or of another type | 422 | 400 | 422 |
//! | a form with a field twice | 422 | 400 | the first counts |
//! | a form whose bytes are not UTF-8 | read, with replacement characters | as axum | 400 |
//! | an address that exists, with another method | 405 | 405 | 404 |
//! | `HEAD` | as `GET` | 405 | as `GET` |
//! | an address with one more slash at its end | 404 | 404 | as without it |
//! | headers of its own | – | – | `Server`, `X-Content-Type-Options`, `X-Frame-Options`, `Permissions-Policy` |
//! | pings on a WebSocket | answered | answered by us | answered |
//! | when it stops, a connection that waits for a request | is closed | is closed | may take all of the five seconds |
//! | when it stops, a request that takes too long | is cut off, which is said | is cut off | is cut off a second later |
//!
//! It leaves out what an application needs besides sessions: passwords, and CSRF tokens. `SameSite=Lax` keeps other sites from
//! posting these forms in a visitor's name; an application with subdomains it does not trust needs tokens too.

pub mod assets;
pub mod catalogue;
pub mod facts;
pub mod failure;
pub mod forms;
pub mod label;
pub mod live;
pub mod moment;
pub mod note;
pub mod options;
pub mod pages;
pub mod server;
pub mod shop;

pub use failure::Failure;
pub use options::Options;

/// Compiles the snippets of the documents that no published crate carries.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    pub struct Readme;
    #[doc = include_str!("../../docs/writing-a-store.md")]
    pub struct WritingAStore;
    #[doc = include_str!("../../docs/writing-an-adapter.md")]
    pub struct WritingAnAdapter;
}
