//! What waits where a peer reads more slowly than we send.

use super::waiting::Waiting;
use crate::conn::clock::Stamp;
use crate::memory::{Batch, Queue};
use crate::proto::header::CONTROL_MAX;
use std::collections::VecDeque;

/// What only a connection whose peer reads slowly has. In the order in which it leaves.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    /// What a short send left over. It may begin inside a frame, so nothing goes before it.
    pub(super) rest: Batch,
    /// Control frames: "as soon as is practical" (RFC 6455 §5.5.2) is before the messages that
    /// wait, between two frames.
    pub(super) control: Queue,
    /// Queues that have come to the size of a batch. Each ends where a frame ends.
    pub(super) sealed: VecDeque<Sealed>,
    /// Since when the queue itself waits.
    pub(super) queued: Stamp,
    /// The answer to the latest Ping while the queue is over its limit: the only one that must be
    /// sent (RFC 6455 §5.5.3). Leaves with the control frames.
    pub(super) pong: Option<Control>,
    /// Messages that may still be replaced or dropped. Leave behind the queue.
    pub(super) latest: Option<Box<Waiting>>,
}

/// A queue that nothing is added to any more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) queue: Queue,
    /// Its memory when it was sealed: there may be many, and each refers to many messages.
    pub(super) weight: usize,
    /// Since when it waits.
    pub(super) since: Stamp,
}

#[derive(Debug)]
pub(super) struct Control {
    pub(super) payload: [u8; CONTROL_MAX],
    pub(super) len: u8,
}

impl Stalled {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
            && self.control.is_empty()
            && self.sealed.is_empty()
            && self.pong.is_none()
            && self.queued.is_none()
            && self.latest.is_none()
    }

    /// Since when the queue has waited that leaves next.
    pub(super) fn next_since(&self) -> Stamp {
        self.sealed.front().map_or(self.queued, |sealed| sealed.since)
    }

    /// What leaves before the queue.
    pub(super) fn next(&mut self, control_may_lead: bool) -> Batch {
        if !self.rest.is_empty() {
            std::mem::take(&mut self.rest)
        } else if control_may_lead && !self.control.is_empty() {
            std::mem::take(&mut self.control).into()
        } else {
            self.sealed.pop_front().map(|sealed| sealed.queue).unwrap_or_default().into()
        }
    }

    /// The memory of all of it.
    pub(super) fn weight(&self) -> usize {
        let sealed: usize = self.sealed.iter().map(|sealed| sealed.weight).sum();
        let latest = self.latest.as_ref().map_or(0, |latest| latest.weight());
        self.rest.weight() + self.control.weight() + sealed + latest
    }
}
