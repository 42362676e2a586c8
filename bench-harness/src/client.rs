//! A small blocking WebSocket client, to show and to test what a server answers.

use crate::error::{Error, Result};
use crate::frame;
use crate::handshake;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest message that is taken.
const MESSAGE_MAX: usize = 64 << 20;

/// A message or a control frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// [`frame::TEXT`], [`frame::BINARY`], [`frame::CLOSE`], [`frame::PING`] or [`frame::PONG`].
    pub opcode: u8,
    /// The payload of all its fragments.
    pub payload: Vec<u8>,
}

/// An open connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    sent: u32,
}

impl Client {
    /// Connects and goes through the opening handshake on the resource `/`.
    pub fn connect(server: SocketAddr) -> Result<Self> {
        let mut stream =
            TcpStream::connect(server).map_err(Error::io(format!("connecting to {server}")))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| stream.write_all(&handshake::request(server, "/")))
            .map_err(Error::io("sending the handshake"))?;
        handshake::read_response(&mut stream)?;
        Ok(Self { stream, unread: Vec::new(), sent: 0 })
    }

    /// Sends a message or a control frame, unfragmented and masked.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        // A different key for each frame. Not unpredictable, as RFC 6455 §10.3 asks of clients that
        // run scripts of strangers.
        self.sent = self.sent.wrapping_add(0x9e37_79b9);
        let mut wire = Vec::with_capacity(payload.len() + 14);
        frame::append(&mut wire, opcode, payload, Some(self.sent.to_be_bytes()));
        self.stream.write_all(&wire).map_err(Error::io("sending a frame"))
    }

    /// Waits for the next message or control frame.
    pub fn receive(&mut self) -> Result<Message> {
        let mut message: Option<Message> = None;
        loop {
            let (header, payload) = self.frame()?;
            match (header.opcode, header.fin, &mut message) {
                // Control frames may come between fragments (RFC 6455 §5.4).
                (opcode @ frame::CLOSE..=frame::PONG, true, _) => {
                    return Ok(Message { opcode, payload });
                }
                (opcode @ (frame::TEXT | frame::BINARY), _, None) => {
                    message = Some(Message { opcode, payload });
                }
                (0, _, Some(message)) => message.payload.extend_from_slice(&payload),
                _ => return Err(Error::Protocol(format!("an unexpected frame: {header:?}"))),
            }
            match message {
                Some(whole) if header.fin => return Ok(whole),
                Some(part) if part.payload.len() > MESSAGE_MAX => {
                    return Err(Error::Protocol("an endless message".into()));
                }
                part => message = part,
            }
        }
    }

    /// The closing handshake of RFC 6455 §7.1.2: sends a Close frame, returns the payload of the
    /// one that answers, and checks that the server then ends the connection (§7.1.1).
    pub fn close(mut self, code: u16, reason: &str) -> Result<Vec<u8>> {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.send(frame::CLOSE, &payload)?;
        let answer = loop {
            let message = self.receive()?;
            if message.opcode == frame::CLOSE {
                break message.payload;
            }
        };
        match handshake::read(&mut self.stream, &mut [0; 1])
            .map_err(Error::io("waiting for the end"))?
        {
            0 => Ok(answer),
            _ => Err(Error::Protocol("bytes after the Close frame".into())),
        }
    }

    fn frame(&mut self) -> Result<(frame::Header, Vec<u8>)> {
        loop {
            if let Some(header) = frame::parse(&self.unread)? {
                if header.mask.is_some() || header.len > MESSAGE_MAX {
                    return Err(Error::Protocol(format!("not a server's frame: {header:?}")));
                }
                let size = header.size + header.len;
                if self.unread.len() >= size {
                    let payload = self.unread.drain(..size).skip(header.size).collect();
                    return Ok((header, payload));
                }
            }
            let mut piece = [0; 16 * 1024];
            let n = handshake::read(&mut self.stream, &mut piece)
                .map_err(Error::io("waiting for an answer"))?;
            if n == 0 {
                return Err(Error::Protocol("the server closed".into()));
            }
            self.unread.extend_from_slice(piece.get(..n).unwrap_or_default());
        }
    }
}
