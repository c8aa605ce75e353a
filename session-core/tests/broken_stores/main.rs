//! The suite is held to something, too: stores that are broken on purpose, each of which must turn it red, and among the red
//! cases must be the one that names the promise.
#![cfg(feature = "conformance")]

mod commits;
mod defect;
mod endings;
mod inventory;
mod limits;
mod owners;
mod red;
mod rotations;
mod sightings;
