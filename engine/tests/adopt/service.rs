//! An engine that listens nowhere, and connections for it.

use super::running::at_of;
use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Adopt, Closed, Conn, Context, Handler, Message, Upgrade};
use ringws_kit::{reset, tcp};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What was seen of connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) upgrades: usize,
    /// The user word of each that is open, and whose reactor it is.
    pub(crate) opens: Vec<(usize, u32)>,
    pub(crate) closes: usize,
    /// What each that was not open says of itself.
    pub(crate) unopened: Vec<usize>,
}

/// Echoes; refuses `/no`.
#[derive(Debug, Default)]
pub(crate) struct Echo(Mutex<Seen>);

impl Echo {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("whole")
    }

    /// A connection that counts here should it end before it is open.
    pub(crate) fn watched(self: &Arc<Self>, adopt: Adopt, number: usize) -> Adopt {
        let echo = Arc::clone(self);
        let unopened = move |_: &mut Context| echo.seen().unopened.push(number);
        Adopt { user: Some(number), unopened: Some(Box::new(unopened)), ..adopt }
    }
}

impl Handler for Echo {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        self.seen().upgrades += 1;
        match upgrade.request().target() {
            "/no" => Err(Refusal::new(403)),
            _ => Ok(()),
        }
    }
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let user = ctx.user(conn).expect("open");
        self.seen().opens.push((user, conn.reactor()));
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
    fn on_close(&self, _: &mut Context, _: Conn, _: &mut Closed<'_>) {
        self.seen().closes += 1;
    }
}

/// An endpoint that nothing comes to but what is handed over.
pub(crate) fn nowhere(echo: &Arc<Echo>) -> Endpoint {
    Endpoint { address: Address::Nowhere, ..at_of(echo.clone()) }
}

/// An engine with such an endpoint.
pub(crate) fn adopting(config: Config) -> (Engine, Arc<Echo>) {
    let echo = Arc::new(Echo::default());
    let engine = Engine::new(config).expect("an engine");
    assert_eq!(engine.listen(nowhere(&echo)).expect("nothing is bound"), 0);
    engine.start().expect("io_uring");
    (engine, echo)
}

/// Where this test accepts by itself.
pub(crate) struct Door(TcpListener);

impl Door {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// The port of those that are to be handed over.
    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    /// Both ends of a connection: the client's, and the one to be handed over.
    pub(crate) fn pair(&self) -> (TcpStream, TcpStream) {
        let client = tcp(self.port());
        client.set_nodelay(true).expect("TCP");
        let (server, _) = self.0.accept().expect("it has come");
        (client, server)
    }

    /// The one to be handed over, of which the peer has gone.
    pub(crate) fn reset(&self) -> TcpStream {
        let (client, server) = self.pair();
        reset(&client);
        drop(client);
        server
    }
}

/// Connections of a local port that somebody still has, as a descriptor or in a ring's table: the
/// kernel gives a number of its own to each that is not closed.
pub(crate) fn open_sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("there");
    let ours = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields[1], fields[3], fields[9]);
        local.ends_with(&format!(":{port:04X}")) && state != "0A" && inode != "0"
    };
    table.lines().skip(1).filter(ours).count()
}
