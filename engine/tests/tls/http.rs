//! HTTP requests under TLS.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at, reactors, start, until};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::{Asked, Conn, Context, Handler, Message};
use ringws_engine::tls::{Server, ServerSettings};
use ringws_kit::{Client, TEXT, field, read_head, tcp};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};

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
