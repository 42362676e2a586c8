//! A service that does with topics what messages say, and its clients.

use super::service::at;
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Closed, Conn, Context, Handle, Handler, Message};
use ringws_kit::{Client, TEXT, until};
use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WHOLE: SendFlags = SendFlags { more: false, plain: false };
const MORE: SendFlags = SendFlags { more: true, plain: false };

/// A text, to be published.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Outgoing {
    Outgoing::copied(Opcode::Text, text.as_ref())
}

/// What has happened.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) opened: Arc<Mutex<Vec<Conn>>>,
    /// Who has ended, and how much was dropped on the way to it.
    pub(crate) closed: Arc<Mutex<HashMap<u64, u32>>>,
}

struct Obedient(Seen);

impl Obedient {
    fn obey(ctx: &mut Context, conn: Conn, [verb, topic, rest]: [&str; 3]) -> String {
        let (name, message) = (topic.as_bytes(), text(rest));
        let handle = ctx.engine().clone();
        match verb {
            "join" => return format!("{:?}", ctx.join(conn, name)),
            "who" => return conn.to_bits().to_string(),
            "back" => assert!(ctx.join_from(conn, name, rest.as_bytes()).is_ok()),
            "from" => return format!("{:?}", ctx.join_from(conn, name, rest.as_bytes())),
            "where" => return ctx.position(conn, name).unwrap().unwrap_or_default(),
            "leave" => return format!("{:?}", ctx.leave(conn, name)),
            "count" => return format!("{} of {}", ctx.members(name), handle.members(name)),
            "say" => ctx.publish(name, &message, None).unwrap(),
            "tell" => ctx.publish(name, &message, Some(conn)).unwrap(),
            "try" => return format!("{:?}", ctx.publish(name, &message, None)),
            "around" => {
                ctx.send(conn, Opcode::Text, b"1", WHOLE).unwrap();
                ctx.publish(name, &text("2"), None).unwrap();
                ctx.send(conn, Opcode::Text, b"3", WHOLE).unwrap();
                ctx.publish(name, &text("4".repeat(9_000)), None).unwrap();
                ctx.send(conn, Opcode::Text, b"5", WHOLE).unwrap();
            }
            "mixed" => {
                handle.send(conn, Opcode::Text, b"1", WHOLE).unwrap();
                handle.publish(name, &text("2"), None).unwrap();
                handle.send(conn, Opcode::Text, b"3", WHOLE).unwrap();
                ctx.publish(name, &text("4"), None).unwrap();
                handle.publish(name, &text("5"), None).unwrap();
                ctx.send(conn, Opcode::Text, b"6", WHOLE).unwrap();
                // What was published before goes to those that are members now.
                handle.publish(name, &text("7"), None).unwrap();
                ctx.leave(conn, name).unwrap();
                handle.publish(name, &text("to nobody"), None).unwrap();
                ctx.join(conn, name).unwrap();
                handle.publish(name, &text("8"), None).unwrap();
            }
            "begin" => _ = ctx.send(conn, Opcode::Text, b"(", MORE).unwrap(),
            "end" => _ = ctx.send(conn, Opcode::Continuation, b")", WHOLE).unwrap(),
            "abort" => ctx.abort(conn).unwrap(),
            "panic" => panic!("on purpose"),
            _ => unreachable!("{verb}"),
        }
        String::new()
    }
}

impl Handler for Obedient {
    fn on_open(&self, _: &mut Context, conn: Conn) {
        self.0.opened.lock().unwrap().push(conn);
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let words = std::str::from_utf8(message.payload).unwrap();
        let mut words = words.splitn(3, ' ');
        let words = [(); 3].map(|()| words.next().unwrap_or_default());
        let answer = Self::obey(ctx, conn, words);
        if !answer.is_empty() {
            ctx.send(conn, Opcode::Text, answer.as_bytes(), WHOLE).unwrap();
        }
    }
    fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        self.0.closed.lock().unwrap().insert(conn.to_bits(), closed.dropped);
        // It is no member any more.
        let _ = ctx.publish(b"ends", &text("somebody has left"), None);
        let _ = ctx.engine().publish(b"last", &text("words"), None);
    }
}

/// The service, and a client per connection that was asked for.
pub(crate) struct Room {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    pub(crate) seen: Seen,
}

impl Room {
    pub(crate) fn new(config: Config, limits: Limits) -> Self {
        Self::with(config, limits, |_| ())
    }

    /// The same, of an engine that is made ready before it starts.
    pub(crate) fn with(config: Config, limits: Limits, ready: impl FnOnce(&Engine)) -> Self {
        let seen = Seen::default();
        let engine = Engine::new(config).expect("an engine");
        ready(&engine);
        let endpoint = Endpoint { limits, ..at(Obedient(seen.clone())) };
        let port = engine.listen(endpoint).expect("a port");
        engine.start().expect("io_uring");
        Self { engine, port, seen }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.engine.handle().clone()
    }

    /// A client, and the connection at the other end.
    pub(crate) fn enter(&self) -> (Client, Conn) {
        let before = self.seen.opened.lock().unwrap().len();
        let client = Client::connect(self.port);
        until("opened", || self.seen.opened.lock().unwrap().len() > before);
        let conn = self.seen.opened.lock().unwrap()[before];
        (client, conn)
    }

    /// The same on a certain reactor.
    pub(crate) fn enter_at(&self, reactor: u32) -> (Client, Conn) {
        let mut all = (0..1_000).map(|_| self.enter());
        all.find(|(_, conn)| conn.reactor() == reactor).expect("every reactor accepts")
    }

    /// A member, on a certain reactor.
    pub(crate) fn member_at(&self, reactor: u32, topic: &str) -> Client {
        let (mut client, _) = self.enter_at(reactor);
        asks(&mut client, &format!("join {topic}"), "Ok(true)");
        client
    }

    /// A member, wherever.
    pub(crate) fn member(&self, topic: &str) -> Client {
        let (mut client, _) = self.enter();
        asks(&mut client, &format!("join {topic}"), "Ok(true)");
        client
    }

    /// A reactor looks at no mail until what is returned is dropped.
    pub(crate) fn hold(&self, reactor: u32) -> std::sync::mpsc::Sender<()> {
        let ((go, wait), (held, holds)) = (channel::<()>(), channel());
        let block = move |_: &mut Context| {
            held.send(()).unwrap();
            assert!(wait.recv().is_err());
        };
        self.handle().post(reactor, Box::new(block)).unwrap();
        holds.recv_timeout(Duration::from_secs(10)).unwrap();
        go
    }
}

/// Says something that is answered with that.
pub(crate) fn asks(client: &mut Client, what: &str, answer: &str) {
    client.send(TEXT, what);
    client.hears(TEXT, answer);
}

/// The next text that comes.
pub(crate) fn next(client: &mut Client) -> String {
    let (first, payload) = client.receive();
    assert_eq!(first, TEXT);
    String::from_utf8(payload).unwrap()
}

/// The next texts must be these.
pub(crate) fn hear(client: &mut Client, texts: &[&str]) {
    texts.iter().for_each(|text| client.hears(TEXT, text));
}
