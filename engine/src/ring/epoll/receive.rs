//! What is received, when there is something.

use super::kernel::Epoll;
use super::sockets::{Kind, Local};
use super::sys;
use crate::ring::{Completion, Errno, Token};

/// A wait that has brought so many bytes tries nobody else: what is received must be in the cache
/// together until it is looked at. Those behind in line have the next turn.
const TURN_BYTES: usize = 256 << 10;

impl Epoll {
    /// It stands in line if what is asked of it can be tried.
    #[inline]
    pub(super) fn line_up(&mut self, fd: i32) {
        let Some(local) = self.sockets.get(fd) else { return };
        if local.is_due() && !local.queued {
            local.queued = true;
            self.lines.push(fd);
        }
    }

    /// Tries all that stand in line, once each, until enough has come.
    pub(super) fn receive_all(&mut self) {
        let mut bytes = 0;
        for _ in 0..self.lines.len() {
            if bytes >= TURN_BYTES {
                break;
            }
            let Some(fd) = self.lines.pop() else { break };
            let Some(local) = self.sockets.get(fd).filter(|local| local.queued) else { continue };
            local.queued = false;
            let (token, kind, failed) = (local.token, local.kind, local.failed);
            match kind {
                Kind::Nothing => {}
                Kind::Watch if local.ended => {
                    local.kind = Kind::Nothing;
                    let result = if failed { Err(Errno::CONNRESET) } else { Ok(()) };
                    self.ready.push(Completion::HungUp { token, result });
                }
                Kind::Watch => {}
                Kind::Into => bytes += self.receive_into_place(fd, token),
                Kind::Multishot => bytes += self.receive_some(fd, token, false, u32::MAX),
                Kind::Once(most) => bytes += self.receive_some(fd, token, false, most),
                Kind::Large => bytes += self.receive_some(fd, token, true, u32::MAX),
            }
            self.line_up_again(fd);
        }
    }

    /// It was tried, and may have more.
    fn line_up_again(&mut self, fd: i32) {
        if self.sockets.get(fd).is_some_and(|local| local.kind == Kind::Multishot) {
            self.line_up(fd);
        }
    }

    /// Receives into a buffer; how much has come.
    fn receive_some(&mut self, fd: i32, token: Token, large: bool, most: u32) -> usize {
        let Some(mut lease) = self.lines.take(large) else {
            let count =
                if large { &mut self.stats.large_waits } else { &mut self.stats.buffers_exhausted };
            *count += 1;
            if let Some(local) = self.sockets.get(fd) {
                local.queued = true;
                self.lines.starve(fd, large);
            }
            return 0;
        };
        let (at, room) = self.lines.buffers.room_behind(&mut lease);
        let len = room.min(most as usize);
        // SAFETY: the buffer is leased, so nobody else has it, and `len` is not more than it takes.
        let result = unsafe { sys::receive(fd, at, len) };
        let Some(local) = self.sockets.get(fd) else { return 0 };
        local.received(result, len);
        let more = local.kind == Kind::Multishot && matches!(result, Ok(1..));
        if result == Err(Errno::AGAIN) {
            self.lines.release(lease);
            return 0;
        }
        if !more {
            local.kind = Kind::Nothing;
        }
        let result = match result {
            Ok(0) | Err(_) => {
                self.lines.release(lease);
                result.map(|_| None)
            }
            Ok(len) => {
                lease.len = len as u32;
                Ok(Some(lease))
            }
        };
        let came = result.as_ref().map_or(0, |lease| lease.as_ref().map_or(0, |one| one.len()));
        self.ready.push(Completion::Received { token, result, more });
        came
    }

    /// Receives into memory of the reactor; how much has come.
    fn receive_into_place(&mut self, fd: i32, token: Token) -> usize {
        let Some(&(at, len)) = self.places.get(&fd) else { return 0 };
        // SAFETY: `Destinations` has the memory, and nobody touches it until `end`.
        let result = unsafe { sys::receive(fd, at, len as usize) };
        let Some(local) = self.sockets.get(fd) else { return 0 };
        local.received(result, len as usize);
        if result == Err(Errno::AGAIN) {
            return 0;
        }
        local.kind = Kind::Nothing;
        self.end_place(fd, token, result);
        result.unwrap_or(0)
    }

    /// The memory goes back to the reactor.
    fn end_place(&mut self, fd: i32, token: Token, result: Result<usize, Errno>) {
        self.places.remove(&fd);
        // SAFETY: so many bytes were received to where the memory has room.
        if let Some(memory) = unsafe { self.direct.end(token, result.unwrap_or(0)) } {
            self.ready.push(Completion::ReceivedInto { token, memory, result });
        }
    }

    /// What is asked for with this token is asked for no more.
    pub(super) fn stop_receiving(&mut self, token: Token) {
        let Some((fd, local)) = self.sockets.receives(token) else { return };
        let (kind, cancelled) = (std::mem::take(&mut local.kind), Err(Errno::CANCELED));
        match kind {
            Kind::Nothing => {}
            Kind::Into => self.end_place(fd, token, Err(Errno::CANCELED)),
            Kind::Watch => self.ready.push(Completion::HungUp { token, result: cancelled }),
            Kind::Multishot | Kind::Once(_) | Kind::Large => {
                let result = Err(Errno::CANCELED);
                self.ready.push(Completion::Received { token, result, more: false });
            }
        }
    }
}

impl Local {
    /// What a receive of at most `asked` bytes says of what is left: a stream socket that gives
    /// less has no more (epoll(7)), unless its end is behind.
    fn received(&mut self, result: Result<usize, Errno>, asked: usize) {
        match result {
            Err(Errno::AGAIN) => self.readable = false,
            Ok(len) if len < asked && len > 0 => self.readable = self.ended,
            _ => {}
        }
    }
}
