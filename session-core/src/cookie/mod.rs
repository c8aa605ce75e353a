//! The token and the cookie it travels in: [keys](SigningKeys), [seal](seal) (sign and verify), [parse](parse) (which cookies of a
//! request are candidates), [render](render) (`Set-Cookie`) and the alphabet they are written in ([base64url]).

mod base64url;
mod keys;
pub(crate) mod parse;
mod render;
mod seal;
#[cfg(test)]
mod timing;

pub use keys::{SigningKey, SigningKeys};
pub use render::SameSite;
pub(crate) use render::{CookieAttributes, CookieTemplate};
pub(crate) use seal::{Standing, Verified};
