//! A connection from its first byte to its last: which calls mean something when.

use super::clock::{Clock, Ping, Probe, RoundTrip, Stamp};
use super::handshake::asked::Asked;
use super::handshake::http::Http;
use super::receive::part::Inbound;
use super::receive::reading::{Losses, Reading};
use super::send::deflation::{Deflation, Own};
use super::send::outbox::Outbox;
use super::{Cause, Disposition, Failure, QueuePolicy};
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
    /// Part of the body of a request that is no upgrade.
    Body,
    /// Nothing yet: the request must be answered first.
    Upgrade,
    /// The same, and the answer comes later: what the peer sends is held back.
    Answer,
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
    /// Since when what is out has waited, or what a short send has left of it.
    pub(super) out_since: Stamp,
    pub(super) rare: Option<Box<Rare>>,
    /// The code of the peer's Close frame; 0 while none has come.
    pub(super) received: u16,
    /// The code of ours; 0 while none was queued.
    pub(super) sent: u16,
    pub(super) expecting: Expecting,
    pub(super) disposition: Disposition,
    pub(super) opened: bool,
    /// It was open, and a Close frame of either side has begun its end, for this.
    pub(super) closing: Option<Cause>,
    pub(super) reading: Reading,
    /// The peer has ended its direction while reading is stopped.
    pub(super) hung_up: bool,
    /// The peer has ended its direction of the transport, and all of it was received.
    pub(super) ended: bool,
    /// How far our last Ping is.
    pub(super) ping: Ping,
    /// Between the last Ping of ours that was answered and its Pong.
    pub(super) round_trip: RoundTrip,
}

/// What few connections have, or for a short time: apart, so that the many do not pay for it.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// A head that did not come whole.
    pub(super) head: Option<Box<HeadReader>>,
    /// Of a client: what it waits for before it is open.
    pub(super) asked: Option<Box<Asked>>,
    /// Of a server, until it is open: what it knows of requests that are no upgrade.
    pub(super) http: Option<Box<Http>>,
    /// Its own compressor.
    pub(super) own: Option<Box<Own>>,
    pub(super) failure: Option<Failure>,
    pub(super) losses: Losses,
    /// The Ping of ours that has no answer yet.
    pub(super) asked_ping: Option<Probe>,
    /// What it has of its own in the place of its endpoint's.
    pub(super) policy: Option<QueuePolicy>,
    /// What the peer's Close frame says.
    pub(super) reason: Box<str>,
}

impl Connection {
    /// The server end, waiting for the HTTP head since `now`.
    pub fn server(now: Tick) -> Self {
        Self {
            inbound: Inbound::new(Role::Server),
            outbox: Outbox::new(Role::Server),
            deflation: Deflation::OFF,
            clock: Clock::new(now),
            out_since: Stamp::NONE,
            rare: None,
            received: 0,
            sent: 0,
            expecting: Expecting::Head,
            disposition: Disposition::Open,
            opened: false,
            closing: None,
            reading: Reading::Deliver,
            hung_up: false,
            ended: false,
            ping: Ping::Left,
            round_trip: RoundTrip::default(),
        }
    }

    /// Of a server, until the upgrade is answered: when the connection was made.
    pub fn began(&self) -> Tick {
        self.clock.mark
    }

    /// Whether `accept` was called: `on_open` belongs to it, and so `on_close`.
    pub fn opened(&self) -> bool {
        self.opened
    }

    /// Whether it was open, and a Close frame has begun its end.
    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// What has begun its end, if a Close frame has.
    pub fn closing(&self) -> Option<Cause> {
        self.closing
    }

    /// The failure that is held, if any.
    pub fn failure(&self) -> Option<Failure> {
        self.rare.as_ref().and_then(|rare| rare.failure)
    }

    /// To be given what few have.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Nothing of it is needed any more.
    pub(super) fn drop_empty_rare(&mut self) {
        // All fields by name, so that none is forgotten.
        let is_empty = |rare: &Rare| {
            let Rare { head, asked, http, own, failure, losses, asked_ping, policy, reason } = rare;
            head.is_none()
                && asked.is_none()
                && http.is_none()
                && own.is_none()
                && failure.is_none()
                && *losses == Losses::default()
                && asked_ping.is_none()
                && policy.is_none()
                && reason.is_empty()
        };
        if self.rare.as_deref().is_some_and(is_empty) {
            self.rare = None;
        }
    }

    /// It is open: what was asked for that, or came in parts, is no more.
    pub(super) fn end_opening(&mut self) {
        if let Some(rare) = &mut self.rare {
            (rare.head, rare.asked, rare.http) = (None, None, None);
            if rare.own.is_none() {
                self.rare = None;
            }
        }
    }

    /// Of a client: what it waits for before it is open.
    pub(super) fn asked(&self) -> Option<&Asked> {
        self.rare.as_ref()?.asked.as_deref()
    }

    /// The same, to go on with.
    pub(super) fn asked_mut(&mut self) -> Option<&mut Asked> {
        self.rare.as_mut()?.asked.as_deref_mut()
    }

    /// Releases all memory into the pool, but the peer's reason. Nothing but `close_info` may be
    /// called after.
    pub fn release(&mut self, pool: &mut Pool) {
        self.expecting = Expecting::Done;
        // Neither goes to the pool: what is queued may be shared, and heads are not kept.
        let mut head = 0;
        if let Some(rare) = &mut self.rare {
            head = rare.head.take().map_or(0, |head| head.collected());
            head += rare.http.take().map_or(0, |http| http.collected());
            (rare.asked, rare.own) = (None, None);
        }
        pool.count_freed(self.outbox.buffered() + head);
        self.deflation = Deflation::OFF;
        self.inbound.end(pool);
        self.outbox.release(pool);
    }

    /// Bytes of heap memory for what was received or is to be sent, used or not.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| {
            let head = rare.head.as_ref().map_or(0, |_| size_of::<HeadReader>());
            head + rare.reason.len()
        });
        rare + self.inbound.heap_bytes() + self.outbox.heap_bytes()
    }
}
