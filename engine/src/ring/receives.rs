//! Which receives are armed, which wait for a buffer, and that each ends exactly once.

use super::supply::Group;
use super::{Socket, Token};
use std::collections::VecDeque;

/// Who has brought so many bytes at a time waits behind those that bring less.
pub(super) const QUANTUM: u16 = 4 << 10;

/// Where a token's receive stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    #[default]
    Down,
    /// In the kernel.
    Armed,
    /// In the kernel, and a cancel is on its way.
    Cancelling,
    /// The same, but to be armed again at once: see `long_runs`.
    Looking,
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
    Once(u16),
    /// Once, into one large provided buffer.
    Large,
    /// Into memory of the reactor.
    Into,
    /// Nothing: a poll for the end.
    Watch,
}

/// The receive of the tenant of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Receive {
    pub(super) generation: u32,
    pub(super) socket: u32,
    pub(super) kind: Kind,
    pub(super) standing: Standing,
    /// The last one that ended has left something in the socket.
    pub(super) left_some: bool,
    /// It has brought much at a time, and since then no receive has ended with little.
    pub(super) heavy: bool,
    /// It has brought many pieces in a row, and has not come to the end of what there is.
    pub(super) long: bool,
}

// Each slot has one.
const _: () = assert!(size_of::<Receive>() <= 16);

/// What a final completion of the kernel means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The receive is over: tell the reactor.
    Over,
    /// It found no buffer of that group and waits for one: the reactor does not see it.
    Starved(Group),
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
    pub(super) slots: Vec<Receive>,
    /// By `Queue`.
    lines: [Line; 3],
    /// Receives that there are, and those of them that are heavy.
    up: usize,
    heavy: usize,
    /// Pieces in a row that were not the last of a socket, and whose.
    pub(super) run: (Token, u8),
    /// Receives that are long.
    pub(super) long: usize,
}

/// Where receives wait for a buffer.
///
/// Who sends little at a time does not wait behind those who send much: thousands of connections
/// in the middle of large messages take every buffer of every turn, and an answer to a short
/// message would be late by as many turns as it takes to serve all of them. Fair queueing treats
/// sparse flows in the same way (RFC 8290 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// For small buffers: those that bring little, or of which nothing is known yet.
    Light,
    /// For small buffers: the others.
    Heavy,
    /// For large buffers.
    Large,
}

/// Receives that wait for a buffer.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// In the order in which they found none. May hold tokens that have been cancelled since.
    pub(super) queue: VecDeque<Token>,
    /// How many in the queue are still waiting.
    pub(super) starved: usize,
}

impl Receive {
    fn queue(&self) -> Queue {
        match (self.kind.group(), self.heavy) {
            (Group::Large, _) => Queue::Large,
            (Group::Small, true) => Queue::Heavy,
            (Group::Small, false) => Queue::Light,
        }
    }
}

impl Kind {
    /// The group that its buffers are from.
    #[inline]
    pub(super) fn group(self) -> Group {
        if self == Self::Large { Group::Large } else { Group::Small }
    }
}

impl Receives {
    /// With room for those of so many slots, reserved now and touched when used: a vector that
    /// grows leaves its former self behind in the heap.
    pub(super) fn with_room(slots: u32) -> Self {
        let mut receives = Self::default();
        // Without, it grows.
        let _ = receives.slots.try_reserve_exact(slots as usize);
        receives
    }

    pub(super) fn at(&mut self, token: Token) -> Option<&mut Receive> {
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
        assert!(receive.standing == Standing::Down, "one receive per socket at a time");
        let same = receive.generation == token.generation;
        *receive = Receive {
            generation: token.generation,
            socket: socket.0,
            kind,
            standing: Standing::Armed,
            left_some: same && receive.left_some,
            heavy: same && receive.heavy,
            long: false,
        };
        self.up += 1;
        self.heavy += usize::from(receive.heavy);
    }

    /// Whether an armed receive of this kind would overtake those who wait.
    #[inline]
    pub(super) fn overtakes(&self, token: Token, kind: Kind) -> bool {
        match kind.group() {
            Group::Large => self.has_some(token) && self.starved(Queue::Large) > 0,
            Group::Small => {
                self.starved(Queue::Light) + self.starved(Queue::Heavy) > 0
                    && self.are_mixed()
                    && self.slots.get(token.slot as usize).is_some_and(|receive| receive.heavy)
            }
        }
    }

    /// Whether there is likely to be something to receive at once.
    pub(super) fn has_some(&self, token: Token) -> bool {
        self.slots.get(token.slot as usize).is_some_and(|receive| receive.left_some)
    }

    /// A receive has brought something, and says whether there is more.
    #[inline]
    pub(super) fn note_rest(&mut self, token: Token, left_some: bool) {
        if let Some(receive) = self.at(token) {
            receive.left_some = left_some;
        }
    }

    /// A receive has brought so much at a time that those who bring little go before it, or has
    /// ended with so little that it goes with them.
    pub(super) fn note_heavy(&mut self, token: Token, heavy: bool) {
        if let Some(receive) = self.at(token)
            && receive.standing.is_in_kernel()
            && receive.heavy != heavy
        {
            receive.heavy = heavy;
            self.heavy = if heavy { self.heavy + 1 } else { self.heavy - 1 };
        }
    }

    /// Whether there are some that bring much, and others, who should not wait for them.
    pub(super) fn are_mixed(&self) -> bool {
        self.heavy > 0 && self.up > self.heavy
    }

    /// The kernel has ended a receive; `ENOBUFS` if `no_buffers`.
    pub(super) fn ended(&mut self, token: Token, no_buffers: bool) -> End {
        self.is_not_long(token);
        let Some(receive) = self.at(token) else { return End::Over };
        debug_assert!(receive.standing.is_in_kernel());
        if !no_buffers || receive.standing == Standing::Cancelling {
            receive.standing = Standing::Down;
            let heavy = receive.heavy;
            self.down(heavy);
            return if no_buffers { End::Cancelled } else { End::Over };
        }
        let group = receive.kind.group();
        self.line_up(token);
        End::Starved(group)
    }

    fn down(&mut self, heavy: bool) {
        self.up -= 1;
        self.heavy -= usize::from(heavy);
    }

    /// An armed receive goes to the end of its line.
    pub(super) fn line_up(&mut self, token: Token) {
        let Some(receive) = self.at(token) else { return };
        receive.standing = Standing::Starved;
        let queue = receive.queue();
        let line = self.line(queue);
        line.queue.push_back(token);
        line.starved += 1;
    }

    /// The reactor wants a receive to end.
    pub(super) fn cancel(&mut self, token: Token) -> Cancel {
        let Some(receive) = self.at(token) else { return Cancel::Nothing };
        match receive.standing {
            // Also what is to be armed again: that cancel may find it before this one.
            Standing::Armed | Standing::Looking => {
                receive.standing = Standing::Cancelling;
                Cancel::Kernel(receive.kind)
            }
            Standing::Starved => {
                receive.standing = Standing::Down;
                let (queue, heavy) = (receive.queue(), receive.heavy);
                self.line(queue).starved -= 1;
                self.down(heavy);
                Cancel::Finish
            }
            Standing::Cancelling | Standing::Down => Cancel::Nothing,
        }
    }

    /// Whether this one waits for a buffer.
    pub(super) fn is_starved(&self, token: Token) -> bool {
        self.slots.get(token.slot as usize).is_some_and(|receive| {
            receive.generation == token.generation && receive.standing == Standing::Starved
        })
    }

    fn line(&mut self, queue: Queue) -> &mut Line {
        &mut self.lines[queue as usize]
    }

    /// How many wait in a queue.
    #[inline]
    pub(super) fn starved(&self, queue: Queue) -> usize {
        self.lines[queue as usize].starved
    }

    /// The next one of a queue: it goes to the kernel again.
    pub(super) fn revive(&mut self, queue: Queue) -> Option<(Socket, Token, Kind)> {
        loop {
            let token = self.line(queue).queue.pop_front()?;
            if let Some(receive) = self.at(token)
                && receive.standing == Standing::Starved
                && receive.queue() == queue
            {
                receive.standing = Standing::Armed;
                // What is in the socket may be much: one piece, then those who wait.
                if queue == Queue::Light && receive.kind == Kind::Multishot {
                    receive.kind = Kind::Once(QUANTUM);
                }
                let (socket, kind) = (Socket(receive.socket), receive.kind);
                self.line(queue).starved -= 1;
                return Some((socket, token, kind));
            }
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
        assert_eq!(receives.ended(A, true), End::Starved(Group::Small));
        assert_eq!(receives.ended(B, true), End::Starved(Group::Small));
        assert_eq!(receives.starved(Queue::Light), 2);
        assert_eq!(receives.revive(Queue::Light), Some((Socket(7), A, Kind::Once(QUANTUM))));
        assert_eq!(receives.revive(Queue::Light), Some((Socket(8), B, Kind::Once(512))));
        assert_eq!((receives.revive(Queue::Light), receives.starved(Queue::Light)), (None, 0));
        assert_eq!(receives.ended(A, false), End::Over);
    }

    #[test]
    fn who_has_brought_much_waits_in_another_line_until_it_is_served() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.note_heavy(A, true);
        receives.ended(A, true);
        assert_eq!((receives.starved(Queue::Light), receives.starved(Queue::Heavy)), (0, 1));
        assert_eq!(receives.revive(Queue::Light), None);
        assert_eq!(receives.revive(Queue::Heavy), Some((Socket(7), A, Kind::Multishot)));
        receives.note_heavy(A, false);
        receives.ended(A, true);
        assert_eq!((receives.starved(Queue::Light), receives.starved(Queue::Heavy)), (1, 0));
        receives.note_heavy(A, true);
        assert_eq!(receives.cancel(A), Cancel::Finish, "that changes no queue");
        assert_eq!((receives.starved(Queue::Light), receives.starved(Queue::Heavy)), (0, 0));
    }

    #[test]
    fn cancelled_while_starved_is_finished_here_and_not_revived() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.ended(A, true), End::Starved(Group::Small));
        assert_eq!(receives.cancel(A), Cancel::Finish);
        assert_eq!(receives.cancel(A), Cancel::Nothing);
        assert_eq!((receives.revive(Queue::Light), receives.starved(Queue::Light)), (None, 0));
    }

    #[test]
    fn armed_again_after_such_a_cancel_the_old_place_in_the_queue_does_no_harm() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        receives.cancel(A);
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        assert_eq!(receives.revive(Queue::Light), Some((Socket(7), A, Kind::Once(QUANTUM))));
        assert_eq!((receives.revive(Queue::Light), receives.starved(Queue::Light)), (None, 0));
    }

    #[test]
    fn a_cancel_that_meets_no_buffers_ends_as_cancelled() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.cancel(A), Cancel::Kernel(Kind::Multishot));
        assert_eq!(receives.cancel(A), Cancel::Nothing, "once");
        assert_eq!(receives.ended(A, true), End::Cancelled);
        assert_eq!(receives.starved(Queue::Light), 0);
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
