//! Servers in this process, good and bad.

pub(crate) mod frames;

use frames::{take_message, upgrade};
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
