//! One of very many connections: what it waits for, and what comes. It owns no memory while it is
//! quiet, so that a process has tens of thousands.

use crate::error::Result;
use crate::frame::{self, CLOSE, PING, PONG};
use crate::handshake;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TCP is being connected.
    Connecting,
    /// The request is under way.
    Upgrading,
    /// Frames come and go.
    Open,
    /// Our Close has been sent.
    Closing,
}

/// What has come of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The upgrade was accepted.
    Opened,
    /// So many messages and Pings, which were answered.
    Frames { messages: u32, pings: u32 },
    /// The upgrade was refused with a status, and when to come back, if that was told.
    Refused { status: u16, retry_after: Option<u32> },
    /// The end, in order or not.
    Ended,
    /// What is not RFC 6455.
    Wrong,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: OwnedFd,
    pub(super) stage: Stage,
    /// When it was begun.
    pub(super) since_ns: u64,
    /// What has come in part.
    rest: Vec<u8>,
}

/// No secret: the server is one under test.
const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x88];

impl Peer {
    /// Begins to connect.
    pub(super) fn begin(
        server: SocketAddr,
        source: Option<Ipv4Addr>,
        since_ns: u64,
    ) -> std::io::Result<Self> {
        let socket = crate::ring::socket(server, source)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match rustix::net::connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self { socket, stage: Stage::Connecting, since_ns, rest: Vec::new() })
    }

    /// The socket can be written to, or has failed: sends the request when it is connected.
    pub(super) fn connected(&mut self, request: &[u8]) -> std::result::Result<(), Errno> {
        rustix::net::sockopt::socket_error(&self.socket)??;
        self.stage = Stage::Upgrading;
        self.send(request)
    }

    /// Sends a Close with 1000.
    pub(super) fn close(&mut self) -> std::result::Result<(), Errno> {
        self.stage = Stage::Closing;
        self.send_frame(CLOSE, &1000u16.to_be_bytes())
    }

    /// A message of its own.
    pub(super) fn send_frame(
        &mut self,
        opcode: u8,
        payload: &[u8],
    ) -> std::result::Result<(), Errno> {
        let mut wire = Vec::with_capacity(payload.len() + 14);
        frame::append(&mut wire, opcode, payload, Some(MASK));
        self.send(&wire)
    }

    /// What it sends is small, and waits for no room.
    fn send(&self, bytes: &[u8]) -> std::result::Result<(), Errno> {
        match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL)? {
            sent if sent == bytes.len() => Ok(()),
            _ => Err(Errno::NOBUFS),
        }
    }

    /// Takes what there is, once.
    pub(super) fn readable(&mut self, room: &mut [u8]) -> Came {
        let nothing = Came::Frames { messages: 0, pings: 0 };
        let count = match rustix::net::recv(&self.socket, &mut *room, RecvFlags::empty()) {
            Ok((0, _)) => return Came::Ended,
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return nothing,
            Err(_) => return Came::Ended,
        };
        let came = room.get(..count).unwrap_or_default();
        if self.rest.is_empty() {
            let used = self.take(came);
            return self.keep(used, came);
        }
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(came);
        let used = self.take(&all);
        self.keep(used, &all)
    }

    fn keep(&mut self, taken: Result<(usize, Came)>, bytes: &[u8]) -> Came {
        let Ok((used, came)) = taken else { return Came::Wrong };
        self.rest.extend_from_slice(bytes.get(used..).unwrap_or_default());
        came
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(usize, Came)> {
        if self.stage != Stage::Upgrading {
            return self.frames(bytes);
        }
        let Some(len) = handshake::head_len(bytes) else {
            return Ok((0, Came::Frames { messages: 0, pings: 0 }));
        };
        let head = bytes.get(..len).unwrap_or_default();
        let (status, retry_after) = status_of(head);
        if status != 101 {
            return Ok((bytes.len(), Came::Refused { status, retry_after }));
        }
        handshake::check_head(head)?;
        self.stage = Stage::Open;
        Ok((len, Came::Opened))
    }

    fn frames(&mut self, bytes: &[u8]) -> Result<(usize, Came)> {
        let (mut at, mut messages, mut pings) = (0, 0, 0);
        loop {
            let left = bytes.get(at..).unwrap_or_default();
            let Some(header) = frame::parse(left)? else { break };
            let Some(payload) = left.get(header.size..header.size + header.len) else { break };
            match header.opcode {
                PING => {
                    pings += 1;
                    if self.stage == Stage::Open && self.send_frame(PONG, payload).is_err() {
                        return Ok((bytes.len(), Came::Ended));
                    }
                }
                CLOSE | PONG => {}
                _ => messages += 1,
            }
            at += header.size + header.len;
        }
        Ok((at, Came::Frames { messages, pings }))
    }
}

/// The status of a response, and its `Retry-After` in seconds.
fn status_of(head: &[u8]) -> (u16, Option<u32>) {
    let text = String::from_utf8_lossy(head);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let retry = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("retry-after").then(|| value.trim().parse().ok())?
    });
    (status, retry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_come_back_is_read() {
        let head = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\n\r\n";
        assert_eq!(status_of(head), (503, Some(7)));
        assert_eq!(status_of(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), (101, None));
        assert_eq!(status_of(b"nonsense"), (0, None));
    }
}
