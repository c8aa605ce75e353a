//! Keepsake, a small shop that shows server-side sessions at work: a cart, a sign-in that keeps it, "remember me", a list of one's
//! devices with buttons to end them, roles that hold at once in every browser, and a page that lays the session itself open.
//!
//! What is here knows no web framework. The binaries in `src/bin` add the routes, so comparing them compares frameworks:
//!
//! ```text
//! bin/axum, bin/actix, bin/rocket     routes and handlers, a few lines each
//!   ├─ options   the command line; opens store, keys, engine and members
//!   ├─ kept      where the sessions are: a folder, or Redis
//!   ├─ metrics   figures for Prometheus, if they are asked for
//!   ├─ server    what is printed; when to stop
//!   ├─ shop      what a visitor does, on a `&Session`      catalogue, forms, note, failure
//!   ├─ accounts  signing in and out; what a role allows    members: the shop's own list of people and roles
//!   ├─ devices   where somebody is signed in, and how to end that
//!   ├─ live      what goes over the cart's WebSocket, on a `Session` that outlives its response
//!   ├─ facts     what is known of a session
//!   └─ pages     data in, HTML out                         assets: files from memory; moment: times in human words
//! ```
//!
//! | to see how to | look at |
//! |---|---|
//! | cache a role in sessions, and change it in all of them | `accounts`: `Accounts::sign_in`, `Accounts::change_role` |
//! | ask for a recent login before something delicate | `accounts`: `require_recent_login` |
//! | list, end one, the others, all | `devices` |
//! | close a socket when its session ends | `live`: `Live::watch` |
//! | put a token into every form, and check it | `pages`: `form`; `CsrfForm` in the binaries |
//! | say something once after a redirect | `shop`: `visitor` takes the messages, `pages` shows them |
//! | limit how many sessions one person has | `options`: `Options::open` |
//! | give no cookie to who only looks | `shop`: `basket` asks for a token only where there is a form |
//!
//! The binaries answer alike, and so the same tests hold for all of them (`tests/shop`). Where the frameworks themselves differ, they are
//! left as they are:
//!
//! | | axum | actix-web | Rocket |
//! |---|---|---|---|
//! | a form with a field twice | 422 | 422 | the first counts |
//! | a form with bytes that are neither UTF-8 nor escaped | 400 | read, with replacement characters | as actix-web |
//! | an address that exists, with another method | 405 | 405 | 404 |
//! | `HEAD` | as `GET` | 405 | as `GET` |
//! | an address with one more slash at its end | 404 | 404 | as without it |
//! | headers of its own | – | – | `Server`, `X-Content-Type-Options`, `X-Frame-Options`, `Permissions-Policy` |
//! | pings on a WebSocket | answered | answered by us | answered |
//! | when it stops, a connection that waits for a request | is closed | is closed | may take all of the five seconds |
//! | when it stops, a request that takes too long | is cut off, which is said | is cut off | is cut off a second later |
//!
//! It leaves out what an application needs besides sessions: passwords, and a limit on how often they may be tried.

pub mod accounts;
pub mod assets;
pub mod catalogue;
pub mod devices;
pub mod facts;
pub mod failure;
pub mod forms;
pub mod kept;
pub mod live;
pub mod members;
pub mod metrics;
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
    #[doc = include_str!("../../docs/metrics.md")]
    pub struct Metrics;
    #[doc = include_str!("../../docs/writing-a-store.md")]
    pub struct WritingAStore;
    #[doc = include_str!("../../docs/writing-an-adapter.md")]
    pub struct WritingAnAdapter;
}
