//! What is known of each socket, and what is asked of it.

use crate::ring::Token;
use crate::ring::outcome::own;
use rustix::event::epoll::EventFlags;

/// What is received, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is asked for.
    #[default]
    Nothing,
    /// Into small buffers, until the end.
    Multishot,
    /// Once, at most so many bytes, into a small buffer.
    Once(u32),
    /// Once, into a large buffer.
    Large,
    /// Once, into memory of the reactor.
    Into,
    /// Nothing, but the end is waited for.
    Watch,
}

/// One descriptor, open or not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Local {
    /// How often the number has been a socket of ours: events of earlier ones are stale.
    generation: u32,
    pub(super) open: bool,
    /// It may have something to be received.
    pub(super) readable: bool,
    /// The peer has ended its direction, or the connection is gone: whatever was received last,
    /// there is an end behind it.
    pub(super) ended: bool,
    pub(super) failed: bool,
    /// It stands in a line.
    pub(super) queued: bool,
    /// It is being connected.
    pub(super) connects: bool,
    pub(super) kind: Kind,
    /// Whose receive that is.
    pub(super) token: Token,
    /// The send that waits for room in the socket.
    pub(super) send: Option<u32>,
}

/// By their descriptors.
#[derive(Default)]
pub(super) struct Sockets {
    all: Vec<Local>,
    /// By the slot of the token: the descriptor that it receives from.
    by_slot: Vec<i32>,
}

/// Above the names of sockets: a bit that no generation sets.
pub(super) const OTHERS: u64 = 1 << 63;

impl Sockets {
    /// It is open from here on: its name in events.
    pub(super) fn open(&mut self, fd: i32) -> u64 {
        let place = fd as usize;
        if self.all.len() <= place {
            self.all.resize_with(place + 1, Local::default);
        }
        let local = &mut self.all[place];
        let generation = (local.generation + 1) & (u32::MAX >> 1);
        *local = Local { generation, open: true, ..Local::default() };
        u64::from(generation) << 32 | u64::from(fd as u32)
    }

    /// It is not ours any more.
    pub(super) fn forget(&mut self, fd: i32) {
        if let Some(local) = self.all.get_mut(fd as usize) {
            *local = Local { generation: local.generation, ..Local::default() };
        }
    }

    #[inline]
    pub(super) fn get(&mut self, fd: i32) -> Option<&mut Local> {
        self.all.get_mut(fd as usize).filter(|local| local.open)
    }

    /// The descriptor that an event names, unless it is of an earlier one.
    #[inline]
    pub(super) fn named(&mut self, name: u64) -> Option<(i32, &mut Local)> {
        let (generation, fd) = ((name >> 32) as u32, name as u32 as i32);
        let local = self.get(fd)?;
        (local.generation == generation).then_some((fd, local))
    }

    /// Something is received from now on.
    pub(super) fn arm(&mut self, fd: i32, token: Token, kind: Kind) {
        let slot = token.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, -1);
        }
        self.by_slot[slot] = fd;
        if let Some(local) = self.get(fd) {
            debug_assert!(local.kind == Kind::Nothing, "one receive per socket at a time");
            (local.token, local.kind) = (token, kind);
        }
    }

    /// Whether the socket that has a receive of this token stands in a line.
    pub(super) fn stands_in_line(&self, token: Token) -> bool {
        let fd = self.by_slot.get(token.slot as usize).copied().unwrap_or(-1);
        let local = usize::try_from(fd).ok().and_then(|fd| self.all.get(fd));
        local.is_some_and(|local| local.open && local.queued && local.token == token)
    }

    /// The socket that has a receive of this token.
    pub(super) fn receives(&mut self, token: Token) -> Option<(i32, &mut Local)> {
        let fd = *self.by_slot.get(token.slot as usize)?;
        let local = self.get(fd)?;
        (local.token == token && local.kind != Kind::Nothing).then_some((fd, local))
    }
}

impl Local {
    /// What an event says of it.
    #[inline]
    pub(super) fn told(&mut self, flags: EventFlags) {
        const ENDED: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::ERR);
        self.readable |= flags.intersects(EventFlags::IN.union(ENDED));
        self.ended |= flags.intersects(ENDED);
        self.failed |= flags.contains(EventFlags::ERR);
    }

    /// Whether what is asked of it can be tried.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        match self.kind {
            Kind::Nothing => false,
            Kind::Watch => self.ended,
            _ => self.readable,
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for (fd, local) in (0..).zip(&self.all) {
            if local.open {
                // SAFETY: what is open here is ours, and closed by nobody else.
                drop(unsafe { own(fd) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_an_earlier_socket_of_the_number_is_nobodys() {
        let mut sockets = Sockets::default();
        let first = sockets.open(7);
        assert_eq!(sockets.named(first).map(|(fd, _)| fd), Some(7));
        sockets.forget(7);
        assert!(sockets.named(first).is_none());
        let second = sockets.open(7);
        assert!(sockets.named(first).is_none() && sockets.named(second).is_some());
        assert!(first & OTHERS == 0 && second & OTHERS == 0);
        sockets.forget(7);
    }

    #[test]
    fn a_receive_is_found_by_its_token_alone() {
        let mut sockets = Sockets::default();
        let (token, other) = (Token { slot: 3, generation: 1 }, Token { slot: 3, generation: 2 });
        sockets.open(9);
        sockets.arm(9, token, Kind::Once(5));
        assert_eq!(sockets.receives(token).map(|(fd, _)| fd), Some(9));
        assert!(sockets.receives(other).is_none());
        sockets.get(9).expect("open").kind = Kind::Nothing;
        assert!(sockets.receives(token).is_none());
        sockets.forget(9);
    }

    #[test]
    fn what_has_ended_is_looked_at_until_its_end() {
        let mut local = Local { kind: Kind::Watch, ..Local::default() };
        local.told(EventFlags::IN | EventFlags::OUT);
        assert!(!local.is_due() && local.readable);
        local.told(EventFlags::IN | EventFlags::RDHUP);
        assert!(local.is_due() && !local.failed);
    }
}
