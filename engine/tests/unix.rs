//! Unix sockets: whose path it is, and that the end of a stream is seen.
#![cfg(feature = "uring")]

use ringws_engine::config::{Address, Config, Endpoint};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::{Engine, Error};
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message};
use ringws_engine::ring::Errno;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Echoes, and tells of each end with its code.
struct Echo(Mutex<Sender<u16>>);

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let _ = self.0.lock().expect("whole").send(closed.info.code.0);
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringws-{name}-{}.sock", std::process::id()))
}

fn listen(path: &Path) -> Result<(Engine, Receiver<u16>), Error> {
    let config = Config { reactors: 2, recv_buffers: 64, ..Config::default() };
    let engine = Engine::new(config)?;
    let (tell, told) = channel();
    let address = Address::Unix(path.to_owned());
    engine.listen(Endpoint { address, ..Endpoint::new(0, Arc::new(Echo(tell.into()))) })?;
    Ok((engine, told))
}

fn in_use(found: Result<(Engine, Receiver<u16>), Error>) -> bool {
    matches!(found.err(), Some(Error::System { source: Errno::ADDRINUSE, .. }))
}

/// An open connection, over which one word has come back.
fn open(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(b"\x82\x81\0\0\0\0x").expect("written");
    let mut echo = [0; 3];
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"\x82\x01x");
    stream
}

#[test]
fn a_live_path_is_not_taken_over() {
    let path = path("live");
    let (first, _told) = listen(&path).expect("a free path");
    assert!(in_use(listen(&path)), "before its start");
    first.start().expect("io_uring");
    assert!(in_use(listen(&path)), "and after it");
    open(&path);
    drop(first);
    assert!(!path.exists());
}

#[test]
fn what_has_ended_is_replaced_and_nothing_else() {
    let path = path("dead");
    drop(UnixListener::bind(&path).expect("a free path"));
    assert!(path.exists(), "left behind");
    let (engine, _told) = listen(&path).expect("a path that nobody listens on");
    engine.start().expect("io_uring");
    open(&path);
    drop(engine);
    assert!(!path.exists());

    std::fs::write(&path, "of somebody else").expect("written");
    assert!(in_use(listen(&path)), "a file");
    assert_eq!(std::fs::read(&path).expect("still there"), b"of somebody else");
    std::fs::remove_file(&path).expect("removed");
    let dead = path.with_extension("target");
    drop(UnixListener::bind(&dead).expect("a free path"));
    std::os::unix::fs::symlink(&dead, &path).expect("a link");
    assert!(in_use(listen(&path)), "a link");
    assert!(dead.exists());
    std::fs::remove_file(&path).expect("removed");
    std::fs::remove_file(&dead).expect("removed");
}

/// Whoever listens there with a backlog that is full lives.
#[test]
fn a_full_backlog_is_a_sign_of_life() {
    let path = path("full");
    let listener = UnixListener::bind(&path).expect("a free path");
    rustix::net::listen(&listener, 0).expect("a short backlog");
    let _held = UnixStream::connect(&path).expect("room for one");
    assert!(in_use(listen(&path)));
    drop(listener);
    std::fs::remove_file(&path).expect("removed");
}

#[test]
fn only_our_own_file_is_removed() {
    let path = path("moved");
    let (first, _told) = listen(&path).expect("a free path");
    first.start().expect("io_uring");
    first.stop(Duration::ZERO);
    first.wait().expect("an orderly end");
    // Its sockets are closed, so that the path can be had; its file has no number that the second
    // one's could be given.
    let (second, _told) = listen(&path).expect("a path that nobody listens on");
    second.start().expect("io_uring");
    drop(first);
    open(&path);
    std::fs::remove_file(&path).expect("removed by hand");
    drop(second);
    assert!(!path.exists());
}

/// Lost by some kernels under a multishot receive: by a shutdown of one direction, by a close, with
/// data just before it and without.
#[test]
fn the_end_of_a_stream_is_seen() {
    let path = path("end");
    let (engine, told) = listen(&path).expect("a free path");
    engine.start().expect("io_uring");
    let ended = || told.recv_timeout(Duration::from_secs(5)).expect("the end is seen");
    for last in [&b""[..], b"\x82\x81\0\0\0\0y", b"\x82\x85\0\0\0\0cut"] {
        let mut stream = open(&path);
        stream.write_all(last).expect("written");
        stream.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(ended(), 1006);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server ends, too");
        assert_eq!(rest.starts_with(b"\x82\x01y"), last.ends_with(b"y"));

        let mut stream = open(&path);
        stream.write_all(last).expect("written");
        drop(stream);
        assert_eq!(ended(), 1006);
    }
    let mut stream = open(&path);
    stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").expect("written");
    stream.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(ended(), 1000);
}
