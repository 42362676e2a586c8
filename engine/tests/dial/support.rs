//! An engine whose handler tells a channel what happens.

use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, NotConnected, Target};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What a client's handler was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Open,
    Message(Vec<u8>),
    Closed(u16, Option<u16>),
    /// Error, status, body, milliseconds to the next try.
    Refused(String, u16, Vec<u8>, u32),
}

/// Tells what it hears; says `hello` when a connection opens.
pub(crate) struct Tells(pub(crate) Sender<Heard>);

impl Tells {
    fn tell(&self, heard: Heard) {
        // A test that has seen enough has gone.
        let _ = self.0.send(heard);
    }
}

impl Handler for Tells {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        self.tell(Heard::Open);
        ctx.send(conn, Opcode::Text, b"hello", SendFlags::default()).expect("it is open");
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        self.tell(Heard::Message(message.payload.to_vec()));
        ctx.close(conn, CloseCode::NORMAL, "").expect("it is open");
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        self.tell(Heard::Closed(closed.info.code.0, closed.info.sent.map(|code| code.0)));
    }
    fn on_refused(&self, _: &mut Context, why: &mut NotConnected<'_>) {
        let (error, status) = (why.error.to_string(), why.error.status());
        self.tell(Heard::Refused(error, status, why.body.to_vec(), why.retry_ms));
    }
}

/// Sends back what comes.
pub(crate) struct Echo;

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
}

pub(crate) fn engine(reactors: u32) -> Engine {
    let config = Config { reactors, recv_buffers: 64, ..Config::default() };
    Engine::new(config).expect("an engine")
}

/// An engine that echoes, and its port.
pub(crate) fn echo() -> (Engine, u16) {
    let engine = engine(1);
    let address = Address::Ip([127, 0, 0, 1].into());
    let port = engine
        .listen(Endpoint { address, ..Endpoint::new(0, Arc::new(Echo)) })
        .expect("a free port");
    engine.start().expect("io_uring");
    (engine, port)
}

pub(crate) fn started(reactors: u32) -> Engine {
    let engine = engine(reactors);
    engine.start().expect("io_uring");
    engine
}

pub(crate) fn target(url: &str) -> (Target, Receiver<Heard>) {
    let (tell, told) = channel();
    (Target::new(url, Arc::new(Tells(tell))).expect("a target"), told)
}

pub(crate) fn next(told: &Receiver<Heard>) -> Heard {
    told.recv_timeout(Duration::from_secs(20)).expect("something is heard")
}
