//! A peer that reads slowly, and one that does not read: what the first takes of what waits for it
//! is a sign of life, wherever it waits, and the second is ended in time. Plain and over TLS.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at, reactors, start};
use super::service::{PATIENCE, settings};
use ringws_engine::config::{Endpoint, SocketOptions};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Cause, Closed, Conn, Context, Handler};
use ringws_engine::tls::Server;
use ringws_kit::{CLOSE, Client, close};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const IDLE: Duration = Duration::from_secs(1);
/// What is sent, in one message.
const LEN: usize = 800 << 10;
/// The slow one reads so much, and then does something else for so long.
const PIECE: usize = 8 << 10;
const PAUSE: Duration = Duration::from_millis(30);
/// Until so much is left, which its own system may have taken: of that nobody hears whether it is
/// read. Before that it takes more than two such times.
const LAST: usize = 256 << 10;

/// Sends a message, and tells how the connection has ended, and after how long.
struct Feeds(Sender<(Cause, Duration)>, Mutex<Option<Instant>>);

impl Handler for Feeds {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        ctx.send(conn, Opcode::Binary, &vec![b'x'; LEN], SendFlags::default()).unwrap();
        *self.1.lock().unwrap() = Some(Instant::now());
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let opened = self.1.lock().unwrap().expect("it was open");
        self.0.send((closed.cause, opened.elapsed())).unwrap();
    }
}

type Ends = Receiver<(Cause, Duration)>;

/// All of the message waits in the kernel, or most of it in the queue.
fn serves(tls: Option<Server>, kernel_send_max: u32) -> (Engine, u16, Ends) {
    let (tell, ends) = channel();
    let limits = Limits { idle_timeout_ms: IDLE.as_millis() as u32, ..Limits::default() };
    let socket_options = SocketOptions { kernel_send_max, ..SocketOptions::default() };
    let feeds = at(Feeds(tell, Mutex::default()));
    let (engine, port) = start(reactors(1), Endpoint { tls, limits, socket_options, ..feeds });
    (engine, port, ends)
}

/// Reads all of the message and answers no Ping before: that comes behind it.
fn reads_slowly<S: Read + Write>(mut client: Client<S>, ends: &Ends) {
    let (mut piece, mut read) = (vec![0; PIECE], 0);
    // The frame's header has 10 bytes (RFC 6455 §5.2).
    while read < 10 + LEN {
        let most = PIECE.min(10 + LEN - read);
        match client.stream.read(&mut piece[..most]) {
            Ok(n @ 1..) => read += n,
            other => panic!("{other:?} after {read} bytes: {:?}", ends.try_recv()),
        }
        if read < LEN - LAST {
            thread::sleep(PAUSE);
        }
    }
    client.send(CLOSE, close(1000, "had it"));
    let (cause, after) = ends.recv_timeout(PATIENCE).expect("it ends");
    assert_eq!(cause, Cause::PeerClose, "after {after:?}");
    assert!(after > IDLE * 2, "it was read within {after:?}, which proves nothing");
}

/// Reads nothing, and says nothing.
fn reads_nothing<S>(client: Client<S>, ends: &Ends) {
    let (cause, after) = ends.recv_timeout(PATIENCE).expect("it ends");
    assert!(matches!(cause, Cause::Stuck | Cause::Silent), "{cause:?}");
    assert!(after > IDLE * 9 / 10 && after < IDLE * 2, "{cause:?} after {after:?}");
    drop(client);
}

/// In the kernel alone, and beyond it.
const KERNEL_SEND_MAX: [u32; 2] = [0, 32 << 10];

#[test]
fn who_reads_slowly_gets_all_and_who_does_not_read_is_ended() {
    thread::scope(|scope| {
        for max in KERNEL_SEND_MAX {
            scope.spawn(move || {
                let (_engine, port, ends) = serves(None, max);
                reads_slowly(Client::connect(port), &ends);
            });
            scope.spawn(move || {
                let (_engine, port, ends) = serves(None, max);
                reads_nothing(Client::connect(port), &ends);
            });
        }
    });
}

#[test]
fn so_it_is_over_tls() {
    let authority = Authority::new("test");
    let settings = settings(&[&authority.issue(&["localhost"])]);
    let dial = Dial::new(&authority);
    let (dial, settings) = (&dial, &settings);
    thread::scope(|scope| {
        for max in KERNEL_SEND_MAX {
            let serve = move || serves(Some(Server::new(settings).unwrap()), max);
            let open = |port| dial.open(port).unwrap();
            scope.spawn(move || {
                let (_engine, port, ends) = serve();
                reads_slowly(open(port), &ends);
            });
            scope.spawn(move || {
                let (_engine, port, ends) = serve();
                reads_nothing(open(port), &ends);
            });
        }
    });
}
