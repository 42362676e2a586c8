//! A client's open connection against hostile bytes: the same events and failure however they are
//! cut, and every frame it sends is masked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::conn::{Connection, Data, Env, Event, Failure, Limits, Tools, WhenFull};
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::proto::handshake::{Request, Response};
use ringws_engine::proto::head::HeadReader;
use ringws_engine::proto::{Ask, CloseCode, Input as Cursor, Opcode, Url};
use ringws_fuzz::{Input, pieces};
use std::io::IoSlice;
use std::sync::Arc;

const LIMITS: Limits = Limits {
    message_max: 1000,
    fragments_max: 20,
    send_queue_max: 1 << 20,
    when_full: WhenFull::Refuse,
    queue_age_max_ms: u32::MAX,
    head_max: 1024,
    handshake_timeout_ms: 1,
    idle_timeout_ms: 1,
    close_timeout_ms: 1,
    lifetime_max_ms: u32::MAX,
    lifetime_code: CloseCode::GOING_AWAY,
    ping_interval_ms: u32::MAX,
    stream: false,
    deflate: None,
    requests: false,
    body_max: 64,
};

fn flatten(batch: &Batch) -> Vec<u8> {
    let mut pieces = [IoSlice::new(&[]); 64];
    let written = batch.slices(&mut pieces);
    pieces[..written].iter().flat_map(|piece| piece.iter().copied()).collect()
}

fn sent(conn: &mut Connection, env: &mut Env<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(batch) = conn.transmit() {
        all.extend(flatten(&batch));
        let len = batch.len();
        conn.transmitted(batch, len, env);
    }
    all
}

fn answer(request: &[u8]) -> Vec<u8> {
    let mut bytes = request.to_vec();
    let head = HeadReader::new().feed(&mut Cursor::new(&mut bytes), 1024).expect("lines");
    let request = Request::parse(head.expect("whole")).expect("a valid request");
    let mut out = Vec::new();
    Response::default().encode(&request, &mut out);
    out
}

#[derive(Debug, PartialEq, Eq)]
struct Heard {
    said: Vec<(Option<Opcode>, Vec<u8>)>,
    failure: Option<Failure>,
    frames: usize,
}

/// Counts masked frames.
fn masked(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, second, rest @ ..] = bytes {
        assert!(second & 0x80 != 0, "a frame that is not masked");
        // Answers to control frames are all that is sent.
        bytes = &rest[4 + usize::from(second & 0x7F)..];
        count += 1;
    }
    count
}

fn hear(how: u8, bytes: &[u8]) -> Heard {
    let (mut pool, mut copied) = (Pool::new(1 << 16), 0);
    let mut tools = Tools::new(|block| block.fill(0x5A));
    let (limits, pool) = (&LIMITS, &mut pool);
    let mut env = Env { now: 0, limits, pool, tools: &mut tools, copied: &mut copied };
    let ask = Arc::new(Ask::new(&Url::parse("ws://a/").expect("a URL")));
    let mut conn = Connection::client(&ask, &mut env);
    let request = sent(&mut conn, &mut env);
    let all = [answer(&request), bytes.to_vec()].concat();
    let mut heard = Heard { said: Vec::new(), failure: None, frames: 0 };
    for piece in pieces(how, &all) {
        let mut bytes = piece.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        loop {
            match conn.receive(&mut cursor, &mut env) {
                Ok(Some(Event::Batch(batch))) => {
                    for (opcode, data) in batch {
                        assert!(data.len() <= LIMITS.message_max as usize);
                        heard.said.push((Some(opcode), data.to_vec()));
                    }
                }
                Ok(Some(Event::Message { opcode, data, .. })) => {
                    assert!(data.as_slice().len() <= LIMITS.message_max as usize);
                    heard.said.push((Some(opcode), data.as_slice().to_vec()));
                    if let Data::Owned(bytes) = data {
                        env.pool.put(bytes);
                    }
                }
                Ok(Some(Event::Pong(data))) => heard.said.push((None, data.as_slice().to_vec())),
                Ok(Some(Event::Open(_) | Event::Close)) => {}
                Ok(Some(Event::Request(_) | Event::Tunnel)) => panic!("not of a client"),
                Ok(None) | Err(_) => break,
            }
        }
    }
    assert!(conn.opened());
    heard.failure = conn.failure();
    heard.frames = masked(&sent(&mut conn, &mut env));
    heard
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte().max(2);
    let whole = hear(0, input.rest());
    for other in [1, how] {
        assert_eq!(hear(other, input.rest()), whole, "cut by {other}");
    }
});
