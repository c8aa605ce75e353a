//! Scenarios on the engine: no framework, no sockets.

mod cleaner;
mod session;
mod site;
