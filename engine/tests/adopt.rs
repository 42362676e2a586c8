//! Connections that somebody else has accepted, and those that go to another reactor.
#![cfg(feature = "uring")]

#[path = "adopt/begins.rs"]
mod begins;
#[path = "adopt/ends.rs"]
mod ends;
#[path = "adopt/moved.rs"]
mod moved;
#[path = "adopt/placement.rs"]
mod placement;
#[path = "adopt/refused.rs"]
mod refused;
#[path = "support/service.rs"]
mod running;
#[path = "adopt/service.rs"]
mod service;
#[path = "adopt/unmoved.rs"]
mod unmoved;
