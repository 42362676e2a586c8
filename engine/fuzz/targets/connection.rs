//! One connection in memory: bytes from the peer, calls of the application and the clock in any
//! order. Its promises hold after each step, and what it sends is sound to the last byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::conn::{
    Connection, Data, Disposition, Env, Event, Failure, Limits, SendFlags, Tools, WhenFull,
};
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::proto::handshake::Response;
use ringws_engine::proto::{CloseCode, Input as Cursor, Opcode};
use ringws_fuzz::{Input, pieces, server_frames};
use std::io::IoSlice;

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const LIMITS: Limits = Limits {
    message_max: 300,
    fragments_max: 5,
    send_queue_max: 1000,
    when_full: WhenFull::Refuse,
    queue_age_max_ms: u32::MAX,
    head_max: 512,
    handshake_timeout_ms: 100,
    idle_timeout_ms: 200,
    close_timeout_ms: 50,
    lifetime_max_ms: u32::MAX,
    lifetime_code: CloseCode::GOING_AWAY,
    ping_interval_ms: u32::MAX,
    stream: false,
    deflate: None,
    requests: false,
    body_max: 64,
};
/// The longest message that the application sends here.
const SEND_MAX: usize = 400;

struct Bench {
    conn: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    now: u64,
    copied: u64,
    /// What the peer has been sent.
    wire: Vec<u8>,
    batch: Option<Batch>,
    failed: Option<Failure>,
    closed: bool,
    paused: bool,
    asked_to_close: bool,
    /// Bytes of the application's pings: a full queue does not hold them back.
    pinged: usize,
}

impl Bench {
    fn with<T>(&mut self, call: impl FnOnce(&mut Connection, &mut Env<'_>) -> T) -> T {
        let Self { conn, limits, pool, tools, now, copied, .. } = self;
        call(conn, &mut Env { now: *now, limits, pool, tools, copied })
    }

    fn receive(&mut self, piece: &[u8]) {
        let mut bytes = piece.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        loop {
            let found = self.with(|conn, env| match conn.receive(&mut cursor, env) {
                Ok(Some(Event::Request(request))) => {
                    conn.accept(&request, &Response::default(), env);
                    Ok(true)
                }
                Ok(Some(Event::Batch(batch))) => {
                    for (opcode, bytes) in batch {
                        assert!(bytes.len() <= LIMITS.message_max as usize);
                        let checked = opcode != Opcode::Text || std::str::from_utf8(bytes).is_ok();
                        assert!(checked, "text that is not UTF-8");
                    }
                    Ok(true)
                }
                Ok(Some(Event::Message { opcode, data, first, last })) => {
                    let bytes = data.as_slice();
                    assert!(first && last || env.limits.stream);
                    assert!(env.limits.stream || bytes.len() <= LIMITS.message_max as usize);
                    let checked = opcode != Opcode::Text || std::str::from_utf8(bytes).is_ok();
                    assert!(checked || env.limits.stream, "text that is not UTF-8");
                    if let Data::Owned(bytes) = data {
                        env.pool.put(bytes);
                    }
                    Ok(true)
                }
                Ok(Some(Event::Pong(data))) => {
                    assert!(data.as_slice().len() <= 125);
                    Ok(true)
                }
                Ok(Some(Event::Open(_) | Event::Tunnel)) => panic!("a server asks for nothing"),
                Ok(Some(Event::Close)) => Ok(false),
                Ok(None) => Err(None),
                Err(failure) => Err(Some(failure)),
            });
            match found {
                Ok(event) => {
                    assert!(!self.closed && self.failed.is_none(), "an event after the end");
                    self.closed |= !event;
                }
                Err(None) => break assert!(self.failed.is_none()),
                Err(Some(failure)) => {
                    assert_eq!(*self.failed.get_or_insert(failure), failure, "another failure");
                    break;
                }
            }
        }
        assert!(cursor.is_empty(), "bytes left over");
    }

    fn transmit(&mut self, most: usize) {
        if self.batch.is_none() {
            self.batch = self.conn.transmit();
        }
        assert!(self.batch.is_none() || self.conn.transmit().is_none(), "two batches out");
        let Some(batch) = self.batch.take() else { return };
        let mut slices = [IoSlice::new(&[]); 8];
        let written = batch.slices(&mut slices);
        let bytes: Vec<u8> = slices[..written].iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(!bytes.is_empty(), "an empty batch");
        let n = most.clamp(1, bytes.len());
        self.wire.extend_from_slice(&bytes[..n]);
        let before = self.conn.buffered();
        self.with(|conn, env| conn.transmitted(batch, n, env));
        // A pong that waited for this, the last of several, is queued now.
        let pong = self.conn.buffered().checked_sub(before - n).expect("bytes lost");
        assert!(pong <= 2 + 125, "{pong} bytes from nowhere");
    }

    /// One call of the application or of the clock.
    fn act(&mut self, op: u8) {
        let plain = SendFlags::default();
        let more = SendFlags { more: true, ..plain };
        let size = usize::from(op >> 4) * (SEND_MAX / 16);
        match op & 15 {
            1 => self.send(Opcode::Text, &vec![b'x'; size], plain),
            2 => self.send(Opcode::Binary, &vec![0xFF; size], more),
            3 => self.send(Opcode::Continuation, &vec![b'y'; size], plain),
            4 => {
                self.send(Opcode::Ping, &vec![b'p'; size.min(125)], plain);
                self.pinged += 2 + size.min(125);
            }
            5 => {
                let closed = self.with(|conn, env| conn.close(CloseCode::NORMAL, "bye", env));
                self.asked_to_close |= closed.is_ok();
            }
            6 | 7 => self.transmit(size),
            8 => self.transmit(usize::MAX),
            9 | 10 => self.pass_time(size as u64),
            11 => {
                self.paused = !self.paused;
                self.conn.set_paused(self.paused, self.now);
            }
            12 => self.conn.end_of_stream(self.now),
            _ => {}
        }
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8], flags: SendFlags) {
        let before = self.conn.buffered();
        let sent = self.with(|conn, env| conn.send(opcode, payload, flags, env));
        match sent {
            Ok(_) => assert!(!self.asked_to_close && !self.closed, "data behind a Close"),
            Err(_) => assert_eq!(self.conn.buffered(), before, "refused and queued"),
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.now += ms;
        if self.conn.deadline(&self.limits).is_some_and(|at| at <= self.now) {
            self.with(|conn, env| conn.expired(env));
            let next = self.conn.deadline(&self.limits);
            let settled = self.conn.disposition() == Disposition::Abort;
            assert!(settled || next.is_none_or(|at| at > self.now), "a deadline that stays");
        }
    }

    fn check(&mut self, before: Disposition) {
        let queued = self.conn.buffered();
        let most = LIMITS.send_queue_max as usize + SEND_MAX + 2 * 127 + 512 + self.pinged;
        assert!(queued <= most, "{queued} bytes queued");
        let rank = |disposition| match disposition {
            Disposition::Open => 0,
            Disposition::Finish | Disposition::Await => 1,
            Disposition::Abort => 2,
        };
        let now = self.conn.disposition();
        assert!(rank(now) >= rank(before), "{before:?} became {now:?}");
    }

    /// Sends all that is queued and reads it as the peer does.
    fn finish(mut self) {
        while self.conn.buffered() > 0 {
            self.transmit(usize::MAX);
        }
        let frames = match self.wire.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) if self.conn.opened() => server_frames(&self.wire[end + 4..]),
            _ => return,
        };
        let frames = frames.expect("frames that are sound");
        let closes = frames.iter().filter(|(first, _)| first & 15 == 8).count();
        assert!(closes <= 1, "two Close frames");
        // Behind ours pings are still answered, until the peer's has come (RFC 6455 §5.5.2).
        let mut behind = frames.iter().skip_while(|(first, _)| first & 15 != 8).skip(1);
        assert!(behind.all(|(first, _)| *first == 0x8A), "frames behind a Close");
        if matches!(self.failed, Some(Failure::Violation(_))) {
            assert_eq!(closes, 1, "a violation without a Close frame");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (how, flags) = (input.byte(), input.byte());
    let ops = [(); 24].map(|()| input.byte());
    let mut stream = if flags & 1 == 0 { HEAD.to_vec() } else { Vec::new() };
    stream.extend_from_slice(input.rest());
    let mut bench = Bench {
        conn: Connection::server(0),
        limits: Limits { stream: flags & 2 != 0, ..LIMITS },
        pool: Pool::new(1 << 16),
        tools: Tools::new(|block| block.fill(0x5A)),
        now: 0,
        copied: 0,
        wire: Vec::new(),
        batch: None,
        failed: None,
        closed: false,
        paused: false,
        asked_to_close: false,
        pinged: 0,
    };
    for (at, piece) in pieces(how, &stream).into_iter().enumerate() {
        let before = bench.conn.disposition();
        bench.receive(piece);
        bench.act(ops[at % ops.len()]);
        bench.check(before);
    }
    bench.finish();
});
