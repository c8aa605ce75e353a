//! Scenarios on the engine: no framework, no sockets.

mod cleaner;
mod secrets;
mod session;
mod site;
