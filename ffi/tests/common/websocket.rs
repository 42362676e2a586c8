//! A WebSocket client of a few lines, and the conversation that every echo server must pass.

use super::server::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection with the handshake done.
pub(crate) struct Client<S = TcpStream>(S);

/// A connected socket.
pub(crate) fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn upgrade(mut stream: S) -> Self {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // The answer to this key in RFC 6455 §1.3.
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
        assert!(head.to_lowercase().contains(accept), "{head}");
        Self(stream)
    }

    /// One masked frame with FIN.
    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.send_frame(true, opcode, payload);
    }

    /// One masked frame.
    pub(crate) fn send_frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let mut frame = vec![u8::from(fin) << 7 | opcode];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..65536 => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, key)| byte ^ key));
        self.0.write_all(&frame).unwrap();
        self.0.flush().unwrap();
    }

    /// One frame: its opcode and its payload.
    pub(crate) fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        assert_eq!(head[0] & 0xf0, 0x80, "FIN and no reserved bit");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len).unwrap();
                u16::from_be_bytes(len).into()
            }
            127 => {
                let mut len = [0; 8];
                self.0.read_exact(&mut len).unwrap();
                u64::from_be_bytes(len)
            }
            len => u64::from(len),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 0x0f, payload)
    }

    fn echoes(&mut self, opcode: u8, payload: &[u8]) {
        self.send(opcode, payload);
        let (got, echoed) = self.receive();
        assert_eq!(got, opcode);
        assert!(echoed == payload, "{} bytes came back as {}", payload.len(), echoed.len());
    }

    /// Waits until the server ends the connection, then does the same.
    pub(crate) fn end(mut self) {
        match self.0.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?} after the closing handshake"),
        }
    }
}

fn code(code: u16) -> [u8; 2] {
    code.to_be_bytes()
}

/// Text, binary, ping, a message over the limit and a close; then a stop with clients connected:
/// one that answers, one that only goes away. The server must have been started with a largest
/// message of `message_max` bytes.
pub(crate) fn converse(server: Server, message_max: usize, signal: &str, patience: Duration) {
    converse_over(tcp, server, message_max, signal, patience);
}

/// The same over whatever `connect` makes of a port.
pub(crate) fn converse_over<S: Read + Write>(
    connect: impl Fn(u16) -> S,
    server: Server,
    message_max: usize,
    signal: &str,
    patience: Duration,
) {
    let open = || Client::upgrade(connect(server.port));
    let mut first = open();
    first.echoes(TEXT, "h\u{e9}llo".as_bytes());
    first.echoes(TEXT, b"");
    for len in [125, 126, 65_535, 65_536, message_max] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        first.echoes(BINARY, &payload);
    }
    first.send(PING, b"are you there");
    assert_eq!(first.receive(), (PONG, b"are you there".to_vec()));
    first.send(CLOSE, &code(1000));
    assert_eq!(first.receive(), (CLOSE, code(1000).to_vec()));
    first.end();

    let mut big = open();
    big.send(BINARY, &vec![0; message_max + 1]);
    assert_eq!(big.receive(), (CLOSE, code(1009).to_vec()));
    drop(big);

    let (mut polite, mut rude) = (open(), open());
    polite.echoes(TEXT, b"still here");
    rude.echoes(TEXT, b"me too");
    server.signal(signal);
    assert_eq!(polite.receive(), (CLOSE, code(1001).to_vec()));
    assert_eq!(rude.receive(), (CLOSE, code(1001).to_vec()));
    polite.send(CLOSE, &code(1001));
    polite.end();
    drop(rude);
    assert_eq!(server.wait(patience).code(), Some(0));
}
