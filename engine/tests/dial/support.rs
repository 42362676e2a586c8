//! An engine whose handler tells a channel what happens.

pub(crate) use super::service::Echo;
use super::service::{at, reactors, start};
use ringws_engine::config::Config;
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

pub(crate) fn engine(number: u32) -> Engine {
    Engine::new(Config { recv_buffers: 64, ..reactors(number) }).expect("an engine")
}

/// An engine that echoes, and its port.
pub(crate) fn echo() -> (Engine, u16) {
    start(Config { recv_buffers: 64, ..reactors(1) }, at(Echo))
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
