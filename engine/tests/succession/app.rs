//! An application that counts what each client says, in either process.

use crate::service::{at, reactors, start};
use ringws_engine::config::{Config, Drain, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_engine::succession::{HandOver, HandedOver};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Sends back the numbers from 0 on, in their order, and nothing else. Its state of a connection
/// is the number that comes next.
#[derive(Clone, Default)]
pub(crate) struct App {
    /// Nobody leaves.
    pub(crate) keeps: bool,
}

impl Handler for App {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let next = message.user;
        if let Some(number) = message.payload.strip_prefix(b"say ") {
            let what = Outgoing::copied(Opcode::Text, &[b"feed ", number].concat());
            return ctx.publish(b"feed", &what, None).expect("room");
        }
        if message.payload == b"join" {
            ctx.join(conn, b"feed").expect("a topic");
            ctx.join(conn, b"tick").expect("a topic");
            ctx.send(conn, Opcode::Text, b"joined", SendFlags::default()).expect("room");
            return;
        }
        if message.payload != next.to_string().as_bytes() {
            let text = format!("not {next}");
            ctx.close(conn, CloseCode::POLICY, &text).expect("open");
            return;
        }
        ctx.set_user(conn, next + 1).expect("open");
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }

    fn on_hand_over(&self, ctx: &mut Context, conn: Conn) -> Option<Vec<u8>> {
        let next = ctx.user(conn).expect("open");
        (!self.keeps).then(|| next.to_le_bytes().to_vec())
    }

    fn on_taken_over(&self, ctx: &mut Context, conn: Conn, state: &[u8]) {
        let next = usize::from_le_bytes(state.try_into().expect("a number"));
        ctx.set_user(conn, next).expect("open");
    }
}

/// The first process.
pub(crate) struct Old {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
}

impl Old {
    pub(crate) fn start(app: App) -> Self {
        Self::with(reactors(2), Limits::default(), app)
    }

    pub(crate) fn with(config: Config, limits: Limits, app: App) -> Self {
        let (engine, port) = start(config, Endpoint { limits, ..at(app) });
        Self { engine, port }
    }
}

/// The process behind it.
pub(crate) struct New {
    pub(crate) engine: Engine,
    /// How the old one says it went.
    pub(crate) said: Receiver<HandedOver>,
}

/// A pair of sockets.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let (one, other) = UnixStream::pair().expect("a pair");
    (one.into(), other.into())
}

/// Hands over, and drains those that are left at once.
pub(crate) fn at_once() -> HandOver {
    let drain = HandOver::default().drain;
    let drain = Drain { spread: Duration::ZERO, deadline: Duration::from_secs(5), ..drain };
    HandOver { drain, within: Duration::from_secs(5), ..HandOver::default() }
}

/// An engine takes another's place.
pub(crate) fn hand_over(old: &Old, app: App) -> New {
    hand_over_with(old, reactors(2), Limits::default(), app, at_once())
}

pub(crate) fn hand_over_with(
    old: &Old,
    config: Config,
    limits: Limits,
    app: impl Handler,
    how: HandOver,
) -> New {
    let (ours, theirs) = pair();
    let (told, said) = channel();
    let on_handed_over: ringws_engine::succession::OnHandedOver =
        std::sync::Arc::new(move |how: &HandedOver| told.send(*how).expect("heard"));
    let how = HandOver { on_handed_over: Some(on_handed_over), ..how };
    old.engine.hand_over(ours, how).map_err(|(error, _)| error).expect("it runs");
    let engine = Engine::new(config).expect("an engine");
    engine.take_over(theirs, Duration::from_secs(5)).expect("a greeting");
    let port = engine.listen(Endpoint { limits, ..at(app) }).expect("its sockets");
    assert_eq!(port, old.port);
    engine.start().expect("io_uring");
    New { engine, said }
}
