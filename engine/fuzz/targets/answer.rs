//! A server's answer to a client: the same verdict however it is cut, and never one that opens a
//! connection by chance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::conn::{Connection, Disposition, Env, Failure, Limits, Tools};
use ringws_engine::memory::Pool;
use ringws_engine::proto::{Ask, Input as Cursor, Url};
use ringws_fuzz::{Input, pieces};
use std::sync::Arc;

/// The failure and the body of the refusal.
fn hear(how: u8, bytes: &[u8], proxy: bool) -> (Option<Failure>, Vec<u8>) {
    let limits = Limits { head_max: 1024, ..Limits::default() };
    let (mut pool, mut copied) = (Pool::new(1 << 16), 0);
    let mut tools = Tools::new(|block| block.fill(0x5A));
    let (limits, pool) = (&limits, &mut pool);
    let mut env = Env { now: 0, limits, pool, tools: &mut tools, copied: &mut copied };
    let ask = Arc::new(Ask::new(&Url::parse("ws://a/").expect("a URL")));
    let mut conn = match proxy {
        true => Connection::tunnel(b"CONNECT a:80 HTTP/1.1\r\n\r\n", &mut env),
        false => Connection::client(&ask, &mut env),
    };
    for piece in pieces(how, bytes) {
        let mut bytes = piece.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        match conn.receive(&mut cursor, &mut env) {
            Ok(None) => assert!(cursor.is_empty()),
            Ok(Some(event)) => {
                assert!(proxy || bytes_hold_accept(bytes_of(event)), "opened");
                return (None, Vec::new());
            }
            Err(failure) => {
                assert_eq!(conn.disposition(), Disposition::Abort);
                return (Some(failure), conn.take_refusal().1);
            }
        }
    }
    conn.end_of_stream(0);
    let (_, body) = conn.take_refusal();
    assert!(body.len() <= 1024);
    (conn.failure(), body)
}

fn bytes_of(event: ringws_engine::conn::Event<'_>) -> Vec<u8> {
    match event {
        ringws_engine::conn::Event::Open(answer) => {
            answer.header("Sec-WebSocket-Accept").unwrap_or_default().to_vec()
        }
        _ => Vec::new(),
    }
}

/// A digest in base64: only whoever has read the key can know it.
fn bytes_hold_accept(accept: Vec<u8>) -> bool {
    accept.len() == 28
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let (proxy, bytes) = (how & 1 == 1, input.rest());
    let whole = hear(0, bytes, proxy);
    for other in [1, how.max(2)] {
        assert_eq!(hear(other, bytes, proxy), whole, "cut by {other}");
    }
});
