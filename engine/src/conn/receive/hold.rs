//! Reading is stopped, started again, or given up: what becomes of what the peer sends then.

use super::reading::{Losses, Reading};
use crate::conn::state::NEVER;
use crate::conn::{Connection, Data, Failure};
use crate::memory::Pool;
use crate::tick::Tick;

impl Connection {
    /// What is to be done with the peer's bytes now.
    #[inline(always)]
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Reading was stopped or started again by the application. While stopped, silence of the
    /// peer is no fault, but a send without progress for `idle_timeout_ms` is. The closing
    /// handshake needs the peer's Close, so once ours is queued a stopped connection reads on and
    /// discards what it was not to deliver; that cannot be taken back.
    pub fn set_paused(&mut self, paused: bool, now: Tick) {
        if self.failure() == Some(Failure::OutOfMemory) {
            return;
        }
        self.reading = match (self.reading, paused) {
            (Reading::Deliver, true) if self.close_sent() => Reading::Discard,
            (Reading::Deliver, true) => Reading::Hold,
            (Reading::Hold, false) => Reading::Deliver,
            _ => return,
        };
        self.hung_up = false;
        self.restart_clock(now);
    }

    /// The peer has ended its direction while reading was stopped: what it has sent before may
    /// still be read, for as long as [`Connection::deadline`] says. One that waits for the answer
    /// to its request has given it up.
    pub fn peer_hung_up(&mut self, now: Tick) {
        if self.failure() == Some(Failure::OutOfMemory) {
            return self.give_up(None);
        }
        if self.awaits_answer() {
            return self.give_up(Some(Failure::EndOfStream));
        }
        if self.reading == Reading::Hold && !self.hung_up {
            self.hung_up = true;
            self.clock.mark(now);
        }
    }

    /// Nobody will read what is held back, but there may be a Close frame in it.
    pub(in crate::conn) fn discard_input(&mut self) {
        if self.reading == Reading::Hold {
            self.reading = Reading::Discard;
        }
    }

    /// Whether the peer may send what is to be inflated.
    pub(crate) fn may_inflate(&self) -> bool {
        self.inbound.may_inflate()
    }

    /// Payload bytes that came and were not delivered, because reading was stopped.
    pub fn unread(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.losses.unread)
    }

    /// So many bytes of messages were not delivered by whoever was given them.
    pub(crate) fn count_unread(&mut self, bytes: usize) {
        self.losses().unread += bytes as u64;
    }

    /// A message, or a part of one, that nobody is to see.
    #[cold]
    pub(in crate::conn) fn discard(&mut self, data: Data<'_>, pool: &mut Pool) {
        self.losses().unread += data.as_slice().len() as u64;
        if let Data::Owned(bytes) = data {
            pool.put(bytes);
        }
    }

    /// What carries our direction has failed: what is queued is dropped, and nothing can be queued
    /// any more. What has come may still be received, until [`Connection::deadline`] at the latest.
    /// A batch that is out may be given back, or not.
    pub fn cannot_send(&mut self, now: Tick, pool: &mut Pool) {
        if self.outbox.is_mute() {
            return;
        }
        let unsent = self.outbox.unsent() as u64;
        if unsent > 0 {
            self.losses().unsent += unsent;
        }
        if self.sent == 0 || !self.outbox.all_left {
            self.sent = NEVER;
        }
        self.outbox.drop_all(pool);
        self.outbox.mute();
        self.discard_input();
        self.clock.mark(now);
    }

    /// Bytes of messages that were queued and have not left, or not wholly, with the headers of
    /// their frames. After the end, what was dropped.
    pub fn unsent(&self) -> u64 {
        let lost = self.rare.as_ref().map_or(0, |rare| rare.losses.unsent);
        lost + self.outbox.unsent() as u64
    }

    /// So many bytes of messages will not be sent.
    pub(in crate::conn) fn count_unsent(&mut self, bytes: u64) {
        self.losses().unsent += bytes;
    }

    /// Messages that were dropped because the queue was full.
    pub fn dropped(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.losses.dropped)
    }

    /// One more.
    pub(in crate::conn) fn count_dropped(&mut self) {
        let dropped = &mut self.losses().dropped;
        *dropped = dropped.saturating_add(1);
    }

    /// So many were, elsewhere.
    pub(in crate::conn) fn count_all_dropped(&mut self, dropped: u32) {
        if dropped > 0 {
            self.losses().dropped = dropped;
        }
    }

    fn losses(&mut self) -> &mut Losses {
        &mut self.rare().losses
    }
}
