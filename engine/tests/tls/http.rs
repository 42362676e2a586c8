//! HTTP requests under TLS.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at, reactors, start, until};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::{Asked, Conn, Context, Handler, Message};
use ringws_engine::tls::{Server, ServerSettings};
use ringws_kit::{Client, TEXT, field, read_head, tcp};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

struct Mirror;

impl Handler for Mirror {
    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        assert!(asked.is_secure() && asked.server_name() == Some("localhost"));
        Reply::new(200).with_body(asked.request().body().repeat(20))
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
}

#[test]
fn requests_and_then_an_upgrade() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["localhost"]).identity();
    let tls = Server::new(&ServerSettings { identities: vec![identity], ..Default::default() });
    let limits = Limits { requests: true, ..Limits::default() };
    let endpoint = Endpoint { limits, tls: Some(tls.unwrap()), ..at(Mirror) };
    let (engine, port) = start(reactors(1), endpoint);
    let name = ServerName::try_from("localhost").unwrap();
    let conn = ClientConnection::new(Dial::new(&authority).config(), name).unwrap();
    let mut stream = StreamOwned::new(conn, tcp(port));
    let body = "0123456789abcdef".repeat(3_000);
    // More than one record each way, and all of it at once.
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 48000\r\n\r\n{body}");
    stream.write_all(request.repeat(2).as_bytes()).unwrap();
    stream.flush().unwrap();
    for _ in 0..2 {
        let head = read_head(&mut stream).unwrap();
        assert_eq!(field(&head, "Content-Length"), Some("960000"), "{head}");
        let mut answer = vec![0; 960_000];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer == body.repeat(20).as_bytes());
    }
    let mut client = Client::open(stream);
    client.echoes(TEXT, "through the same session");
    client.close();
    until(&engine, "the end", |stats| stats.connections == 0);
    let stats = engine.stats(None).unwrap();
    assert_eq!((stats.requests, stats.upgraded, stats.tls_handshakes), (2, 1, 1));
}

/// More comes behind the last flight of the handshake, in one turn, than is kept of a peer that has
/// heard nothing yet: it has, and is answered.
#[test]
fn a_head_that_is_too_large_is_answered_however_fast_it_comes() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["localhost"]).identity();
    let tls = Server::new(&ServerSettings { identities: vec![identity], ..Default::default() });
    let endpoint = Endpoint { tls: Some(tls.unwrap()), ..at(Mirror) };
    let (engine, port) = start(reactors(1), endpoint);
    let config = Dial::new(&authority).config();
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(1 << 20));
    for _ in 0..20 {
        let name = ServerName::try_from("localhost").unwrap();
        let mut conn = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut socket = tcp(port);
        // All flights but the last, which then leaves together with the request.
        while conn.is_handshaking() {
            while conn.wants_write() {
                conn.write_tls(&mut socket).unwrap();
            }
            conn.read_tls(&mut socket).unwrap();
            conn.process_new_packets().unwrap();
        }
        conn.set_buffer_limit(None);
        conn.writer().write_all(request.as_bytes()).unwrap();
        let mut burst = Vec::new();
        while conn.wants_write() {
            conn.write_tls(&mut burst).unwrap();
        }
        let held = hold(&engine);
        let mut writing = socket.try_clone().unwrap();
        let writer = std::thread::spawn(move || _ = writing.write_all(&burst));
        // What fits into the socket has come when the reactor goes on.
        std::thread::sleep(Duration::from_millis(20));
        drop(held);
        let mut stream = StreamOwned::new(conn, socket);
        let head = read_head(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
        drop(stream);
        writer.join().unwrap();
    }
    until(&engine, "gone", |stats| stats.connections == 0);
}

/// The reactor looks at nothing until what is returned is dropped.
fn hold(engine: &Engine) -> Sender<()> {
    let ((go, wait), (held, holds)) = (channel::<()>(), channel());
    let block = move |_: &mut Context| {
        held.send(()).unwrap();
        assert!(wait.recv().is_err());
    };
    engine.handle().post(0, Box::new(block)).unwrap();
    holds.recv_timeout(Duration::from_secs(10)).unwrap();
    go
}
