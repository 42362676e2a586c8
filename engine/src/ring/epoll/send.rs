//! What is sent: by the end of a turn, or when the socket has room.

use super::kernel::Epoll;
use super::sys;
use crate::memory::Batch;
use crate::ring::op::Source;
use crate::ring::outcome::borrow;
use crate::ring::{Completion, Errno, Socket, Token};
use rustix::net::Shutdown;

impl Epoll {
    /// It leaves with the others of the turn, as what a ring submits.
    pub(super) fn queue_send(&mut self, fd: i32, token: Token, batch: Batch) {
        let (index, source) = self.sends.launch(token, batch);
        if let Some(local) = self.sockets.get(fd) {
            local.send = Some(index);
        }
        self.outgoing.push((fd, index, source));
    }

    /// All that a turn has asked for so far.
    pub(super) fn send_all(&mut self) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        for (fd, index, source) in outgoing.drain(..) {
            self.try_send(fd, index, source);
        }
        self.outgoing = outgoing;
    }

    /// What the socket does not take comes back as not sent; when it takes nothing the batch waits
    /// for room.
    fn try_send(&mut self, fd: i32, index: u32, source: Source) {
        // SAFETY: `Sends` keeps what it points to until `land`, which is below.
        match unsafe { sys::send(fd, source) } {
            Err(Errno::AGAIN) => {}
            result => {
                if let Some(local) = self.sockets.get(fd) {
                    local.send = None;
                }
                if let Some((token, batch)) = self.sends.land(index) {
                    self.ready.push(Completion::Sent { token, batch, result });
                }
            }
        }
    }

    /// The socket may have room: what waits for that is tried again.
    pub(super) fn resend(&mut self, fd: i32) {
        let waits = self.sockets.get(fd).and_then(|local| local.send);
        if let Some((token, batch)) = waits.and_then(|index| self.sends.land(index)) {
            let (index, source) = self.sends.launch(token, batch);
            if let Some(local) = self.sockets.get(fd) {
                local.send = Some(index);
            }
            self.try_send(fd, index, source);
        }
    }

    pub(super) fn shut(&mut self, socket: Socket, how: Shutdown) {
        let fd = socket.0 as i32;
        self.send_all();
        // SAFETY: open until `close`.
        // ENOTCONN: the peer has reset it already.
        let _ = rustix::net::shutdown(unsafe { borrow(fd) }, how);
        if how == Shutdown::Both {
            // A receive in flight finds the end, and a send that it is closed.
            if let Some(local) = self.sockets.get(fd) {
                (local.readable, local.ended) = (true, true);
            }
            self.line_up(fd);
            self.resend(fd);
        }
    }
}
