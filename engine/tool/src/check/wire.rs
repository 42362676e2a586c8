//! A connection of `check`: both directions at once, each within a time, with TLS or without.

use crate::error::{Error, Result};
use crate::place::Place;
use crate::trust::session;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ClientConfig, ClientConnection};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How the server has ended its direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Eof,
    /// With a reset of TCP.
    Reset,
    /// With records that are none.
    Tls(String),
}

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What waits to be sent, and how much of it has been.
    out: Vec<u8>,
    sent: usize,
    /// All that came.
    pub(crate) came: Vec<u8>,
    pub(crate) end: Option<End>,
}

impl Wire {
    pub(crate) fn open(
        place: &Place,
        config: Option<&Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self> {
        let stream = place.connect(patience)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let tls = match config.filter(|_| place.secure) {
            Some(config) => Some(Box::new(session(config, place)?)),
            None => None,
        };
        let came = Vec::new();
        let mut wire = Self { stream, tls, out: Vec::new(), sent: 0, came, end: None };
        let until = Instant::now() + patience;
        while wire.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            if wire.end.is_none() && wire.turn(until) {
                continue;
            }
            let why = match &wire.end {
                Some(End::Tls(why)) => why.clone(),
                Some(_) => "the server has ended the connection".into(),
                None => "timed out".into(),
            };
            return Err(Error::Tls { at: place.authority.clone(), why });
        }
        Ok(wire)
    }

    /// Queues bytes; `turn` sends them.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => {
                tls.set_buffer_limit(None);
                // A vector takes everything.
                let _ = tls.writer().write_all(bytes);
            }
            None => self.out.extend_from_slice(bytes),
        }
    }

    /// Whether all that was queued is with the kernel, or never will be.
    pub(crate) fn is_sent(&self) -> bool {
        let encrypted = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        self.end.is_some() || self.sent == self.out.len() && !encrypted
    }

    /// Ends our direction of TCP.
    pub(crate) fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Drops TCP with a reset: what was not read is not delivered (socket(7), SO_LINGER).
    pub(crate) fn reset(self) {
        let at_once = Some(Duration::ZERO);
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, at_once);
    }

    /// The session of TLS, established.
    pub(crate) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// Waits until something can be sent or has come, and does that. `false`: it is too late.
    pub(crate) fn turn(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let writes =
            self.sent < self.out.len() || self.tls.as_ref().is_some_and(|t| t.wants_write());
        let mut wanted = PollFlags::IN;
        wanted.set(PollFlags::OUT, writes);
        let mut polled = [PollFd::new(&self.stream, wanted)];
        let timeout = Timespec::try_from(left).ok();
        let ready = poll(&mut polled, timeout.as_ref()).unwrap_or(0);
        if ready == 0 {
            return until > Instant::now();
        }
        let happened = polled[0].revents();
        if writes && happened.contains(PollFlags::OUT) {
            self.write();
        }
        if happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.read();
        }
        true
    }

    fn write(&mut self) {
        let result = match &mut self.tls {
            Some(tls) => tls.write_tls(&mut self.stream).map(|_| ()),
            None => self.stream.write(&self.out[self.sent..]).map(|count| self.sent += count),
        };
        if let Err(error) = result
            && !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        {
            // What the server has said before may still be read: only sending is over.
            (self.sent, self.tls) = (self.out.len(), self.tls.take());
            if self.tls.is_some() {
                self.end.get_or_insert(End::Reset);
            }
        }
    }

    fn read(&mut self) {
        let result = match &mut self.tls {
            None => {
                let mut some = [0; 16 << 10];
                self.stream.read(&mut some).map(|count| {
                    self.came.extend_from_slice(&some[..count]);
                    count > 0
                })
            }
            Some(tls) => tls.read_tls(&mut self.stream).map(|count| {
                let state = tls.process_new_packets();
                let mut plain = Vec::new();
                let more = tls.reader().read_to_end(&mut plain);
                self.came.extend(plain);
                if let Err(error) = state {
                    self.end = Some(End::Tls(error.to_string()));
                }
                // WouldBlock: there is no more for now. 0: close_notify.
                count > 0 && more.is_err()
            }),
        };
        match result {
            Ok(true) => {}
            Ok(false) => {
                self.end.get_or_insert(End::Eof);
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                _ => {
                    self.end.get_or_insert(End::Reset);
                }
            },
        }
    }
}
