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
