//! The wires between the simulated machine and its peers, from the peers' side.

use super::Faults;
use crate::ring::Errno;
use crate::tick::Tick;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Bytes that a direction holds before its writer must wait: the socket buffers of both ends.
pub const WINDOW: usize = 64 << 10;

/// The far end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(pub(super) usize);

/// What a peer sees of its connection when there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// More may come.
    Open,
    /// The end of the stream: all that was sent has been read.
    End,
    /// A reset: what was sent last may be lost.
    Reset,
}

/// One connection's wire.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Which address the peer has.
    pub(super) address: u8,
    /// From the peer to us.
    pub(super) up: VecDeque<u8>,
    /// The peer has ended its direction.
    pub(super) up_ended: bool,
    /// From us to the peer.
    pub(super) down: VecDeque<u8>,
    /// When the peer has last read some of it.
    pub(super) read_at: Tick,
    /// We have ended our direction, or closed.
    pub(super) down_ended: bool,
    /// How the wire broke, as our side learns it.
    pub(super) broken: Option<Errno>,
    /// The peer was sent a reset.
    pub(super) reset: bool,
    /// Our side has given the socket back.
    pub(super) closed: bool,
    /// The simulation broke it, neither of the ends.
    pub(super) injected: bool,
}

impl Link {
    /// The wire breaks: both ends learn it, what was on its way is lost. Not when a peer has reset
    /// it before: what that has sent has arrived.
    pub(super) fn sever(&mut self, errno: Errno) {
        if self.broken.is_some() {
            return;
        }
        self.broken = Some(errno);
        self.injected = true;
        self.reset = true;
        self.down.clear();
    }

    /// Our side gives the socket back. Bytes that it never read, or that come later, are answered
    /// with a reset, and a reset overtakes what the peer has not read yet.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.down_ended = true;
        if !self.up.is_empty() {
            self.reset = true;
            self.down.clear();
        }
    }
}

/// All connections, and what goes wrong on them.
#[derive(Debug)]
pub struct Net {
    /// The faults from here on.
    pub faults: Faults,
    pub(super) now: Tick,
    pub(super) stalled: bool,
    pub(super) links: Vec<Link>,
    /// Per listener, who waits to be accepted; `None` once it is closed.
    pub(super) backlogs: Vec<Option<VecDeque<Peer>>>,
    /// Who was connected to by our side, and has not been looked at.
    pub(super) dialed: VecDeque<(Peer, SocketAddr)>,
}

impl Net {
    pub(super) fn new(listeners: usize, faults: Faults) -> Self {
        let backlogs = vec![Some(VecDeque::new()); listeners];
        let (links, dialed) = (Vec::new(), VecDeque::new());
        Self { faults, now: 0, stalled: false, links, backlogs, dialed }
    }

    /// The time.
    pub fn now(&self) -> Tick {
        self.now
    }

    /// Whether our side is stopped as a whole, with all its threads.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Connects to a listener; `None` when nobody listens any more.
    pub fn connect(&mut self, listener: usize) -> Option<Peer> {
        self.connect_from(listener, 0)
    }

    /// The same, from one of 255 addresses.
    pub fn connect_from(&mut self, listener: usize, address: u8) -> Option<Peer> {
        let peer = Peer(self.links.len());
        self.backlogs[listener].as_mut()?.push_back(peer);
        self.links.push(Link { address, ..Link::default() });
        Some(peer)
    }

    /// A peer that our side has connected to, and the address it was looked for at.
    pub fn dialed(&mut self) -> Option<(Peer, SocketAddr)> {
        self.dialed.pop_front()
    }

    /// Writes what there is room for; returns how much that was.
    pub fn write(&mut self, peer: Peer, bytes: &[u8]) -> usize {
        let link = &mut self.links[peer.0];
        if bytes.is_empty() || link.up_ended || link.broken.is_some() || link.reset {
            return 0;
        }
        if link.closed {
            link.reset = true;
            link.down.clear();
            return bytes.len();
        }
        let room = WINDOW.saturating_sub(link.up.len()).min(bytes.len());
        link.up.extend(&bytes[..room]);
        room
    }

    /// Reads at most `most` bytes.
    pub fn read(&mut self, peer: Peer, most: usize) -> Vec<u8> {
        let now = self.now;
        let link = &mut self.links[peer.0];
        let n = most.min(link.down.len());
        if n > 0 {
            link.read_at = now;
        }
        link.down.drain(..n).collect()
    }

    /// Bytes that wait to be read.
    pub fn readable(&self, peer: Peer) -> usize {
        self.links[peer.0].down.len()
    }

    /// What the peer sees once it has read everything.
    pub fn seen(&self, peer: Peer) -> Seen {
        let link = &self.links[peer.0];
        match () {
            () if link.reset => Seen::Reset,
            () if link.down_ended && link.down.is_empty() => Seen::End,
            () => Seen::Open,
        }
    }

    /// Ends the peer's direction: FIN.
    pub fn end(&mut self, peer: Peer) {
        self.links[peer.0].up_ended = true;
    }

    /// The peer resets the connection: RST.
    pub fn reset(&mut self, peer: Peer) {
        let link = &mut self.links[peer.0];
        link.broken.get_or_insert(Errno::CONNRESET);
        link.reset = true;
        link.down.clear();
    }

    /// Whether the simulation broke this connection.
    pub fn was_broken(&self, peer: Peer) -> bool {
        self.links[peer.0].injected
    }

    /// Whether the peer was sent a reset.
    pub fn was_reset(&self, peer: Peer) -> bool {
        self.links[peer.0].reset
    }

    /// Whether our side has given the socket back.
    pub fn was_closed(&self, peer: Peer) -> bool {
        self.links[peer.0].closed
    }
}
