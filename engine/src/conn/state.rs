//! A connection from its first byte to its last: which calls mean something when.

use super::clock::{Clock, Ping};
use super::handshake::asked::Asked;
use super::receive::part::Inbound;
use super::receive::reading::{Losses, Reading};
use super::send::deflation::Deflation;
use super::send::outbox::Outbox;
use super::{Disposition, Failure};
use crate::memory::Pool;
use crate::proto::Role;
use crate::proto::head::HeadReader;
use crate::tick::Tick;

/// In place of the code of a Close frame of ours that cannot be sent any more.
pub(super) const NEVER: u16 = u16::MAX;

/// What is expected of the peer next: what its bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expecting {
    /// Part of the HTTP head.
    Head,
    /// Nothing yet: the upgrade must be answered first.
    Upgrade,
    /// Frames.
    Open,
    /// Nothing any more.
    Done,
}

/// One connection. Idle, it owns no heap memory.
#[derive(Debug)]
pub struct Connection {
    pub(super) inbound: Inbound,
    pub(super) outbox: Outbox,
    pub(super) deflation: Deflation,
    pub(super) clock: Clock,
    /// A head that did not come whole.
    pub(super) head: Option<Box<HeadReader>>,
    /// Of a client: what it waits for before it is open.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) failure: Option<Failure>,
    /// The code of the peer's Close frame; 0 while none has come.
    pub(super) received: u16,
    /// The code of ours; 0 while none was queued.
    pub(super) sent: u16,
    pub(super) expecting: Expecting,
    pub(super) disposition: Disposition,
    pub(super) opened: bool,
    pub(super) reading: Reading,
    /// The peer has ended its direction while reading is stopped.
    pub(super) hung_up: bool,
    /// The peer has ended its direction of the transport, and all of it was received.
    pub(super) ended: bool,
    /// Since the end began, all that was queued has left.
    pub(super) all_left: bool,
    /// How far our last Ping is.
    pub(super) ping: Ping,
    pub(super) losses: Option<Box<Losses>>,
}

impl Connection {
    /// The server end, waiting for the HTTP head since `now`.
    pub fn server(now: Tick) -> Self {
        Self {
            inbound: Inbound::new(Role::Server),
            outbox: Outbox::new(Role::Server),
            deflation: Deflation::OFF,
            clock: Clock::new(now),
            head: None,
            asked: None,
            failure: None,
            received: 0,
            sent: 0,
            expecting: Expecting::Head,
            disposition: Disposition::Open,
            opened: false,
            reading: Reading::Deliver,
            hung_up: false,
            ended: false,
            all_left: false,
            ping: Ping::Left,
            losses: None,
        }
    }

    /// Whether `accept` was called: `on_open` belongs to it, and so `on_close`.
    pub fn opened(&self) -> bool {
        self.opened
    }

    /// Releases all memory into the pool, but the peer's reason. Nothing but `close_info` may be
    /// called after.
    pub fn release(&mut self, pool: &mut Pool) {
        self.expecting = Expecting::Done;
        // Neither goes to the pool: what is queued may be shared, and heads are not kept.
        let head = self.head.as_ref().map_or(0, |head| head.collected());
        pool.count_freed(self.outbox.buffered() + head);
        (self.head, self.asked) = (None, None);
        self.deflation = Deflation::OFF;
        self.inbound.forbid_compressed();
        self.outbox.release(pool);
        if self.received == 0 {
            self.inbound.end("", pool);
        }
    }

    /// Bytes of heap memory, used or not.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |_| size_of::<HeadReader>());
        head + self.inbound.heap_bytes() + self.outbox.heap_bytes()
    }
}
