//! A server, and the client of blocking sockets that others use too.

#[path = "../support/client.rs"]
#[expect(dead_code, reason = "these tests say short words of their own")]
mod client;

pub(crate) use client::{connect, frame, read_frame};
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::Handler;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An engine with one endpoint, and its port.
pub(crate) fn serve(reactors: u32, limits: Limits, handler: impl Handler) -> (Engine, u16) {
    start(Config { reactors, ..Config::default() }, limits, handler)
}

/// The same, as configured.
pub(crate) fn start(config: Config, limits: Limits, handler: impl Handler) -> (Engine, u16) {
    let engine = Engine::new(config).unwrap();
    let port = engine.listen(Endpoint { limits, ..Endpoint::new(0, Arc::new(handler)) }).unwrap();
    engine.start().unwrap();
    (engine, port)
}

/// Waits until it is so.
pub(crate) fn until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never");
        std::thread::sleep(Duration::from_millis(1));
    }
}
