//! One connection, its clock turned by hand and its bytes written by hand.

mod age;
mod client_handshake;
mod close;
mod deadlines;
mod deflate;
mod direct;
mod latest;
mod limits;
mod outbound;
mod policy;
mod receive;
mod server_handshake;

use super::*;
use crate::memory::{Batch, Outgoing, Pool, Shared};
use crate::proto::handshake::Response;
use crate::proto::{CloseCode, Input, Opcode, Violation};
use crate::tick::Tick;
use bytes::Bytes;
use ringws_kit::{Frame, close as close_payload, frame};
use std::io::IoSlice;

/// A request that is accepted.
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// An event, detached from its input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Upgrade,
    /// With the subprotocol.
    Open(Option<String>),
    Tunnel,
    Message {
        opcode: Opcode,
        data: Vec<u8>,
        first: bool,
        last: bool,
        copied: bool,
    },
    Pong(Vec<u8>),
    Close,
}

/// A connection and what its owner has.
struct Bench {
    conn: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    now: Tick,
    copied: u64,
}

impl Bench {
    /// Waiting for a head since tick 1000.
    fn new(limits: Limits) -> Self {
        let now = 1000;
        let (conn, pool) = (Connection::server(now), Pool::default());
        let tools = Tools::new(|block| block.fill(0x5A));
        Self { conn, limits, pool, tools, now, copied: 0 }
    }

    /// Open since tick 1000, all sent.
    fn open(limits: Limits) -> Self {
        let mut bench = Self::new(limits);
        assert_eq!(bench.feed(REQUEST), (vec![Got::Upgrade], None));
        assert!(bench.sent().starts_with(b"HTTP/1.1 101 "));
        bench
    }

    /// Runs a call with what it borrows.
    fn with<T>(&mut self, call: impl FnOnce(&mut Connection, &mut Env<'_>) -> T) -> T {
        let Self { conn, limits, pool, tools, now, copied } = self;
        call(conn, &mut Env { now: *now, limits, pool, tools, copied })
    }

    /// Receives `bytes`, accepting an upgrade: all events, and the failure if there is one.
    fn feed(&mut self, bytes: &[u8]) -> (Vec<Got>, Option<Failure>) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        let mut all = Vec::new();
        loop {
            match self.with(|conn, env| conn.receive(&mut input, env)) {
                Ok(Some(event)) => self.detach(event, &mut all),
                end => {
                    assert!(input.is_empty(), "all is consumed");
                    assert_eq!(end.err(), self.conn.failure(), "the failure is held");
                    return (all, self.conn.failure());
                }
            }
        }
    }

    /// What the event says, detached from its input.
    fn detach(&mut self, event: Event<'_>, all: &mut Vec<Got>) {
        let mut keep = |data: Data<'_>| {
            let copied = matches!(data, Data::Owned(_));
            let bytes = data.as_slice().to_vec();
            if let Data::Owned(bytes) = data {
                self.pool.put(bytes);
            }
            (bytes, copied)
        };
        all.push(match event {
            Event::Batch(batch) => {
                return all.extend(batch.map(|(opcode, data)| lent(opcode, data)));
            }
            Event::Request(request) => {
                self.with(|conn, env| conn.accept(&request, &Response::default(), env));
                Got::Upgrade
            }
            Event::Message { opcode, data, first, last } => {
                let (data, copied) = keep(data);
                Got::Message { opcode, data, first, last, copied }
            }
            Event::Open(answer) => Got::Open(answer.protocol().map(str::to_owned)),
            Event::Tunnel => Got::Tunnel,
            Event::Pong(data) => Got::Pong(keep(data).0),
            Event::Close => Got::Close,
        });
    }

    /// The next batch, as a reactor asks for it.
    fn transmit(&mut self) -> Option<Batch> {
        if self.conn.holds_latest() {
            self.with(|conn, env| conn.queue_latest(env));
        }
        let batch = self.conn.transmit();
        self.conn.note_waiting(self.now);
        batch
    }

    /// Sends all that is queued and returns it.
    fn sent(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(batch) = self.transmit() {
            all.extend(contents(&batch));
            let len = batch.len();
            self.with(|conn, env| conn.transmitted(batch, len, env));
        }
        all
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<Queued, SendError> {
        self.with(|conn, env| conn.send(opcode, payload, SendFlags::default(), env))
    }

    fn send_more(&mut self, opcode: Opcode, payload: &[u8]) -> Result<Queued, SendError> {
        self.with(|conn, env| {
            conn.send(opcode, payload, SendFlags { more: true, plain: false }, env)
        })
    }

    fn close(&mut self, code: u16, reason: &str) -> Result<(), SendError> {
        self.with(|conn, env| conn.close(CloseCode(code), reason, env))
    }

    /// Lets time pass, calling `expired` at each deadline.
    fn run_until(&mut self, end: Tick) {
        while let Some(at) = self.conn.deadline(&self.limits).filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.with(|conn, env| conn.expired(env));
            let next = self.conn.deadline(&self.limits);
            assert!(next.is_none_or(|next| next > self.now), "a deadline that does not move");
        }
        self.now = end;
    }
}

/// The bytes of a batch that are not sent yet.
fn contents(batch: &Batch) -> Vec<u8> {
    let mut out = [IoSlice::new(&[]); 64];
    let written = batch.slices(&mut out);
    let bytes: Vec<u8> = out[..written].iter().flat_map(|s| s.iter().copied()).collect();
    assert_eq!(bytes.len(), batch.len(), "more pieces than this test has room for");
    bytes
}

/// A header with this first byte and a masked length in its minimal form, then the key.
fn header(first: u8, len: u64) -> Vec<u8> {
    Frame::new(first, b"").declares(len).bytes()
}

/// A whole message that was lent.
fn lent(opcode: Opcode, data: impl AsRef<[u8]>) -> Got {
    let data = data.as_ref().to_vec();
    Got::Message { opcode, data, first: true, last: true, copied: false }
}

/// A whole message that had to be assembled.
fn owned(opcode: Opcode, data: impl AsRef<[u8]>) -> Got {
    let data = data.as_ref().to_vec();
    Got::Message { opcode, data, first: true, last: true, copied: true }
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
}

#[test]
fn an_idle_connection_holds_no_heap_memory() {
    let mut bench = Bench::open(Limits::default());
    assert_eq!(bench.conn.heap_bytes(), 0, "after the upgrade");
    let big = frame(0x82, vec![7; 300_000]);
    for chunk in [&frame(0x81, "hello"), &big[..1000], &big[1000..], &frame(0x89, "ping")] {
        bench.feed(chunk);
        bench.send(Opcode::Binary, &[1; 100_000]).unwrap();
        let shared = Outgoing::new(Opcode::Binary, Bytes::from(vec![2; 100_000]));
        bench.with(|conn, env| conn.send_message(&shared, env)).unwrap();
        let _ = bench.send(Opcode::Text, b"behind");
        assert!(bench.conn.heap_bytes() > 0);
        bench.sent();
    }
    assert_eq!((bench.conn.heap_bytes(), bench.conn.buffered()), (0, 0), "after traffic");
    assert!(bench.conn.rare.is_none());
    let cut = frame(0x89, "cut in two");
    bench.feed(&cut[..9]);
    assert!(bench.conn.heap_bytes() > 0);
    bench.feed(&cut[9..]);
    bench.sent();
    assert_eq!(bench.conn.heap_bytes(), 0, "after a control frame that came split");
}

#[test]
fn a_warm_reactor_makes_no_vectors() {
    let mut bench = Bench::open(Limits::default());
    let turn = |bench: &mut Bench| {
        let big = frame(0x82, vec![7; 200_000]);
        bench.feed(&big[..50_000]);
        let (got, _) = bench.feed(&big[50_000..]);
        assert_eq!(got.len(), 1);
        bench.send(Opcode::Binary, &[1; 200_000]).unwrap();
        bench.sent();
        bench.pool.bytes()
    };
    let warm = [turn(&mut bench), turn(&mut bench)][1];
    for _ in 0..10 {
        // A vector made anew would end in the pool too.
        assert_eq!(turn(&mut bench), warm);
    }
}
