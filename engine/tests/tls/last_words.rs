//! A peer says its last word and closes, and drops TCP at once, while a callback of ours is about
//! to send: in both roles, plain and over TLS, what it has said is delivered and its Close is
//! reported (RFC 6455 §7.1.5).

use super::certs::{Authority, Certified};
use super::peer::{Dial, Peer, frame, tcp};
use super::service::{PATIENCE, settings};
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::{Request, Response};
use ringws_engine::proto::head::HeadReader;
use ringws_engine::proto::{Input, Opcode};
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, Target};
use ringws_engine::tls::{Client, ClientSettings, Server};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
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

/// Ends TCP by a reset.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

fn server(tls: Option<Server>) -> (Engine, u16, Receiver<Heard>) {
    let (tell, told) = channel();
    let engine = Engine::new(Config { reactors: 1, ..Config::default() }).unwrap();
    let endpoint = Endpoint { tls, ..Endpoint::new(0, Arc::new(Late(tell))) };
    let port = engine.listen(endpoint).unwrap();
    engine.start().unwrap();
    (engine, port, told)
}

fn says_it<S: Read + Write>(peer: &mut Peer<S>) {
    peer.send(0x81, b"first").unwrap();
    thread::sleep(Duration::from_millis(100));
    let last = [frame(0x81, b"last"), frame(0x88, b"\x0f\xa1bye")].concat();
    peer.0.write_all(&last).unwrap();
    peer.0.flush().unwrap();
}

#[test]
fn of_a_client() {
    let (_engine, port, told) = server(None);
    let mut peer = Peer::upgrade(tcp(port)).unwrap();
    says_it(&mut peer);
    reset(&peer.0);
    drop(peer);
    all_is_heard(&told);
}

#[test]
fn of_a_client_over_tls() {
    let authority = Authority::new("test");
    let tls = Server::new(&settings(&[&authority.issue(&["localhost"])])).unwrap();
    let (_engine, port, told) = server(Some(tls));
    let mut peer = Dial::new(&authority).open(port).unwrap();
    says_it(&mut peer);
    reset(&peer.0.sock);
    drop(peer);
    all_is_heard(&told);
}

/// Accepts one upgrade and says the same.
fn serve(mut stream: impl Read + Write) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let head = HeadReader::new().feed(&mut Input::new(&mut request), 1 << 14);
    let request = Request::parse(head.unwrap().unwrap()).unwrap();
    let mut answer = Vec::new();
    Response::default().encode(&request, &mut answer);
    stream.write_all(&[&answer[..], b"\x81\x05first"].concat()).unwrap();
    stream.flush().unwrap();
    thread::sleep(Duration::from_millis(100));
    stream.write_all(b"\x81\x04last\x88\x05\x0f\xa1bye").unwrap();
    stream.flush().unwrap();
}

fn connect(url: &str, tls: Option<Client>) -> (Engine, Receiver<Heard>) {
    let (tell, told) = channel();
    let engine = Engine::new(Config { reactors: 1, ..Config::default() }).unwrap();
    engine.start().unwrap();
    let mut target = Target::new(url, Arc::new(Late(tell))).unwrap();
    target.tls = tls;
    engine.connect(target).unwrap();
    (engine, told)
}

#[test]
fn of_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        serve(&stream);
        reset(&stream);
    });
    let (_engine, told) = connect(&url, None);
    all_is_heard(&told);
    serving.join().unwrap();
}

#[test]
fn of_a_server_over_tls() {
    let authority = Authority::new("test");
    let certified: Certified = authority.issue(&["localhost"]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.der()], certified.key_der())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let conn = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(conn, stream);
        serve(&mut stream);
        reset(&stream.sock);
    });
    let roots = Some(authority.roots());
    let client = Client::new(&ClientSettings { roots, ..ClientSettings::default() }).unwrap();
    let (_engine, told) = connect(&url, Some(client));
    all_is_heard(&told);
    serving.join().unwrap();
}
