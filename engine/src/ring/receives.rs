//! Which receives are armed, which wait for a buffer, and that each ends exactly once.

use super::supply::Group;
use super::{Socket, Token};
use std::collections::VecDeque;

/// Where a token's receive stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
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
    /// A cancel is on its way.
    pub(super) cancelling: bool,
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
    /// Waiting for small buffers, and for large ones.
    pub(super) lines: [Line; 2],
}

/// Receives that wait for a buffer of one group.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// In the order in which they found none. May hold tokens that have been cancelled since.
    pub(super) queue: VecDeque<Token>,
    /// How many in the queue are still waiting.
    pub(super) starved: usize,
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
        let left_some = receive.left_some && receive.generation == token.generation;
        *receive = Receive {
            generation: token.generation,
            socket: socket.0,
            kind,
            standing: Standing::Armed,
            left_some,
            cancelling: false,
        };
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

    /// The kernel has ended a receive; `ENOBUFS` if `no_buffers`.
    pub(super) fn ended(&mut self, token: Token, no_buffers: bool) -> End {
        let Some(receive) = self.at(token) else { return End::Over };
        debug_assert!(receive.standing == Standing::Armed);
        if !no_buffers || receive.cancelling {
            receive.standing = Standing::Down;
            return if no_buffers { End::Cancelled } else { End::Over };
        }
        let group = receive.kind.group();
        self.line_up(token);
        End::Starved(group)
    }

    /// An armed receive goes to the end of its line.
    pub(super) fn line_up(&mut self, token: Token) {
        let Some(receive) = self.at(token) else { return };
        receive.standing = Standing::Starved;
        let group = receive.kind.group();
        let line = self.line(group);
        line.queue.push_back(token);
        line.starved += 1;
    }

    /// The reactor wants a receive to end.
    pub(super) fn cancel(&mut self, token: Token) -> Cancel {
        let Some(receive) = self.at(token) else { return Cancel::Nothing };
        match receive.standing {
            Standing::Armed if !receive.cancelling => {
                receive.cancelling = true;
                Cancel::Kernel(receive.kind)
            }
            Standing::Starved => {
                receive.standing = Standing::Down;
                let group = receive.kind.group();
                self.line(group).starved -= 1;
                Cancel::Finish
            }
            Standing::Armed | Standing::Down => Cancel::Nothing,
        }
    }

    /// Whether this one waits for a buffer.
    pub(super) fn is_starved(&self, token: Token) -> bool {
        self.slots.get(token.slot as usize).is_some_and(|receive| {
            receive.generation == token.generation && receive.standing == Standing::Starved
        })
    }

    pub(super) fn line(&mut self, group: Group) -> &mut Line {
        &mut self.lines[group as usize]
    }

    /// How many wait for a buffer of a group.
    #[inline]
    pub(super) fn starved(&self, group: Group) -> usize {
        self.lines[group as usize].starved
    }

    /// The next one that waits for a buffer of a group: it goes to the kernel again.
    pub(super) fn revive(&mut self, group: Group) -> Option<(Socket, Token, Kind)> {
        loop {
            let token = self.line(group).queue.pop_front()?;
            if let Some(receive) = self.at(token)
                && receive.standing == Standing::Starved
                && receive.kind.group() == group
            {
                receive.standing = Standing::Armed;
                let (socket, kind) = (Socket(receive.socket), receive.kind);
                self.line(group).starved -= 1;
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
        assert_eq!(receives.starved(Group::Small), 2);
        assert_eq!(receives.revive(Group::Small), Some((Socket(7), A, Kind::Multishot)));
        assert_eq!(receives.revive(Group::Small), Some((Socket(8), B, Kind::Once(512))));
        assert_eq!((receives.revive(Group::Small), receives.starved(Group::Small)), (None, 0));
        assert_eq!(receives.ended(A, false), End::Over);
    }

    #[test]
    fn cancelled_while_starved_is_finished_here_and_not_revived() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.ended(A, true), End::Starved(Group::Small));
        assert_eq!(receives.cancel(A), Cancel::Finish);
        assert_eq!(receives.cancel(A), Cancel::Nothing);
        assert_eq!((receives.revive(Group::Small), receives.starved(Group::Small)), (None, 0));
    }

    #[test]
    fn armed_again_after_such_a_cancel_the_old_place_in_the_queue_does_no_harm() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        receives.cancel(A);
        receives.arm(Socket(7), A, Kind::Multishot);
        receives.ended(A, true);
        assert_eq!(receives.revive(Group::Small), Some((Socket(7), A, Kind::Multishot)));
        assert_eq!((receives.revive(Group::Small), receives.starved(Group::Small)), (None, 0));
    }

    #[test]
    fn a_cancel_that_meets_no_buffers_ends_as_cancelled() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        assert_eq!(receives.cancel(A), Cancel::Kernel(Kind::Multishot));
        assert_eq!(receives.cancel(A), Cancel::Nothing, "once");
        assert_eq!(receives.ended(A, true), End::Cancelled);
        assert_eq!(receives.starved(Group::Small), 0);
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
