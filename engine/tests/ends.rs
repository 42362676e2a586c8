//! Both ends of a connection, client and server, joined in memory: what goes in at one comes out at
//! the other, however the bytes between them are cut.

use ringws_engine::conn::{
    Connection, Data, Disposition, Env, Event, Limits, Queued, SendFlags, Tools,
};
use ringws_engine::memory::{Outgoing, Pool};
use ringws_engine::proto::handshake::Response;
use ringws_engine::proto::{Ask, CloseCode, Input, Opcode, Url};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn count(block: &mut [u8]) {
    static NEXT: AtomicU32 = AtomicU32::new(7);
    for word in block.chunks_exact_mut(4) {
        word.copy_from_slice(&NEXT.fetch_add(0x9E37_79B1, Ordering::Relaxed).to_le_bytes());
    }
}

/// One end, and what it has heard.
struct End {
    conn: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    copied: u64,
    heard: Vec<(Opcode, Vec<u8>)>,
    opened: u32,
    closed: u32,
}

impl End {
    fn new(client: bool) -> Self {
        let mut end = Self {
            conn: Connection::server(1),
            limits: Limits::default(),
            pool: Pool::default(),
            tools: Tools::new(count),
            copied: 0,
            heard: Vec::new(),
            opened: 0,
            closed: 0,
        };
        if client {
            let ask = Arc::new(Ask::new(&Url::parse("ws://a/").expect("a URL")));
            end.conn = end.with(|_, env| Connection::client(&ask, env));
        }
        end
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
                    self.opened += 1;
                }
                Event::Open(_) => self.opened += 1,
                Event::Batch(batch) => {
                    self.heard.extend(batch.map(|(opcode, data)| (opcode, data.to_vec())));
                }
                Event::Message { opcode, data, .. } => {
                    self.heard.push((opcode, data.as_slice().to_vec()));
                    if let Data::Owned(bytes) = data {
                        self.pool.put(bytes);
                    }
                }
                Event::Pong(_) => {}
                Event::Close => self.closed += 1,
                Event::Tunnel => panic!("there is no proxy"),
            }
        }
        assert!(input.is_empty());
    }

    /// All that is to be sent.
    fn say(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(batch) = self.conn.transmit() {
            let mut pieces = [IoSlice::new(&[]); 64];
            let written = batch.slices(&mut pieces);
            all.extend(pieces[..written].iter().flat_map(|piece| piece.iter().copied()));
            let len = batch.len();
            self.with(|conn, env| conn.transmitted(batch, len, env));
        }
        all
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8], more: bool) {
        let mut flags = SendFlags::default();
        if more {
            flags.more = true;
        }
        let queued = self.with(|conn, env| conn.send(opcode, payload, flags, env));
        assert_eq!(queued, Ok(Queued::Ok));
    }
}

/// Both say the same, of all kinds.
fn messages() -> Vec<(Opcode, Vec<u8>)> {
    vec![
        (Opcode::Text, b"short".to_vec()),
        (Opcode::Binary, vec![3; 126]),
        (Opcode::Text, "na\u{EF}ve, in two parts".into()),
        (Opcode::Binary, vec![5; 5_000]),
        (Opcode::Binary, Vec::new()),
    ]
}

fn say_all(end: &mut End) {
    end.send(Opcode::Text, b"short", false);
    end.send(Opcode::Binary, &[3; 126], false);
    let text = "na\u{EF}ve, in two parts".as_bytes();
    end.send(Opcode::Text, &text[..3], true);
    end.send(Opcode::Ping, b"?", false);
    end.send(Opcode::Continuation, &text[3..], false);
    let shared = Outgoing::new(Opcode::Binary, vec![5; 5_000].into());
    end.with(|conn, env| conn.send_message(&shared, env)).expect("room");
    end.send(Opcode::Binary, b"", false);
}

/// Hands over in pieces.
fn deliver(to: &mut End, bytes: &[u8], mut cut: impl FnMut() -> usize) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut().clamp(1, rest.len()));
        to.receive(now);
        rest = later;
    }
}

/// A whole life; returns the bytes that each has said.
fn live(mut cut: impl FnMut() -> usize) -> (usize, usize) {
    let (mut client, mut server) = (End::new(true), End::new(false));
    let request = client.say();
    deliver(&mut server, &request, &mut cut);
    say_all(&mut server);
    // Frames come right behind the answer.
    let answer = server.say();
    deliver(&mut client, &answer, &mut cut);
    say_all(&mut client);
    client.with(|conn, env| conn.close(CloseCode::NORMAL, "bye", env)).expect("open");
    let said = client.say();
    deliver(&mut server, &said, &mut cut);
    let farewell = server.say();
    deliver(&mut client, &farewell, &mut cut);
    for end in [&client, &server] {
        assert!(end.heard == messages());
        assert_eq!((end.opened, end.closed, end.conn.failure()), (1, 1, None));
        assert_eq!(end.conn.close_info().code, CloseCode::NORMAL);
    }
    assert_eq!(server.conn.close_info().reason, "bye");
    // The server ends TCP first.
    assert_eq!(server.conn.disposition(), Disposition::Finish);
    assert_eq!(client.conn.disposition(), Disposition::Await);
    client.conn.end_of_stream(1);
    assert_eq!(client.conn.disposition(), Disposition::Abort);
    (request.len() + said.len(), answer.len() + farewell.len())
}

#[test]
fn both_ends_agree_cut_at_every_point() {
    let (up, down) = live(|| usize::MAX);
    for at in 1..=up.max(down) {
        let mut first = true;
        live(|| if std::mem::take(&mut first) { at } else { usize::MAX });
    }
}

#[test]
fn both_ends_agree_in_chunks_of_one_size() {
    for size in 1..200 {
        live(|| size);
    }
}
