//! The listening sockets of a reactor.

use crate::reactor::core::adopt::Arrival;
use std::collections::VecDeque;

/// What a listening socket is to a reactor.
#[derive(Clone, Copy, Debug)]
pub struct Listens {
    /// The endpoint that it serves.
    pub endpoint: u16,
    /// It was given to us, and others have it too: who waits in its backlog is theirs when we end.
    pub given: bool,
    /// What it brings goes to the reactor that has the fewest connections.
    pub spreads: bool,
}

/// A listening socket of this reactor.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Whose connections it accepts.
    pub(crate) endpoint: u16,
    /// They go where the fewest are.
    pub(crate) spreads: bool,
    /// Accepts that have not ended.
    pub(crate) out: usize,
    /// They are being cancelled.
    pub(crate) cancelling: bool,
    /// Descriptors have run out; a timer will try again.
    pub(crate) waiting: bool,
    /// While it is emptied: how many accepts that wait for nobody went out.
    pub(crate) swept: usize,
    /// Nobody waits any more who would be reset when it is closed.
    pub(crate) empty: bool,
    pub(crate) closed: bool,
}

/// The listening sockets of this reactor.
#[derive(Debug)]
pub(crate) struct Listeners<J> {
    pub(crate) all: Vec<Listener>,
    /// Connections that came when the last slot had just been taken: they go on waiting as they did
    /// in the backlog. Few: where there is little room, a listener has one accept out.
    pub(crate) held: VecDeque<Arrival<J>>,
}

impl<J> Listeners<J> {
    /// One per socket of the kernel.
    pub(crate) fn new(sockets: Vec<Listens>) -> Self {
        let listener = |Listens { endpoint, given, spreads }| Listener {
            endpoint,
            spreads,
            out: 0,
            cancelling: false,
            waiting: false,
            swept: 0,
            // Nobody who waits there waits for us.
            empty: given,
            closed: false,
        };
        Self { all: sockets.into_iter().map(listener).collect(), held: VecDeque::new() }
    }

    /// Whether none will bring a connection any more.
    pub(crate) fn are_closed(&self) -> bool {
        self.held.is_empty() && self.all.iter().all(|listener| listener.closed)
    }
}
