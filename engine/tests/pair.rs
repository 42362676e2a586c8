//! A server connection and a client written by hand, joined in memory: messages in are messages
//! out, in order, however the bytes between them are cut.

use ringws_engine::conn::{
    Connection, Data, Disposition, Env, Event, Failure, Limits, Queued, SendFlags, Tools,
};
use ringws_engine::memory::{Batch, Outgoing, Pool};
use ringws_engine::proto::handshake::Response;
use ringws_engine::proto::{CloseCode, Input, Opcode};
use ringws_kit::{BINARY, CLOSE, FIN, Frame, PONG, TEXT, close, frame, request, split};
use std::io::IoSlice;

/// SplitMix64: the same chunks for the same seed, for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

type Message = (Opcode, Vec<u8>);

/// What the client sends: bytes, and what they mean.
#[derive(Default)]
struct Script {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    pings: Vec<Vec<u8>>,
}

impl Script {
    fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8], key: [u8; 4]) {
        let first = opcode as u8 | if fin { FIN } else { 0 };
        self.bytes.extend(Frame::new(first, payload).key(key).bytes());
    }

    /// Messages of all kinds, in fragments and not, with Pings between.
    fn random(random: &mut Random, messages: usize, len_max: usize) -> Self {
        let mut script = Self::default();
        for _ in 0..messages {
            let len = random.below(len_max) >> random.below(12);
            let (opcode, payload) = match random.below(2) {
                0 => (Opcode::Binary, (0..len).map(|_| random.next() as u8).collect()),
                _ => (Opcode::Text, text(random, len)),
            };
            script.message(random, opcode, &payload);
            script.messages.push((opcode, payload));
        }
        script
    }

    fn message(&mut self, random: &mut Random, opcode: Opcode, payload: &[u8]) {
        let (mut opcode, mut rest) = (opcode, payload);
        loop {
            if random.below(4) == 0 {
                let ping: Vec<u8> = (0..random.below(126)).map(|_| random.next() as u8).collect();
                let key = (random.next() as u32).to_le_bytes();
                self.frame(Opcode::Ping, true, &ping, key);
                self.pings.push(ping);
            }
            let fin = random.below(3) > 0;
            let cut = if fin { rest.len() } else { random.below(rest.len() + 1) };
            let (now, later) = rest.split_at(cut);
            self.frame(opcode, fin, now, (random.next() as u32).to_le_bytes());
            if fin {
                return;
            }
            (opcode, rest) = (Opcode::Continuation, later);
        }
    }
}

/// Characters of all lengths, about `len` bytes.
fn text(random: &mut Random, len: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < len {
        text.push(['a', '\u{e9}', '\u{20ac}', '\u{1f600}'][random.below(4)]);
    }
    text.into_bytes()
}

/// Messages and Pongs out of all that the server sent behind its 101.
fn understand(bytes: &[u8]) -> (Vec<Message>, Vec<Vec<u8>>, Vec<u8>) {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    assert!(bytes.starts_with(b"HTTP/1.1 101 "));
    let (mut messages, mut pongs, mut rest) = (Vec::new(), Vec::new(), &bytes[end..]);
    while !rest.is_empty() {
        let (first, payload, after) = split(rest).expect("a whole frame");
        match first {
            TEXT => messages.push((Opcode::Text, payload.to_vec())),
            BINARY => messages.push((Opcode::Binary, payload.to_vec())),
            PONG => pongs.push(payload.to_vec()),
            CLOSE => {
                assert!(after.is_empty(), "something behind the Close");
                return (messages, pongs, payload.to_vec());
            }
            _ => panic!("an unexpected frame {first:x}"),
        }
        rest = after;
    }
    (messages, pongs, Vec::new())
}

/// A server that answers every message with itself.
struct Echo {
    conn: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    copied: u64,
    sent: Vec<u8>,
    /// Bytes per send, 0 for all.
    short: usize,
    /// Answer by reference where that is possible.
    share: bool,
    out: Option<Batch>,
    /// In stream mode, the message so far.
    parts: Vec<u8>,
    closed: usize,
}

impl Echo {
    fn new(limits: Limits) -> Self {
        Self {
            conn: Connection::server(0),
            limits,
            pool: Pool::default(),
            tools: Tools::new(|block| block.fill(0x5A)),
            copied: 0,
            sent: Vec::new(),
            short: 0,
            share: false,
            out: None,
            parts: Vec::new(),
            closed: 0,
        }
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Connection, &mut Env<'_>) -> T) -> T {
        let Self { conn, limits, pool, tools, copied, .. } = self;
        call(conn, &mut Env { now: 1, limits, pool, tools, copied })
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        while let Some(event) =
            self.with(|conn, env| conn.receive(&mut input, env)).expect("no failure")
        {
            match event {
                Event::Request(request) => {
                    self.with(|conn, env| conn.accept(&request, &Response::default(), env));
                }
                Event::Batch(batch) => {
                    batch.for_each(|(opcode, data)| self.answer(opcode, data, true));
                }
                Event::Message { opcode, data, last, .. } => {
                    self.answer(opcode, data.as_slice(), last);
                    if let Data::Owned(bytes) = data {
                        self.pool.put(bytes);
                    }
                }
                Event::Open(_) | Event::Tunnel => panic!("a server asks for nothing"),
                Event::Pong(_) => panic!("nobody was asked"),
                Event::Close => self.closed += 1,
            }
        }
        assert!(input.is_empty());
    }

    fn answer(&mut self, opcode: Opcode, data: &[u8], last: bool) {
        self.parts.extend_from_slice(data);
        if !last {
            return;
        }
        let message = std::mem::take(&mut self.parts);
        let queued = if self.share {
            let message = Outgoing::new(opcode, message.into());
            self.with(|conn, env| conn.send_message(&message, env))
        } else {
            self.with(|conn, env| conn.send(opcode, &message, SendFlags::default(), env))
        };
        assert_eq!(queued, Ok(Queued::Ok));
    }

    /// Moves the send along: gives a batch out, or takes the one that is out back.
    fn turn(&mut self) {
        let Some(batch) = self.out.take() else {
            self.out = self.conn.transmit();
            return;
        };
        let mut out = [IoSlice::new(&[]); 8];
        let written = batch.slices(&mut out);
        let offered = out[..written].iter().flat_map(|s| s.iter().copied());
        let before = self.sent.len();
        self.sent.extend(offered.take(if self.short == 0 { usize::MAX } else { self.short }));
        let n = self.sent.len() - before;
        self.with(|conn, env| conn.transmitted(batch, n, env));
    }

    fn drain(&mut self) {
        while self.conn.buffered() > 0 {
            self.turn();
        }
    }
}

/// Cuts the conversation as `cut` says and checks that all comes back.
fn converse(script: &Script, echo: &mut Echo, mut cut: impl FnMut(usize) -> usize) {
    let close = frame(CLOSE, close(1000, ""));
    let all = [request("/", &[]).as_bytes(), &script.bytes, &close].concat();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
        echo.receive(now);
        echo.turn();
        rest = later;
    }
    echo.drain();
    let (messages, pongs, close) = understand(&echo.sent);
    assert!(messages == script.messages, "messages differ");
    assert!(pongs == script.pings, "pongs differ");
    assert_eq!((close.as_slice(), echo.closed), (&[0x03, 0xE8][..], 1));
    assert_eq!(echo.conn.disposition(), Disposition::Finish);
    assert!(echo.conn.transmit().is_none() && echo.out.is_none());
    echo.conn.end_of_stream(1);
    assert_eq!(echo.conn.disposition(), Disposition::Abort);
    assert_eq!((echo.conn.failure(), echo.conn.close_info().code), (None, CloseCode::NORMAL));
}

#[test]
fn a_conversation_is_the_same_cut_at_every_point() {
    let script = Script::random(&mut Random(1), 12, 400);
    let total = request("/", &[]).len() + script.bytes.len() + 8;
    assert!(script.pings.len() > 2);
    for at in 1..=total {
        let mut cuts = [at].into_iter();
        converse(&script, &mut Echo::new(Limits::default()), |rest| cuts.next().unwrap_or(rest));
    }
}

#[test]
fn a_conversation_is_the_same_in_chunks_of_one_size() {
    let script = Script::random(&mut Random(2), 40, 2000);
    for size in 1..40 {
        converse(&script, &mut Echo::new(Limits::default()), |_| size);
    }
}

#[test]
fn a_conversation_is_the_same_in_random_chunks_and_short_sends() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let script = Script::random(&mut random, 30, 20_000);
        let mut echo = Echo::new(Limits {
            stream: seed % 3 == 0,
            send_queue_max: u32::MAX,
            ..Limits::default()
        });
        echo.short = [0, 1000, 70_000][random.below(3)];
        echo.share = seed % 2 == 0;
        let chunk_max = [3, 100, 5000, 50_000][random.below(4)];
        converse(&script, &mut echo, |_| random.below(chunk_max));
    }
}

#[test]
fn what_comes_whole_is_never_copied() {
    let script = Script::random(&mut Random(4), 50, 3000);
    let mut unfragmented = Script::default();
    for (opcode, payload) in &script.messages {
        unfragmented.frame(*opcode, true, payload, [1, 2, 3, 4]);
    }
    unfragmented.messages = script.messages;
    let mut echo = Echo::new(Limits::default());
    converse(&unfragmented, &mut echo, |rest| rest);
    assert_eq!(echo.copied, 0);
}

#[test]
fn all_memory_comes_back_to_the_pool() {
    let mut echo = Echo::new(Limits::default());
    let mut random = Random(5);
    echo.receive(request("/", &[]).as_bytes());
    echo.drain();
    let mut kept = Vec::new();
    for round in 0..6 {
        let script = Script::random(&mut Random(6), 40, 20_000);
        let mut rest = script.bytes.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.below(3000).clamp(1, rest.len()));
            echo.receive(now);
            echo.drain();
            rest = later;
        }
        assert_eq!(echo.conn.buffered(), 0, "round {round}");
        kept.push(echo.pool.bytes());
    }
    // Idle and warm, the pool holds every vector there is; one that the connection kept, and
    // another made in its place, would show as more at the end.
    echo.with(|conn, env| conn.release(env.pool));
    assert_eq!(kept[2..], [echo.pool.bytes(); 4]);
}

#[test]
fn a_stream_that_ends_anywhere_is_no_order() {
    let script = Script::random(&mut Random(7), 5, 300);
    for end in 0..script.bytes.len() {
        let mut echo = Echo::new(Limits::default());
        echo.receive(request("/", &[]).as_bytes());
        echo.receive(&script.bytes[..end]);
        echo.conn.end_of_stream(1);
        assert_eq!(echo.conn.failure(), Some(Failure::EndOfStream));
        // The peer may still read what was queued for it.
        echo.drain();
        assert_eq!(echo.conn.disposition(), Disposition::Abort);
        assert_eq!(echo.conn.close_info().code, CloseCode::ABNORMAL);
    }
}

#[test]
fn changed_bits_fail_or_pass_but_never_panic_nor_grow() {
    let limits = Limits { message_max: 1 << 16, ..Limits::default() };
    for seed in 0..2000 {
        let mut random = Random(seed);
        let mut bytes = Script::random(&mut random, 6, 500).bytes;
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        let mut echo = Echo::new(limits);
        echo.receive(request("/", &[]).as_bytes());
        let mut input = Input::new(&mut bytes);
        loop {
            match echo.with(|conn, env| conn.receive(&mut input, env)) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(failure) => {
                    assert!(matches!(failure, Failure::Violation(_)), "{failure}");
                    assert_eq!(echo.conn.disposition(), Disposition::Finish);
                    break;
                }
            }
        }
        assert!(input.is_empty() && echo.conn.buffered() < 4096);
        echo.drain();
        understand(&echo.sent);
    }
}
