//! A proxy's header comes before TLS.

use super::certs::Authority;
use super::peer::Dial;
use super::running::{at_of, reactors, start, stats, until};
use super::service::{Echo, settings};
use ringws_engine::config::{Endpoint, Proxies};
use ringws_engine::conn::Limits;
use ringws_engine::tls::Server;
use ringws_kit::{Client, TEXT, read_to_end, tcp};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

const LINE: &[u8] = b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n";

/// Sends bytes before the first that it is given, in one piece with them.
struct Behind<'h>(&'h [u8], TcpStream);

impl Read for Behind<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.1.read(into)
    }
}

impl Write for Behind<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.0.is_empty() {
            return self.1.write(bytes);
        }
        self.1.write_all(&[self.0, bytes].concat())?;
        self.0 = &[];
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<()> {
        self.1.flush()
    }
}

#[test]
fn a_header_comes_before_tls() {
    let authority = Authority::new("test");
    let certified = authority.issue(&["localhost"]);
    let tls = Some(Server::new(&settings(&[&certified])).unwrap());
    let proxies = Some(Proxies::parse("127.0.0.1").unwrap());
    let limits = Limits { handshake_timeout_ms: 2_000, ..Limits::default() };
    let echo = Arc::new(Echo::default());
    let endpoint = Endpoint { tls, proxies, limits, ..at_of(echo) };
    let (engine, port) = start(reactors(1), endpoint);
    let config = Dial::new(&authority).config();
    let name = "localhost".try_into().unwrap();
    let session = || ClientConnection::new(config.clone(), Clone::clone(&name)).unwrap();
    // In one piece with the first record, and cut.
    for cut in (0..=LINE.len()).step_by(3) {
        let (first, second) = LINE.split_at(cut);
        let mut socket = tcp(port);
        socket.write_all(first).unwrap();
        let stream = StreamOwned::new(session(), Behind(second, socket));
        Client::open(stream).echoes(TEXT, "behind a proxy");
    }
    // TLS without a header is none of TLS's failures.
    let mut stream = StreamOwned::new(session(), Behind(&[], tcp(port)));
    assert!(stream.write_all(b"x").and_then(|()| stream.flush()).is_err());
    // A header inside TLS is no header, and no request.
    let mut stream = StreamOwned::new(session(), Behind(LINE, tcp(port)));
    stream.write_all(&[LINE, b"\r\n"].concat()).unwrap();
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400 ");
    drop(stream);
    // Who is late has been spoken to in neither way.
    let mut late = tcp(port);
    late.write_all(&LINE[..9]).unwrap();
    assert_eq!(read_to_end(&mut late), b"");
    until(&engine, "all have gone", |stats| stats.connections == 0);
    let stats = stats(&engine);
    assert_eq!((stats.tls_failed, stats.refused_by_reason.last()), (0, Some(&1)));
}
