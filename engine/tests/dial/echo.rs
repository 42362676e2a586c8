//! Servers that mean well.

use super::service::{at, reactors, start};
use super::support::{Echo, Heard, echo, next, started, target};
use ringws_engine::conn::SendFlags;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Conn, Context, Handler, Message, Target, Upgrade};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// What one echo and an orderly end look like.
fn hears_an_echo(url: &str) {
    let client = started(1);
    let (target, told) = target(url);
    client.connect(target).expect("taken");
    let closed = Heard::Closed(1000, Some(1000));
    for expected in [Heard::Open, Heard::Message(b"hello".to_vec()), closed] {
        assert_eq!(next(&told), expected);
    }
    let stats = client.stats(None).expect("all");
    assert_eq!((stats.connected, stats.connect_failed), (1, 0));
    client.stop(Duration::ZERO);
    client.wait().expect("an orderly end");
}

#[test]
fn a_literal_address_is_reached() {
    let (_server, port) = echo();
    hears_an_echo(&format!("ws://127.0.0.1:{port}/"));
}

#[test]
fn a_name_is_reached() {
    let (_server, port) = echo();
    // Both families or one: whoever listens is found.
    hears_an_echo(&format!("ws://localhost:{port}/"));
}

/// Chooses a subprotocol, answers with a header, and demands one.
struct Picky;

impl Handler for Picky {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        if upgrade.request().header("Authorization") != Some(b"Bearer x") {
            return Err(Refusal::new(401).because("who are you"));
        }
        upgrade.set_protocol("v2").expect("offered");
        upgrade.add_header("X-Shard", b"7").expect("a header");
        Ok(())
    }
}

struct Reads(Sender<(Option<String>, Option<Vec<u8>>, bool)>);

impl Handler for Reads {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let answer = ctx.answer_of(conn).expect("inside of on_open");
        let protocol = answer.protocol().map(str::to_owned);
        let shard = answer.header("x-shard").map(<[u8]>::to_vec);
        let other = ctx.answer_of(Conn::from_bits(u64::MAX)).is_some();
        self.0.send((protocol, shard, other)).expect("somebody listens");
        ctx.abort(conn).expect("it is open");
    }
}

#[test]
fn headers_and_subprotocols_go_both_ways() {
    let (_server, port) = start(reactors(1), at(Picky));
    let client = started(1);
    let (tell, told) = channel();
    let url = format!("ws://127.0.0.1:{port}/chat");
    let mut asks = Target::new(&url, Arc::new(Reads(tell))).expect("a target");
    asks.offer_protocol("v1").expect("a token");
    asks.offer_protocol("v2").expect("a token");
    asks.add_header("Authorization", b"Bearer x").expect("a header");
    client.connect(asks).expect("taken");
    let heard = told.recv_timeout(Duration::from_secs(20)).expect("on_open");
    assert_eq!(heard, (Some("v2".into()), Some(b"7".to_vec()), false));

    let (unknown, told) = target(&url);
    client.connect(unknown).expect("taken");
    let body = b"401 who are you\n".to_vec();
    assert_eq!(next(&told), Heard::Refused("answered with status 401".into(), 401, body, 0));
}

/// Counts echoes of many connections.
struct Many {
    open: AtomicU32,
    echoed: AtomicU32,
    done: Sender<()>,
    all: u32,
}

impl Handler for Many {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        if self.open.fetch_add(1, Ordering::Relaxed) + 1 == self.all {
            self.done.send(()).expect("somebody listens");
        }
        ctx.send(conn, Opcode::Binary, &[7; 200], SendFlags::default()).expect("it is open");
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        assert_eq!(message.payload, [7; 200]);
        ctx.close(conn, CloseCode::GOING_AWAY, "").expect("it is open");
        if self.echoed.fetch_add(1, Ordering::Relaxed) + 1 == self.all {
            self.done.send(()).expect("somebody listens");
        }
    }
}

/// Twice, so that places are used again.
#[test]
fn one_reactor_makes_two_thousand_connections_twice() {
    const ALL: u32 = 2_000;
    let (_server, port) = echo();
    let client = started(1);
    for _ in 0..2 {
        let (done, wait) = channel();
        let (open, echoed) = (AtomicU32::new(0), AtomicU32::new(0));
        let handler = Arc::new(Many { open, echoed, done, all: ALL });
        for _ in 0..ALL {
            let url = format!("ws://127.0.0.1:{port}/");
            client.connect(Target::new(&url, handler.clone()).expect("a target")).expect("taken");
        }
        for _ in 0..2 {
            wait.recv_timeout(Duration::from_secs(60)).expect("all open, and all echoed");
        }
    }
    client.stop(Duration::from_secs(5));
    client.wait().expect("an orderly end");
    let stats = client.stats(None).expect("all");
    let expected = (0, u64::from(2 * ALL), 0);
    assert_eq!((stats.connections, stats.connected, stats.connect_failed), expected);
}

/// Connects from inside of a callback, to itself.
#[test]
fn an_engine_may_connect_to_itself() {
    let (engine, port) = start(reactors(2), at(Echo));
    let (target, told) = target(&format!("ws://127.0.0.1:{port}/"));
    let job = Box::new(move |ctx: &mut Context| {
        ctx.connect(target).expect("taken");
    });
    engine.handle().post(1, job).expect("taken");
    for expected in [Heard::Open, Heard::Message(b"hello".to_vec())] {
        assert_eq!(next(&told), expected);
    }
    assert_eq!(engine.stats(Some(1)).expect("there").connected, 1);
}
