//! A client of blocking sockets: what it sends is what the test says, byte by byte, and what does
//! not come fails the test instead of holding it up.

use crate::frame::{CLOSE, CONTINUATION, FIN, close, frame, read_frame};
use crate::handshake::{NONCE, accept_of, field, read_head, request};
use crate::socket::{PATIENCE, Socket, reset, tcp, unix};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An open connection over any stream.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    /// What is below it, for all that goes around WebSocket.
    pub stream: S,
    head: String,
    patience: Duration,
}

impl Client {
    /// To `/` on a port of this machine.
    pub fn connect(port: u16) -> Self {
        Self::open(tcp(port))
    }

    /// Ends TCP with RST, at once.
    pub fn reset(self) {
        reset(&self.stream);
    }
}

impl Client<UnixStream> {
    /// To `/` on a Unix socket.
    pub fn connect_unix(path: &Path) -> Self {
        Self::open(unix(path))
    }
}

impl<S: Socket + Send + 'static> Client<S> {
    /// Waits so long for anything.
    pub fn with_patience(self, patience: Duration) -> Self {
        self.stream.set_patience(patience);
        Self { patience, ..self }
    }

    /// Ends our direction.
    pub fn half_close(&self) {
        self.stream.half_close();
    }

    /// Writes on a thread of its own: what is longer than the sockets' buffers is not taken before
    /// answers to it are read.
    pub fn write_beside(&self, bytes: Vec<u8>) -> JoinHandle<()> {
        let mut writer = self.stream.another().expect("another handle");
        std::thread::spawn(move || writer.write_all(&bytes).expect("a server that reads"))
    }
}

impl<S: Read + Write> Client<S> {
    /// Asks for `/`, and must be let in.
    pub fn open(stream: S) -> Self {
        Self::open_with(stream, "/", &[])
    }

    /// Asks with more fields, and must be let in.
    pub fn open_with(stream: S, target: &str, more: &[(&str, &str)]) -> Self {
        Self::try_open(stream, target, more).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// The same, if the stream lasts so long.
    pub fn try_open(mut stream: S, target: &str, more: &[(&str, &str)]) -> Result<Self> {
        let head = ask(&mut stream, target, more)?;
        assert!(head.starts_with("HTTP/1.1 101 "), "not let in: {head}");
        let accept = field(&head, "Sec-WebSocket-Accept");
        assert_eq!(accept, Some(&*accept_of(NONCE)), "{head}");
        Ok(Self { stream, head, patience: PATIENCE })
    }

    /// The head of the answer that let us in.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap_or_else(|error| panic!("{} bytes: {error}", bytes.len()));
    }

    /// The same, if the stream takes them.
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends one frame, masked, with this first byte.
    pub fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.write(&frame(first, payload));
    }

    /// The next frame: its first byte and its payload.
    pub fn receive(&mut self) -> (u8, Vec<u8>) {
        self.try_receive().unwrap_or_else(|error| panic!("no frame: {error}"))
    }

    /// The same, if the stream lasts so long.
    pub fn try_receive(&mut self) -> Result<(u8, Vec<u8>)> {
        read_frame(&mut Watched::new(&mut self.stream, self.patience))
    }

    /// The next message, put together from its fragments, or the control frame before its end;
    /// with the first byte that it has in one piece.
    pub fn message(&mut self) -> (u8, Vec<u8>) {
        let (first, mut payload) = self.receive();
        let mut last = first & FIN != 0;
        while !last {
            let (next, more) = self.receive();
            assert_eq!(next & !FIN, CONTINUATION, "in the middle of a message");
            payload.extend(more);
            last = next & FIN != 0;
        }
        (first | FIN, payload)
    }

    /// The frames that come until the stream ends or breaks.
    pub fn all(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            match self.try_receive() {
                Ok(frame) => all.push(frame),
                Err(error) if error.kind() == ErrorKind::TimedOut => panic!("{error}: {all:?}"),
                Err(_) => return all,
            }
        }
    }

    /// Sends a message that must come back as it was sent.
    pub fn echoes(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.send(first, &payload);
        self.hears(first, payload);
    }

    /// The next frame must be this one.
    pub fn hears(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        let (payload, (got, came)) = (payload.as_ref(), self.receive());
        if (first, payload) != (got, &came) {
            let start = |bytes: &[u8]| bytes[..bytes.len().min(60)].escape_ascii().to_string();
            panic!(
                "{first:#04x} of {} bytes ({}) came as {got:#04x} of {} ({})",
                payload.len(),
                start(payload),
                came.len(),
                start(&came),
            );
        }
    }

    /// The next frame must be a Close with this code, whatever its reason; returns that.
    pub fn closed_with(&mut self, code: u16) -> String {
        let (first, payload) = self.receive();
        assert_eq!(first, CLOSE, "{}", payload.escape_ascii());
        let (came, reason) = payload.split_first_chunk().expect("a code");
        assert_eq!(u16::from_be_bytes(*came), code);
        String::from_utf8(reason.to_vec()).expect("a reason in UTF-8")
    }

    /// The closing handshake, begun here, and the end of the stream, which is the server's to make
    /// (RFC 6455 §7.1.1).
    pub fn close(&mut self) {
        self.echoes(CLOSE, close(1000, ""));
        self.ends();
    }

    /// The stream must end here, in order.
    pub fn ends(&mut self) {
        match self.stream.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => panic!("something behind the last frame"),
            Err(error) => panic!("no end: {error}"),
        }
    }
}

/// Asks for an upgrade; the head of the answer, whatever it says.
pub fn ask(
    stream: &mut (impl Read + Write),
    target: &str,
    more: &[(&str, &str)],
) -> Result<String> {
    stream.write_all(request(target, more).as_bytes())?;
    stream.flush()?;
    read_head(&mut Watched::new(stream, PATIENCE))
}

/// A stream that has to be read within a time, also if it comes in drips that each come in theirs.
struct Watched<'s, S> {
    stream: &'s mut S,
    begun: Instant,
    longest: Duration,
}

impl<'s, S: Read> Watched<'s, S> {
    fn new(stream: &'s mut S, longest: Duration) -> Self {
        Self { stream, begun: Instant::now(), longest }
    }
}

impl<S: Read> Read for Watched<'_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let late = || Error::new(ErrorKind::TimedOut, format!("not within {:?}", self.longest));
        if self.begun.elapsed() > self.longest {
            return Err(late());
        }
        // EAGAIN is what a socket's own timeout looks like.
        self.stream.read(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => late(),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, PING, PONG, TEXT, read_masked};
    use crate::handshake::accept;
    use crate::socket::once;

    fn said(first: u8, payload: &str) -> Vec<u8> {
        Frame::new(first, payload).unmasked().bytes()
    }

    #[test]
    fn a_conversation_from_the_first_byte_to_the_last() {
        let (port, server) = once(|mut stream| {
            let head = accept(&mut stream);
            assert!(head.starts_with("GET / "));
            assert_eq!(read_masked(&mut stream).unwrap(), (TEXT, b"hello".to_vec()));
            let parts = [said(TEXT, "hello"), said(1, "a"), said(0, "b"), said(FIN, "c")].concat();
            stream.write_all(&[parts, said(PONG, "x")].concat()).unwrap();
            assert_eq!(read_masked(&mut stream).unwrap(), (CLOSE, close(1000, "")));
            stream.write_all(&Frame::new(CLOSE, &close(1000, "")).unmasked().bytes()).unwrap();
        });
        let mut client = Client::connect(port);
        assert!(client.head().contains("\r\nUpgrade: websocket\r\n"));
        client.echoes(TEXT, "hello");
        assert_eq!(client.message(), (TEXT, b"abc".to_vec()));
        client.hears(PONG, "x");
        client.close();
        server.join().unwrap();
    }

    #[test]
    fn what_does_not_come_fails() {
        let (port, server) = once(|mut stream| {
            accept(&mut stream);
            // A frame of which a byte comes now and then.
            for byte in said(PING, &"x".repeat(100)) {
                std::thread::sleep(Duration::from_millis(20));
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
            }
        });
        let mut client = Client::connect(port).with_patience(Duration::from_millis(200));
        let begun = Instant::now();
        assert_eq!(client.try_receive().unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_millis(1_500));
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.ends()));
        assert!(panics.is_err(), "it has not ended");
        client.reset();
        server.join().unwrap();
    }

    #[test]
    fn who_is_not_let_in_is_no_client() {
        for answer in
            ["HTTP/1.1 403 No\r\n\r\n", "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: x\r\n\r\n"]
        {
            let (port, server) = once(move |mut stream| {
                read_head(&mut stream).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert!(std::panic::catch_unwind(|| Client::connect(port)).is_err());
            server.join().unwrap();
        }
        let (port, server) = once(drop);
        let (target, more) = ("/", &[][..]);
        assert!(Client::try_open(tcp(port), target, more).is_err(), "no answer");
        server.join().unwrap();
    }
}
