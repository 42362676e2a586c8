//! Servers in this process, good and bad.

use ringws_bench::ceiling::{self, Options};
use ringws_bench::frame;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The ceiling on a thread; `end` stops it and passes on how it ended.
pub(crate) struct Ceiling {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<ringws_bench::Result<()>>,
}

impl Ceiling {
    pub(crate) fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread =
            std::thread::spawn(move || ceiling::serve(&listener, options, Some(flag.as_ref())));
        Self { address, stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("no error");
    }
}

/// A thread per connection that hands each to `serve`. They end with the test.
pub(crate) fn listen(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Sends back what comes, after `change` has seen it with its offset in the stream.
pub(crate) fn echo(mut stream: TcpStream, change: fn(usize, &mut [u8])) {
    let mut bytes = [0; 4096];
    let mut offset = 0;
    while let Ok(n @ 1..) = stream.read(&mut bytes) {
        change(offset, &mut bytes[..n]);
        offset += n;
        if stream.write_all(&bytes[..n]).is_err() {
            return;
        }
    }
}

/// Reads a request and accepts it, whatever it says.
pub(crate) fn upgrade(stream: &mut TcpStream) -> bool {
    const ACCEPT: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        head.push(byte[0]);
    }
    stream.write_all(ACCEPT).is_ok()
}

/// The first frame of `unread`, if it is whole: its opcode and its payload.
pub(crate) fn take_message(unread: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let header = frame::parse(unread).expect("legal frames")?;
    let size = header.size + header.len;
    if unread.len() < size {
        return None;
    }
    let key = header.mask.expect("clients mask");
    let frame: Vec<u8> = unread.drain(..size).collect();
    let unmask = frame[header.size..].iter().zip(key.iter().cycle());
    Some((header.opcode, unmask.map(|(byte, key)| byte ^ key).collect()))
}

/// A WebSocket echo in the simplest way, `change` applied to each payload. Pings are answered, a
/// Close is answered and ends the connection.
pub(crate) fn websocket(mut stream: TcpStream, change: fn(&mut Vec<u8>)) {
    if !upgrade(&mut stream) {
        return;
    }
    let mut unread = Vec::new();
    let mut piece = [0; 65536];
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        unread.extend_from_slice(&piece[..n]);
        let (mut out, mut closing) = (Vec::new(), false);
        while let Some((opcode, mut payload)) = take_message(&mut unread) {
            if opcode < frame::CLOSE {
                change(&mut payload);
            }
            closing |= opcode == frame::CLOSE;
            let opcode = if opcode == frame::PING { frame::PONG } else { opcode };
            frame::append(&mut out, opcode, &payload, None);
        }
        if stream.write_all(&out).is_err() || closing {
            return;
        }
    }
}
