//! An upgrade under TLS that is answered after its callback.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at, reactors, start, until};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::SendFlags;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{Conn, Context, Handler, Later, Message, Upgrade};
use ringws_engine::tls::{Server, ServerSettings};
use ringws_kit::{PATIENCE, TEXT, frame, read_frame, read_head, request, tcp};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::Write;
use std::sync::mpsc::{Sender, channel};

struct Gate(Sender<Result<Later, usize>>);

impl Handler for Gate {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        self.0.send(Ok(upgrade.later().unwrap())).unwrap();
        Ok(())
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        assert_eq!(ctx.user(conn), Some(3));
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
    fn on_gone(&self, _: &mut Context, _: Later, user: usize) {
        self.0.send(Err(user)).unwrap();
    }
}

#[test]
fn what_is_encrypted_waits_too() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["localhost"]).identity();
    let tls = Server::new(&ServerSettings { identities: vec![identity], ..Default::default() });
    let (sender, asked) = channel();
    let endpoint = Endpoint { tls: Some(tls.unwrap()), user: 9, ..at(Gate(sender)) };
    let (engine, port) = start(reactors(1), endpoint);
    let open = || {
        let name = ServerName::try_from("localhost").unwrap();
        let conn = ClientConnection::new(Dial::new(&authority).config(), name).unwrap();
        let mut stream = StreamOwned::new(conn, tcp(port));
        // In one record.
        let all = [request("/", &[]).as_bytes(), &frame(TEXT, "early")].concat();
        stream.write_all(&all).unwrap();
        stream.flush().unwrap();
        let later = asked.recv_timeout(PATIENCE).unwrap().unwrap();
        (stream, later)
    };
    let (mut stream, later) = open();
    stream.write_all(&frame(TEXT, "then")).unwrap();
    engine.handle().answer(later, Reply::new(101), None, 3).unwrap();
    assert!(read_head(&mut stream).unwrap().starts_with("HTTP/1.1 101 "));
    for says in ["early", "then"] {
        assert_eq!(read_frame(&mut stream).unwrap(), (TEXT, says.into()));
    }
    let (mut second, _) = open();
    second.conn.send_close_notify();
    second.flush().unwrap();
    second.sock.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), Err(9));
    drop((stream, second));
    until(&engine, "the end", |stats| stats.connections == 0);
}
