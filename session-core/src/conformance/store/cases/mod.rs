//! The cases, one file a theme. Each is listed once, in [`case`](super::case).

pub(super) mod cancellation;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod expiry;
pub(super) mod interleavings;
pub(super) mod inventory;
pub(super) mod load;
pub(super) mod login;
pub(super) mod model_check;
pub(super) mod owner_limit;
pub(super) mod owner_list;
pub(super) mod replace;
pub(super) mod requests;
pub(super) mod revoke;
pub(super) mod rotate;
pub(super) mod round_trip;
pub(super) mod sweep;
pub(super) mod touch;
