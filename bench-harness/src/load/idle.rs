//! Connections that do nothing: what they cost a server in memory.

use super::connect;
use crate::error::{Error, Result};
use crate::scenario::{Kind, Scenario};
use crate::stream::{Mismatch, Streams};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Open connections. Dropping them resets them, which leaves no TIME-WAIT behind.
#[derive(Debug)]
pub struct Idle {
    streams: Vec<TcpStream>,
    bytes: Streams,
}

impl Idle {
    /// Opens as many connections as `scenario` says, through the handshake unless it is raw.
    pub fn open(server: SocketAddr, scenario: &Scenario) -> Result<Self> {
        scenario.check()?;
        let websocket = scenario.kind != Kind::Raw;
        let streams = connect::open(server, scenario.connections, websocket)?;
        for stream in &streams {
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))
                .map_err(Error::io("SO_LINGER"))?;
        }
        Ok(Self { streams, bytes: Streams::new(scenario) })
    }

    /// One message on each connection, its echo checked. All are quiet afterwards.
    pub fn exchange(&mut self) -> Result<()> {
        let mut echo = vec![0; self.bytes.echo_size];
        for (connection, stream) in self.streams.iter_mut().enumerate() {
            let phase = self.bytes.phase(connection);
            let at = phase * self.bytes.sent_size;
            let message = self.bytes.outgoing.get(at..at + self.bytes.sent_size);
            stream.write_all(message.unwrap_or_default()).map_err(Error::io("sending"))?;
            stream.read_exact(&mut echo).map_err(Error::io("receiving an echo"))?;
            let expected = self.bytes.expected(phase * echo.len(), echo.len()).unwrap_or_default();
            let differs = echo.iter().zip(expected).position(|(found, right)| found != right);
            if let Some(offset) = differs {
                let mismatch = Mismatch::Byte {
                    message: 0,
                    offset,
                    expected: expected.get(offset).copied().unwrap_or_default(),
                    found: echo.get(offset).copied().unwrap_or_default(),
                };
                return Err(Error::Echo { connection, mismatch });
            }
        }
        Ok(())
    }

    /// Open connections.
    pub fn count(&self) -> usize {
        self.streams.len()
    }
}
