//! A running engine, for a test to be at the other end of.
#![allow(dead_code, reason = "each test uses its own part")]

use ringws_engine::config::{Address, Backend, Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context, Handler, Message, ROWS, Stats};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Sends back what comes.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
}

/// With so many reactors, and otherwise as it is by default.
pub(crate) fn reactors(reactors: u32) -> Config {
    Config { reactors, backend: backend(), ..Config::default() }
}

/// A port of this machine alone, whichever is free, with this handler.
pub(crate) fn at(handler: impl Handler) -> Endpoint {
    at_of(Arc::new(handler))
}

/// The same with a handler that the test looks into.
pub(crate) fn at_of(handler: Arc<dyn Handler>) -> Endpoint {
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Endpoint { address, ..Endpoint::new(0, handler) }
}

/// What the tests are run on: `RINGWS_TEST_BACKEND` says `epoll` where it is not to be io_uring.
pub(crate) fn backend() -> Backend {
    match std::env::var("RINGWS_TEST_BACKEND").as_deref() {
        Ok("epoll") => Backend::Epoll,
        Ok(other) => panic!("RINGWS_TEST_BACKEND: {other}? It can be epoll."),
        Err(_) => Backend::Uring,
    }
}

/// An engine that serves there, and its port.
pub(crate) fn start(config: Config, endpoint: Endpoint) -> (Engine, u16) {
    let engine = Engine::new(Config { backend: backend(), ..config }).expect("an engine");
    let port = engine.listen(endpoint).expect("a port");
    engine.start().expect("io_uring");
    (engine, port)
}

/// The same with one reactor and these limits.
pub(crate) fn serve(limits: Limits, handler: impl Handler) -> (Engine, u16) {
    start(reactors(1), Endpoint { limits, ..at(handler) })
}

/// The counters of all reactors.
pub(crate) fn stats(engine: &Engine) -> Stats {
    engine.stats(None).expect("all reactors")
}

/// Waits until the counters say so.
pub(crate) fn until(engine: &Engine, what: &str, done: impl Fn(&Stats) -> bool) {
    ringws_kit::until(what, || done(&stats(engine)));
}

/// The number of a row that has a label.
pub(crate) fn of(stats: &Stats, field: &str, value: &str) -> u64 {
    let row = ROWS.iter().find(|row| row.field == field).expect("a row");
    let at = row.label_values.iter().position(|v| *v == value).expect("a value");
    row.values(stats)[at]
}
