//! What goes along with an upgrade that is moved, and what becomes of one that cannot be.

use super::running::{at_of, reactors, start, stats};
use super::service::Door;
use ringws_engine::config::{Address, Config, Endpoint, Proxies};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{
    Adopt, CallError, Conn, Context, Handler, Message, MoveError, Unopened, Upgrade,
};
use ringws_kit::{Client, TEXT, read_to_end, request};
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Of `refused_by_reason`.
const MEMORY: usize = 6;

/// All belong to reactor 1.
struct Second {
    /// One that is open there.
    first: Mutex<Option<Conn>>,
    /// Reactor 1 says that it stands still, until it may go on.
    stands: Mutex<Sender<()>>,
    goes_on: Mutex<Receiver<()>>,
    refused: Mutex<Vec<MoveError>>,
    peers: Mutex<Vec<(String, bool)>>,
}

impl Second {
    fn new() -> (Arc<Self>, Receiver<()>, Sender<()>) {
        let ((stands, stood), (go_on, goes_on)) = (channel(), channel());
        let second = Self {
            first: Mutex::default(),
            stands: stands.into(),
            goes_on: goes_on.into(),
            refused: Mutex::default(),
            peers: Mutex::default(),
        };
        (Arc::new(second), stood, go_on)
    }

    /// Sends to it until its reactor takes no more.
    fn fill(&self, ctx: &mut Context) {
        let first = self.first.lock().unwrap().expect("open");
        for piece in [&[0; 1 << 20][..], &[0]] {
            let mut send = || ctx.send(first, Opcode::Binary, piece, SendFlags::default());
            let refused = (0..1 << 20).find_map(|_| send().err());
            assert_eq!(refused, Some(CallError::MailboxFull));
        }
    }
}

impl Handler for Second {
    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        let target = upgrade.request().target().to_owned();
        match upgrade.move_to(1) {
            Ok(()) if target == "/fill" => self.fill(ctx),
            Ok(()) => {}
            Err(why) => {
                self.refused.lock().unwrap().push(why);
                if ctx.index() != 1 {
                    return Err(Refusal::new(503));
                }
                let peer = upgrade.peer().map(|peer| peer.to_string()).unwrap_or_default();
                self.peers.lock().unwrap().push((peer, upgrade.proxied().is_some()));
                if target == "/late" {
                    upgrade.later().expect("once");
                }
            }
        }
        Ok(())
    }
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        assert_eq!(ctx.index(), 1);
        self.first.lock().unwrap().get_or_insert(conn);
    }
    fn on_message(&self, _: &mut Context, _: Conn, message: Message<'_>) {
        if message.payload == b"stand" {
            self.stands.lock().unwrap().send(()).expect("heard");
            self.goes_on.lock().unwrap().recv().expect("said");
        }
    }
}

/// Two reactors, and a door through which connections come to the first.
fn service(config: Config, endpoint: Endpoint) -> (Engine, Door) {
    let engine = Engine::new(config).expect("an engine");
    engine.listen(Endpoint { address: Address::Nowhere, ..endpoint }).expect("nothing is bound");
    engine.start().expect("io_uring");
    (engine, Door::new())
}

/// One that asks reactor 0.
fn asks(engine: &Engine, door: &Door, target: &str, unopened: Option<Unopened>) -> TcpStream {
    let (mut client, server) = door.pair();
    let adopt = Adopt { reactor: Some(0), unopened, ..Adopt::new(server, 0) };
    engine.adopt(adopt).expect("taken");
    client.write_all(request(target, &[]).as_bytes()).expect("room");
    client
}

fn answer(client: &mut TcpStream) -> String {
    ringws_kit::read_head(client).expect("an answer")
}

/// Its reactor has no room for it: seen at the call, or behind it.
#[test]
fn one_that_finds_no_room_for_its_mail_is_refused() {
    let (second, stood, go_on) = Second::new();
    let (engine, door) = service(reactors(2), at_of(second.clone()));
    let mut first = Client::open_with(asking(&engine, &door), "/", &[]);
    first.send(TEXT, "stand");
    stood.recv().expect("it stands still");
    let (say, said) = channel();
    let unopened: Unopened = Box::new(move |ctx: &mut Context| say.send(ctx.index()).unwrap());
    let mut lost = asks(&engine, &door, "/fill", Some(unopened));
    assert!(answer(&mut lost).starts_with("HTTP/1.1 503 "));
    drop(lost);
    assert_eq!(said.recv(), Ok(0), "it was told where it ended");
    let mut refused = asks(&engine, &door, "/", None);
    assert!(answer(&mut refused).starts_with("HTTP/1.1 503 "));
    let full = MoveError::Call(CallError::MailboxFull);
    assert_eq!(*second.refused.lock().unwrap(), [MoveError::Moved, full]);
    let seen = stats(&engine);
    assert_eq!(seen.refused_by_reason[MEMORY], 1);
    // Only the first has been moved; none was accepted twice.
    assert_eq!((seen.handed_over, seen.adopted, seen.accepted), (1, 4, 3));
    go_on.send(()).expect("it waits");
}

/// A stream whose request is still to be sent.
fn asking(engine: &Engine, door: &Door) -> TcpStream {
    let (client, server) = door.pair();
    engine.adopt(Adopt { reactor: Some(0), ..Adopt::new(server, 0) }).expect("taken");
    client
}

/// It has as many connections as it takes.
#[test]
fn a_full_reactor_says_so() {
    let (second, ..) = Second::new();
    let config = Config { connections_max: 2, ..reactors(2) };
    let (engine, door) = service(config, at_of(second.clone()));
    let _open: Vec<_> =
        (0..2).map(|_| Client::open_with(asking(&engine, &door), "/", &[])).collect();
    let mut refused = asks(&engine, &door, "/", None);
    assert!(answer(&mut refused).starts_with("HTTP/1.1 503 "));
    let all = second.refused.lock().unwrap().clone();
    assert_eq!(all, [MoveError::Moved, MoveError::Moved, MoveError::Full]);
}

/// What its proxy has told is known over there.
#[test]
fn what_a_proxy_has_told_goes_along() {
    let (second, ..) = Second::new();
    let proxies = Some(Proxies::parse("127.0.0.0/8").expect("networks"));
    let (engine, door) = service(reactors(2), Endpoint { proxies, ..at_of(second.clone()) });
    let mut client = asking(&engine, &door);
    client.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 80\r\n").expect("room");
    client.write_all(request("/", &[]).as_bytes()).expect("room");
    assert!(answer(&mut client).starts_with("HTTP/1.1 101 "));
    assert_eq!(*second.peers.lock().unwrap(), [("192.0.2.7:5000".to_owned(), true)]);
}

/// The time of the handshake is that since the accept.
#[test]
fn its_time_runs_on() {
    let (second, ..) = Second::new();
    let limits = Limits { handshake_timeout_ms: 4_000, ..Limits::default() };
    let (engine, port) = start(reactors(2), Endpoint { limits, ..at_of(second.clone()) });
    // Whichever reactor accepts it: half of them have to move.
    let begun = Instant::now();
    let mut all: Vec<TcpStream> = (0..8).map(|_| ringws_kit::tcp(port)).collect();
    // Most of its time: what is measured is that, and no order of events.
    std::thread::sleep(Duration::from_millis(2_500));
    for client in &mut all {
        client.write_all(request("/late", &[]).as_bytes()).expect("room");
    }
    for client in &mut all {
        assert!(String::from_utf8_lossy(&read_to_end(client)).starts_with("HTTP/1.1 503 "));
    }
    assert!(begun.elapsed() < Duration::from_millis(6_000), "{:?}", begun.elapsed());
    assert!(stats(&engine).handed_over > 0, "all were accepted where they belong");
}
