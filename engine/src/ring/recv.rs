//! The receives: which are armed, which wait for a buffer, and that each ends exactly once.

use super::buf_ring::GROUP;
use super::op::Op;
use super::uring::{Sockets, Uring};
use super::{Socket, Token};
use io_uring::types::{Fd, Fixed};
use io_uring::{opcode, squeue};
use std::collections::VecDeque;
use std::ptr::null_mut;
use std::time::Duration;

/// How long a wait may last when receives are starved and all buffers are leased or retained:
/// nothing tells us when another thread gives one back.
const STARVED_WAIT: Duration = Duration::from_millis(1);

/// Where a token's receive stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// There is none.
    #[default]
    Down,
    /// In the kernel.
    Armed,
    /// It found no buffer and the kernel dropped it; to be armed again when there are some.
    Starved,
}

/// How a receive receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Into provided buffers, until it is cancelled.
    #[default]
    Multishot,
    /// At most so many bytes into one provided buffer.
    Once(u32),
    /// Into memory of the reactor.
    Into,
    /// Nothing: a poll for the end.
    Watch,
}

/// The receive of the tenant of one slot.
#[derive(Clone, Copy, Debug, Default)]
struct Receive {
    generation: u32,
    socket: u32,
    kind: Kind,
    phase: Phase,
    /// A cancel is on its way.
    cancelling: bool,
}

/// What a final completion of the kernel means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The receive is over: tell the reactor.
    Over,
    /// It found no buffer and waits for one: the reactor does not see it.
    Starved,
    /// It found no buffer, but was being cancelled: it is over as a cancelled one.
    Cancelled,
}

/// What a cancel has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Ask the kernel; the final completion comes from there.
    Kernel(Kind),
    /// Nothing is in the kernel: the final completion is ours to make.
    Finish,
    /// There is no receive, or it is being cancelled already.
    Nothing,
}

/// The receives of all slots. Grows with the highest slot in use.
#[derive(Debug, Default)]
pub(super) struct Receives {
    slots: Vec<Receive>,
    /// Waiting for buffers, in the order in which they ran out. May hold tokens that have been
    /// cancelled since.
    queue: VecDeque<Token>,
    /// How many in the queue are still waiting.
    starved: usize,
}

impl Receives {
    fn at(&mut self, token: Token) -> Option<&mut Receive> {
        let receive = self.slots.get_mut(token.slot as usize)?;
        (receive.generation == token.generation).then_some(receive)
    }

    /// A receive goes to the kernel.
    ///
    /// # Panics
    /// When the slot has one already: its completions could not be told apart.
    pub(super) fn arm(&mut self, socket: Socket, token: Token, kind: Kind) {
        let index = token.slot as usize;
        assert!(token.slot < Token::SLOTS_MAX, "a slot of 24 bits");
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Receive::default());
        }
        let receive = &mut self.slots[index];
        assert!(receive.phase == Phase::Down, "one receive per socket at a time");
        *receive = Receive {
            generation: token.generation,
            socket: socket.0,
            kind,
            phase: Phase::Armed,
            cancelling: false,
        };
    }

    /// The kernel has ended a receive; `ENOBUFS` if `no_buffers`.
    pub(super) fn ended(&mut self, token: Token, no_buffers: bool) -> End {
        let Some(receive) = self.at(token) else { return End::Over };
        debug_assert!(receive.phase == Phase::Armed);
        if !no_buffers || receive.cancelling {
            receive.phase = Phase::Down;
            return if no_buffers { End::Cancelled } else { End::Over };
        }
        receive.phase = Phase::Starved;
        self.queue.push_back(token);
        self.starved += 1;
        End::Starved
    }

    /// The reactor wants a receive to end.
    pub(super) fn cancel(&mut self, token: Token) -> Cancel {
        let Some(receive) = self.at(token) else { return Cancel::Nothing };
        match receive.phase {
            Phase::Armed if !receive.cancelling => {
                receive.cancelling = true;
                Cancel::Kernel(receive.kind)
            }
            Phase::Starved => {
                receive.phase = Phase::Down;
                self.starved -= 1;
                Cancel::Finish
            }
            Phase::Armed | Phase::Down => Cancel::Nothing,
        }
    }

    /// Whether this one waits for a buffer.
    pub(super) fn is_starved(&self, token: Token) -> bool {
        self.slots.get(token.slot as usize).is_some_and(|receive| {
            receive.generation == token.generation && receive.phase == Phase::Starved
        })
    }

    /// How many wait for a buffer.
    pub(super) fn starved(&self) -> usize {
        self.starved
    }

    /// The next one that waits for a buffer: it goes to the kernel again.
    pub(super) fn revive(&mut self) -> Option<(Socket, Token, Kind)> {
        loop {
            let token = self.queue.pop_front()?;
            if let Some(receive) = self.at(token)
                && receive.phase == Phase::Starved
            {
                receive.phase = Phase::Armed;
                let (socket, kind) = (Socket(receive.socket), receive.kind);
                self.starved -= 1;
                return Some((socket, token, kind));
            }
        }
    }
}

impl Uring {
    /// A receive into provided buffers.
    pub(super) fn push_receive(&mut self, socket: Socket, token: Token, kind: Kind) {
        let fd = Fd(socket.0 as i32);
        let receive = match (kind, &self.sockets) {
            (Kind::Once(most), sockets) => {
                let receive = match sockets {
                    Sockets::Direct => opcode::Recv::new(Fixed(socket.0), null_mut(), most),
                    Sockets::Ordinary(_) => opcode::Recv::new(fd, null_mut(), most),
                };
                receive.buf_group(GROUP).build().flags(squeue::Flags::BUFFER_SELECT)
            }
            (_, Sockets::Direct) => opcode::RecvMulti::new(Fixed(socket.0), GROUP).build(),
            (_, Sockets::Ordinary(_)) => opcode::RecvMulti::new(fd, GROUP).build(),
        };
        self.push(receive.user_data(Op::Receive.of(token)));
    }

    /// Arms receives again that found no buffer, as many as there are buffers now: the others
    /// would only fail again. Says how long to wait at most.
    pub(super) fn revive(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let starved = self.receives.starved();
        if starved == 0 {
            return timeout;
        }
        let supplied = usize::from(self.held.buf_ring.supplied());
        for _ in 0..starved.min(supplied) {
            let Some((socket, token, kind)) = self.receives.revive() else { break };
            self.queue.stats.rearms += 1;
            self.push_receive(socket, token, kind);
        }
        match self.receives.starved() {
            0 => timeout,
            _ if supplied > 0 => Some(Duration::ZERO),
            _ => Some(timeout.map_or(STARVED_WAIT, |timeout| timeout.min(STARVED_WAIT))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Token = Token { slot: 3, generation: 1 };
    const B: Token = Token { slot: 0, generation: 1 };

    #[test]
    fn starved_receives_are_revived_in_order() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.arm(Socket(8), B, Kind::Once(512));
        assert_eq!(receives.ended(A, true), End::Starved);
        assert_eq!(receives.ended(B, true), End::Starved);
        assert_eq!(receives.starved(), 2);
        assert_eq!(receives.revive(), Some((Socket(7), A, Kind::Multishot)));
        assert_eq!(receives.revive(), Some((Socket(8), B, Kind::Once(512))));
        assert_eq!((receives.revive(), receives.starved()), (None, 0));
        assert_eq!(receives.ended(A, false), End::Over);
    }

    #[test]
    fn cancelled_while_starved_is_finished_here_and_not_revived() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.ended(A, true), End::Starved);
        assert_eq!(receives.cancel(A), Cancel::Finish);
        assert_eq!(receives.cancel(A), Cancel::Nothing);
        assert_eq!((receives.revive(), receives.starved()), (None, 0));
    }

    #[test]
    fn armed_again_after_such_a_cancel_the_old_place_in_the_queue_does_no_harm() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        receives.cancel(A);
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        assert_eq!(receives.revive(), Some((Socket(7), A, Kind::Multishot)));
        assert_eq!((receives.revive(), receives.starved()), (None, 0));
    }

    #[test]
    fn a_cancel_that_meets_no_buffers_ends_as_cancelled() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.cancel(A), Cancel::Kernel(Kind::Multishot));
        assert_eq!(receives.cancel(A), Cancel::Nothing, "once");
        assert_eq!(receives.ended(A, true), End::Cancelled);
        assert_eq!(receives.starved(), 0);
    }

    #[test]
    fn a_stale_generation_has_no_receive() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        let stale = Token { generation: 9, ..A };
        assert_eq!(receives.cancel(stale), Cancel::Nothing);
        assert_eq!(receives.cancel(Token { slot: 99, generation: 1 }), Cancel::Nothing);
    }

    #[test]
    #[should_panic(expected = "one receive per socket")]
    fn two_receives_of_a_slot_are_refused() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.arm(Socket(7), A, Kind::Multishot);
    }
}
