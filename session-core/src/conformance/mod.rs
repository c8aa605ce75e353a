//! The published suite: what every store and every adapter is held to.
