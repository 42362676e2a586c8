//! A client of a NATS broker as small as can be: what the broker alone costs. Its protocol is that
//! of <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use crate::error::{Error, Result};
use crate::handshake;
use rustix::net::{RecvFlags, recv};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Range;
use std::time::Duration;

const SUBJECT: &str = "bare";
const PATIENCE: Duration = Duration::from_secs(5);
const PIECE: usize = 64 << 10;

/// A connection to the broker.
pub(super) struct Bare {
    socket: TcpStream,
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
}

/// What the broker has said.
enum Said {
    /// Where the payload lies.
    Message(Range<usize>),
    Ping,
    Other,
}

impl Bare {
    /// Connects, and subscribes if it is to hear what another publishes; comes back when the broker
    /// has taken that.
    pub(super) fn connect(port: u16, subscribes: bool) -> Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let socket = socket.map_err(Error::io("connecting to the broker"))?;
        socket.set_nodelay(true).map_err(Error::io("TCP_NODELAY"))?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(Error::io("a timeout"))?;
        let mut bare = Self { socket, input: Vec::new(), at: 0, output: Vec::new() };
        bare.output.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        if subscribes {
            bare.output.extend_from_slice(format!("SUB {SUBJECT} 1\r\n").as_bytes());
        }
        bare.output.extend_from_slice(b"PING\r\n");
        bare.flush()?;
        let Some(pong) = bare.line_after(b"PONG", PATIENCE)? else {
            return Err(Error::Stalled("the broker does not answer".into()));
        };
        bare.at = pong;
        Ok(bare)
    }

    /// Behind the line that begins so, which is waited for.
    fn line_after(&mut self, begin: &[u8], patience: Duration) -> Result<Option<usize>> {
        loop {
            let lines = self.input.windows(2).enumerate().filter(|(_, two)| *two == b"\r\n");
            let mut from = 0;
            for (end, _) in lines {
                if self.input[from..end].starts_with(begin) {
                    return Ok(Some(end + 2));
                }
                from = end + 2;
            }
            if !self.fill(patience)? {
                return Ok(None);
            }
        }
    }

    /// To be sent with [`Bare::say`].
    pub(super) fn publish(&mut self, message: &[u8]) {
        // A Vec takes all.
        let _ = write!(self.output, "PUB {SUBJECT} {}\r\n", message.len());
        self.output.extend_from_slice(message);
        self.output.extend_from_slice(b"\r\n");
    }

    /// Sends what was published. Who only publishes must answer the broker's PINGs, too.
    pub(super) fn say(&mut self) -> Result<()> {
        let mut piece = [0; 512];
        // Nothing is there, or the end, of which sending tells.
        if let Ok((_, count)) = recv(&self.socket, &mut piece, RecvFlags::DONTWAIT) {
            self.input.extend_from_slice(&piece[..count]);
            while let Some(said) = self.understand()? {
                if matches!(said, Said::Ping) {
                    self.output.extend_from_slice(b"PONG\r\n");
                }
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let sent = self.socket.write_all(&self.output).map_err(Error::io("to the broker"));
        self.output.clear();
        sent
    }

    /// The next message, if it comes in time.
    pub(super) fn receive(&mut self, patience: Duration) -> Result<Option<&[u8]>> {
        let payload = loop {
            match self.understand()? {
                Some(Said::Message(payload)) => break payload,
                Some(Said::Ping) => {
                    self.output.extend_from_slice(b"PONG\r\n");
                    self.flush()?;
                }
                Some(Said::Other) => {}
                None if self.fill(patience)? => {}
                None => return Ok(None),
            }
        };
        Ok(self.input.get(payload))
    }

    /// More of what the broker says; false: nothing comes in time.
    fn fill(&mut self, patience: Duration) -> Result<bool> {
        self.socket.set_read_timeout(Some(patience)).map_err(Error::io("a timeout"))?;
        self.input.drain(..self.at);
        self.at = 0;
        let mut piece = [0; PIECE];
        match handshake::read(&mut self.socket, &mut piece) {
            Ok(0) => Err(Error::Protocol("the broker has ended the connection".into())),
            Ok(bytes) => {
                self.input.extend_from_slice(&piece[..bytes]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(Error::io("from the broker")(error)),
        }
    }

    /// What lies at the front, if all of it is here.
    fn understand(&mut self) -> Result<Option<Said>> {
        let rest = &self.input[self.at..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
        let (line, begin) = (&rest[..end], self.at + end + 2);
        if !line.starts_with(b"MSG ") {
            let said = if line == b"PING" { Said::Ping } else { Said::Other };
            if line.starts_with(b"-ERR") {
                return Err(Error::Protocol(String::from_utf8_lossy(line).into_owned()));
            }
            self.at = begin;
            return Ok(Some(said));
        }
        let size = str::from_utf8(line).ok().and_then(|line| line.rsplit(' ').next()?.parse().ok());
        let size: usize =
            size.ok_or_else(|| Error::Protocol(String::from_utf8_lossy(line).into_owned()))?;
        if self.input.len() < begin + size + 2 {
            return Ok(None);
        }
        self.at = begin + size + 2;
        Ok(Some(Said::Message(begin..begin + size)))
    }
}
