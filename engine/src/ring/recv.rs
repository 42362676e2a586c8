//! The receives: which are armed, which wait for a buffer, and that each ends exactly once.

use super::op::Op;
use super::receives::Kind;
use super::supply::Group;
use super::uring::{Held, Sockets, Uring};
use super::{Destination, Socket, Token};
use io_uring::types::{Fd, Fixed};
use io_uring::{opcode, squeue};
use std::ptr::null_mut;
use std::time::Duration;

/// How long a wait may last when receives are starved and all buffers are leased or retained:
/// nothing tells us when another thread gives one back.
const STARVED_WAIT: Duration = Duration::from_millis(1);

/// `IORING_RECVSEND_POLL_FIRST` (Linux 5.19): wait for bytes before looking for some.
const POLL_FIRST: u16 = 1;

impl Uring {
    /// Begins a receive into provided buffers. Whoever answers each large message has emptied the
    /// socket, so that a look at it would be in vain.
    pub(super) fn start_receive(&mut self, socket: Socket, token: Token, kind: Kind) {
        self.receives.arm(socket, token, kind);
        let in_vain = kind == Kind::Large && !self.receives.has_some(token);
        if kind == Kind::Large && !in_vain && self.receives.starved(Group::Large) > 0 {
            // It would overtake those who wait.
            return self.receives.line_up(token);
        }
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

    /// A receive into provided buffers.
    fn push_receive(&mut self, socket: Socket, token: Token, kind: Kind, how: u16) {
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

    /// Arms receives again that found no buffer, as many as there are buffers now: the others
    /// would only fail again. Says how long to wait at most.
    fn revive(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        Group::ALL.into_iter().fold(timeout, |timeout, group| self.revive_in(group, timeout))
    }

    fn revive_in(&mut self, group: Group, timeout: Option<Duration>) -> Option<Duration> {
        let starved = self.receives.starved(group);
        if starved == 0 {
            return timeout;
        }
        let supplied = usize::from(self.held.supply.supplied(group));
        for _ in 0..starved.min(supplied) {
            let Some((socket, token, kind)) = self.receives.revive(group) else { break };
            if group == Group::Small {
                self.queue.stats.rearms += 1;
            }
            // It is known to have something.
            self.push_receive(socket, token, kind, 0);
        }
        match self.receives.starved(group) {
            0 => timeout,
            _ if supplied > 0 => Some(Duration::ZERO),
            _ => Some(timeout.map_or(STARVED_WAIT, |timeout| timeout.min(STARVED_WAIT))),
        }
    }
}
