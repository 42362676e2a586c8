//! The receives: which are armed, which wait for a buffer, and that each ends exactly once.

use super::op::Op;
use super::receives::{Kind, Queue};
use super::supply::Group;
use super::uring::{Held, Sockets, Uring};
use super::{Destination, Socket, Token};
use io_uring::types::{CancelBuilder, Fd, Fixed};
use io_uring::{opcode, squeue};
use std::ptr::null_mut;
use std::time::Duration;

/// How long a wait may last when receives are starved and all buffers are leased or retained:
/// nothing tells us when another thread gives one back.
const STARVED_WAIT: Duration = Duration::from_millis(1);

/// The part of the small buffers, one in so many, that is for receives that bring much while others
/// wait too.
const HEAVY_SHARE: usize = 4;

/// What one call runs of the kernel's work at most.
const WORK_MAX: usize = 20;
/// A turn that has brought so many bytes is one that many bring much in.
const MUCH: usize = 256 << 10;
/// System calls of one turn at most that let receives find that there are no buffers.
const ROUNDS_MAX: u32 = 512;

/// `IORING_RECVSEND_POLL_FIRST` (Linux 5.19): wait for bytes before looking for some.
const POLL_FIRST: u16 = 1;

impl Uring {
    pub(super) fn cancel(&mut self, user_data: u64) {
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(user_data)).build();
        self.push(cancel.user_data(Op::Cancel.word(0)));
    }

    /// Begins a receive into provided buffers. Whoever answers each large message has emptied the
    /// socket, so that a look at it would be in vain.
    pub(super) fn start_receive(&mut self, socket: Socket, token: Token, kind: Kind) {
        self.receives.arm(socket, token, kind);
        if self.receives.overtakes(token, kind) {
            return self.receives.line_up(token);
        }
        let in_vain = kind == Kind::Large && !self.receives.has_some(token);
        self.push_receive(socket, token, kind, if in_vain { POLL_FIRST } else { 0 });
    }

    /// Begins a receive into memory that is there already.
    pub(super) fn start_receive_into(
        &mut self,
        socket: Socket,
        token: Token,
        memory: Destination,
        most: usize,
    ) {
        self.receives.arm(socket, token, Kind::Into);
        let Held { supply, direct, .. } = &mut *self.held;
        let (at, len) = direct.begin(token, memory, most, supply.buffers());
        let receive = match self.sockets {
            Sockets::Direct => opcode::Recv::new(Fixed(socket.0), at, len),
            Sockets::Ordinary(_) => opcode::Recv::new(Fd(socket.0 as i32), at, len),
        };
        // SAFETY: `Destinations` keeps the memory until the final completion.
        unsafe { self.queue.push(receive.build().user_data(Op::Direct.of(token))) };
    }

    /// Begins to wait for the end of what nobody receives.
    pub(super) fn start_watch(&mut self, socket: Socket, token: Token) {
        self.receives.arm(socket, token, Kind::Watch);
        // A reset and the end of both directions are reported whatever is asked for.
        let events = libc::POLLRDHUP as u32;
        let poll = match self.sockets {
            Sockets::Direct => opcode::PollAdd::new(Fixed(socket.0), events),
            Sockets::Ordinary(_) => opcode::PollAdd::new(Fd(socket.0 as i32), events),
        };
        self.push(poll.build().user_data(Op::Watch.of(token)));
    }

    /// A receive into provided buffers.
    pub(super) fn push_receive(&mut self, socket: Socket, token: Token, kind: Kind, how: u16) {
        let fd = Fd(socket.0 as i32);
        let group = kind.group() as u16;
        let most = match kind {
            Kind::Once(most) => Some(u32::from(most)),
            // As much as the buffer takes.
            Kind::Large => Some(0),
            _ => None,
        };
        let receive = match (most, &self.sockets) {
            (Some(most), sockets) => {
                let receive = match sockets {
                    Sockets::Direct => opcode::Recv::new(Fixed(socket.0), null_mut(), most),
                    Sockets::Ordinary(_) => opcode::Recv::new(fd, null_mut(), most),
                };
                receive.buf_group(group).ioprio(how).build().flags(squeue::Flags::BUFFER_SELECT)
            }
            (None, Sockets::Direct) => opcode::RecvMulti::new(Fixed(socket.0), group).build(),
            (None, Sockets::Ordinary(_)) => opcode::RecvMulti::new(fd, group).build(),
        };
        self.push(receive.user_data(Op::Receive.of(token)));
    }

    /// Gives receives their buffers; how long may be waited then.
    pub(super) fn supply(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let Held { supply, direct, .. } = &mut *self.held;
        supply.replenish(direct.buffers());
        self.revive(timeout)
    }

    /// After so many calls in this turn, the last of which has brought so many completions: whether
    /// there may be readable sockets that the kernel has not come to, in a turn that brings much.
    ///
    /// One call runs the work of some twenty of them (`IO_LOCAL_TW_DEFAULT_MAX`), in the order in
    /// which they became readable: who brings little would wait there behind thousands that take
    /// all buffers of every turn, where nobody can overtake them. So the turn goes on, until the
    /// buffers of a turn are filled and the others have found none, and wait in our lines.
    pub(super) fn others_must_line_up(&self, brought: usize, rounds: u32) -> bool {
        if !self.receives.are_mixed() || rounds == ROUNDS_MAX {
            return false;
        }
        let supply = &self.held.supply;
        let starved = self.receives.starved(Queue::Light) + self.receives.starved(Queue::Heavy);
        match supply.supplied(Group::Small) {
            0 => starved > 0 && brought > 0,
            _ => brought >= WORK_MAX && supply.small_bytes() >= MUCH,
        }
    }

    /// Arms receives again that found no buffer, as many as there are buffers now: the others
    /// would only fail again. Says how long to wait at most.
    fn revive(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        let [small, large] = Group::ALL.map(|group| usize::from(self.held.supply.supplied(group)));
        let light = self.receives.starved(Queue::Light);
        let heavy = self.receives.starved(Queue::Heavy);
        // The kernel serves them in this order. A quarter is for those who bring much, as long as
        // there are some, or others could keep them from being served at all.
        let light = light.min(small - heavy.min(small.div_ceil(HEAVY_SHARE)));
        for (queue, most) in
            [(Queue::Light, light), (Queue::Heavy, small - light), (Queue::Large, large)]
        {
            self.revive_in(queue, most);
        }
        let timeout = self.until_revived(&[Queue::Light, Queue::Heavy], small, timeout);
        self.until_revived(&[Queue::Large], large, timeout)
    }

    fn revive_in(&mut self, queue: Queue, most: usize) {
        for _ in 0..most.min(self.receives.starved(queue)) {
            let Some((socket, token, kind)) = self.receives.revive(queue) else { break };
            if queue != Queue::Large {
                self.queue.stats.rearms += 1;
            }
            // It is known to have something.
            self.push_receive(socket, token, kind, 0);
        }
    }

    /// How long to wait at most when some of `queues` still wait, of whose buffers the kernel had
    /// `supplied`.
    fn until_revived(
        &self,
        queues: &[Queue],
        supplied: usize,
        timeout: Option<Duration>,
    ) -> Option<Duration> {
        if queues.iter().all(|&queue| self.receives.starved(queue) == 0) {
            timeout
        } else if supplied > 0 {
            Some(Duration::ZERO)
        } else {
            Some(timeout.map_or(STARVED_WAIT, |timeout| timeout.min(STARVED_WAIT)))
        }
    }
}
