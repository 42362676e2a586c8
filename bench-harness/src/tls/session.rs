//! A TLS connection without its socket.

use crate::error::{Error, Result};
use crate::handshake;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The plaintext of a record (RFC 8446 §5.1), and room for its header, padding and tag.
const RECORD: usize = 1 << 14;
const AROUND: usize = 64;

/// A client's side of a connection.
pub struct Session {
    connection: UnbufferedClientConnection,
    /// The beginning of a record of which the end has not come.
    incoming: Vec<u8>,
    ended: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// The peer's part of the handshake.
    Handshake,
    /// Nothing: it can encrypt.
    Open,
}

impl Session {
    /// Begins; `out` gets the first flight.
    pub fn begin(config: &Arc<ClientConfig>, out: &mut Vec<u8>) -> Result<Self> {
        let name = ServerName::try_from("localhost").map_err(|error| wrong(&error))?;
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name)
            .map_err(|error| wrong(&error))?;
        let mut session = Self { connection, incoming: Vec::new(), ended: false };
        session.advance(&mut Vec::new(), out)?;
        Ok(session)
    }

    /// Takes what came from the socket: `plain` gets what it says, `out` what is to be sent.
    /// Whether data can be sent.
    pub fn take(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool> {
        self.incoming.extend_from_slice(bytes);
        Ok(self.advance(plain, out)? == Waits::Open)
    }

    /// Whether the peer said that nothing more will come.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn advance(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Waits> {
        let mut at = 0;
        let waits = loop {
            let rest = self.incoming.get_mut(at..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process_tls_records(rest);
            let waits = match state.map_err(|error| wrong(&error))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| wrong(&error))?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    None
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(out, |room| data.encode(room))?;
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    None
                }
                ConnectionState::BlockedHandshake => Some(Waits::Handshake),
                ConnectionState::WriteTraffic(_) => Some(Waits::Open),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.ended = true;
                    Some(Waits::Open)
                }
                state => return Err(Error::Protocol(format!("TLS: unexpected {state:?}"))),
            };
            at += discard;
            if let Some(waits) = waits {
                break waits;
            }
        };
        self.incoming.drain(..at.min(self.incoming.len()));
        Ok(waits)
    }

    /// Appends records with `bytes` in them to `out`.
    pub fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        loop {
            let UnbufferedStatus { state, .. } =
                self.connection.process_tls_records(&mut self.incoming);
            match state.map_err(|error| wrong(&error))? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let at = out.len();
                    out.resize(at + bytes.len() + (bytes.len() / RECORD + 1) * AROUND, 0);
                    let room = out.get_mut(at..).unwrap_or_default();
                    let written = traffic.encrypt(bytes, room).map_err(|error| match error {
                        EncryptError::EncryptExhausted => wrong(&"too many records"),
                        error => wrong(&error),
                    })?;
                    out.truncate(at + written);
                    return Ok(());
                }
                // New keys go before what they encrypt.
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(out, |room| data.encode(room))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                state => return Err(Error::Protocol(format!("TLS: cannot send in {state:?}"))),
            }
        }
    }
}

/// Appends what `encode` writes, in the room that it asks for.
fn encode(
    out: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> std::result::Result<usize, EncodeError>,
) -> Result<()> {
    let at = out.len();
    let mut room = 1024;
    loop {
        out.resize(at + room, 0);
        match encode(out.get_mut(at..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(at + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(more)) => room = more.required_size,
            Err(error) => return Err(wrong(&error)),
        }
    }
}

fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::Protocol(format!("TLS: {error}"))
}

/// A session on a blocking socket.
#[derive(Debug)]
pub struct Blocking<'s> {
    stream: &'s mut TcpStream,
    session: &'s mut Session,
    plain: Vec<u8>,
}

impl<'s> Blocking<'s> {
    /// Around both.
    pub fn new(stream: &'s mut TcpStream, session: &'s mut Session) -> Self {
        Self { stream, session, plain: Vec::new() }
    }

    /// Goes through the rest of the handshake.
    pub fn shake_hands(&mut self) -> Result<()> {
        while !self.pull().map_err(Error::io("the TLS handshake"))? {}
        Ok(())
    }

    /// Waits for bytes and takes them; whether data can be sent.
    fn pull(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let count = handshake::read(self.stream, &mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = Vec::new();
        let bytes = bytes.get(..count).unwrap_or_default();
        let open = self.session.take(bytes, &mut self.plain, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out)?;
        Ok(open)
    }
}

impl Read for Blocking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            if self.session.has_ended() {
                return Ok(0);
            }
            self.pull()?;
        }
        let count = self.plain.len().min(into.len());
        for (to, from) in into.iter_mut().zip(self.plain.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl Write for Blocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::new();
        self.session.encrypt(bytes, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
