//! A client of few words, and a server for it.

use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::Handler;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An engine with one endpoint, and its port.
pub(crate) fn serve(reactors: u32, limits: Limits, handler: impl Handler) -> (Engine, u16) {
    start(Config { reactors, ..Config::default() }, limits, handler)
}

/// The same, as configured.
pub(crate) fn start(config: Config, limits: Limits, handler: impl Handler) -> (Engine, u16) {
    let engine = Engine::new(config).unwrap();
    let port = engine.listen(Endpoint { limits, ..Endpoint::new(0, Arc::new(handler)) }).unwrap();
    engine.start().unwrap();
    (engine, port)
}

/// An open connection.
pub(crate) fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A masked frame of at most 125 bytes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [7, 77, 177, 211];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    frame
}

/// The next frame, of less than 64 KiB: its first byte and its payload.
pub(crate) fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    let mut len = usize::from(header[1]);
    if len == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long).unwrap();
        len = usize::from(u16::from_be_bytes(long));
    }
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).unwrap();
    (header[0], payload)
}

/// Waits until it is so.
pub(crate) fn until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never");
        std::thread::sleep(Duration::from_millis(1));
    }
}
