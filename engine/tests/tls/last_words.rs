//! A peer says its last word and closes, and drops TCP at once, while a callback of ours is about
//! to send: in both roles, plain and over TLS, what it has said is delivered and its Close is
//! reported (RFC 6455 §7.1.5).

use super::certs::{Authority, Certified};
use super::peer::Dial;
use super::running::{at, reactors, start};
use super::service::{PATIENCE, settings};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, Target};
use ringws_engine::tls::{self, ClientSettings, Server};
use ringws_kit::{CLOSE, Client, Frame, TEXT, answer, close, field, frame, once, read_head, reset};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message(Vec<u8>),
    /// The code and the reason, and whether anything was lost.
    Closed(u16, String),
}

/// Answers the first message so late that the peer has gone by then.
struct Late(Sender<Heard>);

impl Handler for Late {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        self.0.send(Heard::Message(message.payload.to_vec())).unwrap();
        if message.payload == b"first" {
            thread::sleep(Duration::from_millis(300));
            ctx.send(conn, Opcode::Text, b"answer", SendFlags::default()).unwrap();
        }
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let reason = closed.info.reason.to_owned();
        self.0.send(Heard::Closed(closed.info.code.0, reason)).unwrap();
    }
}

fn all_is_heard(told: &Receiver<Heard>) {
    let next = || told.recv_timeout(PATIENCE).expect("something is heard");
    assert_eq!(next(), Heard::Message(b"first".to_vec()));
    assert_eq!(next(), Heard::Message(b"last".to_vec()));
    assert_eq!(next(), Heard::Closed(4001, "bye".into()));
}

fn server(tls: Option<Server>) -> (Engine, u16, Receiver<Heard>) {
    let (tell, told) = channel();
    let (engine, port) = start(reactors(1), Endpoint { tls, ..at(Late(tell)) });
    (engine, port, told)
}

fn says_it<S: Read + Write>(client: &mut Client<S>) {
    client.send(TEXT, "first");
    thread::sleep(Duration::from_millis(100));
    client.write(&[frame(TEXT, "last"), frame(CLOSE, close(4001, "bye"))].concat());
}

#[test]
fn of_a_client_are_heard() {
    let (_engine, port, told) = server(None);
    let mut client = Client::connect(port);
    says_it(&mut client);
    client.reset();
    all_is_heard(&told);
}

#[test]
fn of_a_client_over_tls_are_heard() {
    let authority = Authority::new("test");
    let tls = Server::new(&settings(&[&authority.issue(&["localhost"])])).unwrap();
    let (_engine, port, told) = server(Some(tls));
    let mut peer = Dial::new(&authority).open(port).unwrap();
    says_it(&mut peer);
    reset(&peer.stream.sock);
    drop(peer);
    all_is_heard(&told);
}

/// Accepts one upgrade and says the same.
fn serve(mut stream: impl Read + Write) {
    let head = read_head(&mut stream).unwrap();
    let answer = answer(field(&head, "Sec-WebSocket-Key").unwrap(), &[]);
    let said = |first, payload: &[u8]| Frame::new(first, payload).unmasked().bytes();
    let last = [said(TEXT, b"last"), said(CLOSE, &close(4001, "bye"))].concat();
    stream.write_all(&[answer.into_bytes(), said(TEXT, b"first")].concat()).unwrap();
    stream.flush().unwrap();
    thread::sleep(Duration::from_millis(100));
    stream.write_all(&last).unwrap();
    stream.flush().unwrap();
}

fn connect(url: &str, tls: Option<tls::Client>) -> (Engine, Receiver<Heard>) {
    let (tell, told) = channel();
    let engine = Engine::new(reactors(1)).unwrap();
    engine.start().unwrap();
    let mut target = Target::new(url, Arc::new(Late(tell))).unwrap();
    target.tls = tls;
    engine.connect(target).unwrap();
    (engine, told)
}

#[test]
fn of_a_server_are_heard() {
    let (port, serving) = once(|stream| {
        serve(&stream);
        reset(&stream);
    });
    let (_engine, told) = connect(&format!("ws://127.0.0.1:{port}/"), None);
    all_is_heard(&told);
    serving.join().unwrap();
}

#[test]
fn of_a_server_over_tls_are_heard() {
    let authority = Authority::new("test");
    let certified: Certified = authority.issue(&["localhost"]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.der()], certified.key_der())
        .unwrap();
    let (port, serving) = once(|stream| {
        let conn = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(conn, stream);
        serve(&mut stream);
        reset(&stream.sock);
    });
    let roots = Some(authority.roots());
    let client = tls::Client::new(&ClientSettings { roots, ..ClientSettings::default() }).unwrap();
    let (_engine, told) = connect(&format!("wss://localhost:{port}/"), Some(client));
    all_is_heard(&told);
    serving.join().unwrap();
}
