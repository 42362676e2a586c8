//! A service that answers nobody at once, and notes what it is told.

use super::running::{at_of, reactors, start, until};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{
    Asked, Conn, Context, Handler, Later, LaterError, Message, Stats, Upgrade,
};
use ringws_kit::{PATIENCE, field, read_head, request, tcp};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// The user word that `on_upgrade` leaves.
pub(crate) const WAITING: usize = 7;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Open(usize),
    Gone(Later, usize),
}

pub(crate) struct Gate {
    asked: Sender<Later>,
    told: Mutex<Vec<Told>>,
}

impl Handler for Gate {
    fn on_origin(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> bool {
        assert_eq!(upgrade.later(), Err(LaterError::State));
        true
    }

    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        upgrade.add_header("X-First", b"1").expect("a header");
        upgrade.set_user(WAITING);
        let later = upgrade.later().expect("for the first time");
        assert_eq!(upgrade.later(), Err(LaterError::State));
        let engine = ctx.engine().clone();
        let accept = |user| engine.answer(later, Reply::new(101), None, user);
        let target = upgrade.request().target();
        match target {
            "/inside" => accept(8).expect("it waits"),
            "/too-late" => accept(9).expect("it waits"),
            "/at-once" => upgrade.at_once(),
            _ => {}
        }
        self.asked.send(later).expect("a test");
        let refused = matches!(target, "/refused" | "/too-late");
        if refused { Err(Refusal::new(403)) } else { Ok(()) }
    }

    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        if asked.request().target() == "/now" {
            return Reply::new(200).with_body("now");
        }
        self.asked.send(asked.later().expect("a request")).expect("a test");
        Reply::new(500)
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        self.told.lock().unwrap().push(Told::Open(ctx.user(conn).expect("open")));
    }

    fn on_gone(&self, _: &mut Context, later: Later, user: usize) {
        self.told.lock().unwrap().push(Told::Gone(later, user));
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
}

pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    gate: Arc<Gate>,
    asked: Receiver<Later>,
}

impl Service {
    pub(crate) fn start(limits: Limits) -> Self {
        let (asked, receiver) = channel();
        let gate = Arc::new(Gate { asked, told: Mutex::default() });
        let limits = Limits { requests: true, ..limits };
        let endpoint = Endpoint { limits, user: 5, ..at_of(Arc::<Gate>::clone(&gate)) };
        let (engine, port) = start(reactors(2), endpoint);
        Self { engine, port, gate, asked: receiver }
    }

    /// Who asks for an upgrade, or a page, and its name.
    pub(crate) fn ask(&self, request: &str) -> (TcpStream, Later) {
        let mut stream = tcp(self.port);
        stream.write_all(request.as_bytes()).expect("a server that reads");
        (stream, self.next())
    }

    pub(crate) fn upgrade(&self, target: &str) -> (TcpStream, Later) {
        self.ask(&request(target, &[("Sec-WebSocket-Protocol", "chat, news")]))
    }

    /// The next that is asked for.
    pub(crate) fn next(&self) -> Later {
        self.asked.recv_timeout(PATIENCE).expect("asked for")
    }

    pub(crate) fn answer(&self, later: Later, status: u16, user: usize) -> Result<(), LaterError> {
        self.engine.handle().answer(later, Reply::new(status), None, user)
    }

    /// What has been told, once it is so much.
    pub(crate) fn told(&self, count: usize) -> Vec<Told> {
        ringws_kit::until("told", || self.gate.told.lock().unwrap().len() >= count);
        std::mem::take(&mut self.gate.told.lock().unwrap())
    }

    pub(crate) fn until(&self, what: &str, done: impl Fn(&Stats) -> bool) -> Stats {
        until(&self.engine, what, done);
        self.engine.stats(None).expect("all reactors")
    }
}

/// An answer: its head and its body.
pub(crate) fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let head = read_head(stream).expect("an answer");
    let len = field(&head, "Content-Length").map_or(0, |len| len.parse().expect("a length"));
    let mut body = vec![0; len];
    stream.read_exact(&mut body).expect("the whole body");
    (head, String::from_utf8(body).expect("text"))
}
