//! A connection that somebody else has accepted, and of whose TLS some was read before.

use super::certs::Authority;
use super::peer::{Dial, payload};
use super::running::{at_of, reactors};
use super::service::{Echo, settings};
use ringws_engine::config::{Address, Endpoint};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Adopt, AdoptError};
use ringws_engine::tls::Server;
use ringws_kit::{BINARY, Client};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

fn service() -> (Engine, Authority) {
    let authority = Authority::new("test");
    let server = Server::new(&settings(&[&authority.issue(&["localhost"])])).unwrap();
    let endpoint = at_of(Arc::new(Echo::default()));
    let engine = Engine::new(reactors(1)).unwrap();
    let address = Address::Nowhere;
    engine.listen(Endpoint { address, tls: Some(server), ..endpoint }).unwrap();
    engine.start().unwrap();
    (engine, authority)
}

/// The greeting, of which so much was read ahead: all of it, none, or any part.
#[test]
fn it_goes_on_from_any_byte_of_the_greeting() {
    let (engine, authority) = service();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Dial::new(&authority).config();
    for part in 0..=20 {
        let name = ServerName::try_from("localhost").unwrap();
        let mut conn = ClientConnection::new(config.clone(), name).unwrap();
        let mut stream = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = door.accept().unwrap();
        let mut greeting = Vec::new();
        while conn.wants_write() {
            conn.write_tls(&mut greeting).unwrap();
        }
        stream.write_all(&greeting).unwrap();
        let mut early = vec![0; greeting.len() * part / 20];
        accepted.read_exact(&mut early).unwrap();
        engine.adopt(Adopt { early: early.into(), ..Adopt::new(accepted, 0) }).unwrap();
        let mut client = Client::open(StreamOwned::new(conn, stream));
        client.echoes(BINARY, payload(70_000));
    }
    let stats = engine.stats(None).unwrap();
    assert_eq!((stats.adopted, stats.tls_handshakes, stats.upgraded), (21, 21, 21));
}

/// Frames without TLS are none for an endpoint that speaks it.
#[test]
fn one_that_is_upgraded_cannot_begin_tls() {
    let (engine, _) = service();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let (accepted, _) = door.accept().unwrap();
    let refused = engine.adopt(Adopt { upgraded: true, ..Adopt::new(accepted, 0) });
    assert_eq!(refused.unwrap_err().why, AdoptError::Tls);
}
