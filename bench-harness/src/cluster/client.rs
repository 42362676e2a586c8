//! A WebSocket client of an engine of the cluster, which asks it for things and hears what it says.

use super::wire::{Said, topic};
use crate::error::{Error, Result};
use crate::frame::{self, BINARY};
use crate::handshake;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

/// A frozen engine takes nothing and says nothing: longer than that none is.
const PATIENCE: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const PIECE: usize = 64 << 10;

/// A connection.
pub(crate) struct Client {
    socket: TcpStream,
    /// What has come, and how much of it was understood.
    input: Vec<u8>,
    at: usize,
    /// What is to be sent.
    output: Vec<u8>,
}

impl Client {
    /// Connects, and asks to be told of gaps and of the bus.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connecting = Error::io("connecting");
        let mut socket =
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(connecting)?;
        socket.set_nodelay(true).map_err(Error::io("TCP_NODELAY"))?;
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&socket, Some(PATIENCE)).map_err(Error::io("a timeout"))?;
        }
        socket.write_all(&handshake::request(address, "/")).map_err(Error::io("the request"))?;
        handshake::read_response(&mut socket)?;
        Ok(Self { socket, input: Vec::new(), at: 0, output: Vec::new() })
    }

    fn ask(&mut self, what: &[&[u8]]) {
        frame::append(&mut self.output, BINARY, &what.concat(), Some(MASK));
    }

    /// To be told of gaps, and of the bus.
    pub(crate) fn hello(&mut self) {
        self.ask(&[b"H"]);
    }

    pub(crate) fn join(&mut self, number: u8) {
        self.ask(&[b"J", topic(number).as_bytes()]);
    }

    pub(crate) fn leave(&mut self, number: u8) {
        self.ask(&[b"L", topic(number).as_bytes()]);
    }

    pub(crate) fn publish(&mut self, number: u8, message: &[u8]) {
        let name = topic(number);
        self.ask(&[b"P", &[name.len() as u8], name.as_bytes(), message]);
    }

    /// The message so many times: its number, at [`NUMBER`](super::engine::NUMBER), counts on.
    pub(crate) fn publish_many(&mut self, number: u8, count: u16, message: &[u8]) {
        let name = topic(number);
        let (len, count) = ([name.len() as u8], count.to_be_bytes());
        self.ask(&[b"M", &len, name.as_bytes(), &count, message]);
    }

    /// Sends what was asked.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let sent = self.socket.write_all(&self.output).map_err(Error::io("sending"));
        self.output.clear();
        sent
    }

    /// The other end of it, for a thread that only listens.
    pub(crate) fn listener(&self) -> Result<Self> {
        let socket = self.socket.try_clone().map_err(Error::io("dup"))?;
        Ok(Self { socket, input: Vec::new(), at: 0, output: Vec::new() })
    }

    /// The next thing that the engine says, if it comes in time.
    pub(super) fn next(&mut self, patience: Duration) -> Result<Option<Said>> {
        let Some(payload) = self.receive(patience)? else { return Ok(None) };
        let said = Said::read(payload)
            .ok_or_else(|| Error::Protocol(format!("{payload:?} is not what engines say")))?;
        Ok(Some(said))
    }

    /// The next message, if it comes in time.
    pub(crate) fn receive(&mut self, patience: Duration) -> Result<Option<&[u8]>> {
        let payload = loop {
            if let Some(payload) = self.whole()? {
                break payload;
            }
            self.socket.set_read_timeout(Some(patience)).map_err(Error::io("a timeout"))?;
            self.input.drain(..self.at);
            self.at = 0;
            let mut piece = [0; PIECE];
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(Error::Protocol("the end of the connection".into())),
                Ok(bytes) => self.input.extend_from_slice(&piece[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(Error::io("receiving")(error)),
            }
        };
        Ok(self.input.get(payload))
    }

    /// Where the next message lies, once all of it is here.
    fn whole(&mut self) -> Result<Option<Range<usize>>> {
        let rest = &self.input[self.at..];
        let Some(header) = frame::parse(rest)? else { return Ok(None) };
        if rest.len() < header.size + header.len {
            return Ok(None);
        }
        if header.opcode != BINARY || !header.fin {
            return Err(Error::Protocol(format!("a frame of opcode {}", header.opcode)));
        }
        let begin = self.at + header.size;
        self.at = begin + header.len;
        Ok(Some(begin..self.at))
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
