//! Sockets being shut down, and the closes that wait for it.
//!
//! `IORING_OP_SHUTDOWN` always runs on a worker thread of the kernel, and looks a direct
//! descriptor up only there: a close that is queued behind it overtakes it, and the shutdown then
//! hits the next tenant of the slot. It also takes 40 µs where a call takes 2. So a direct
//! descriptor is made an ordinary one for a moment and shut down by `shutdown(2)`; the operation
//! remains for when descriptors have run out, and a close waits for it.

use super::dispatch::borrow;
use super::op::Op;
use super::uring::{Sockets, Uring};
use super::{Socket, Token};
use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::net::Shutdown;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A socket with shutdowns out.
#[derive(Debug, Default)]
struct Shutting {
    out: u32,
    close: Option<Token>,
}

/// The sockets with shutdowns out. Few at any time.
#[derive(Debug, Default)]
pub(super) struct Closing(HashMap<u32, Shutting>);

impl Closing {
    /// A shutdown is on its way.
    pub(super) fn shutdown(&mut self, socket: Socket) {
        self.0.entry(socket.0).or_default().out += 1;
    }

    /// A shutdown has ended. The close that was waiting for it may go now.
    pub(super) fn ended(&mut self, socket: Socket) -> Option<Token> {
        let Entry::Occupied(mut entry) = self.0.entry(socket.0) else { return None };
        let shutting = entry.get_mut();
        shutting.out -= 1;
        if shutting.out > 0 { None } else { entry.remove().close }
    }

    /// Whether a socket may be closed now. If not, `ended` will say when.
    pub(super) fn may_close(&mut self, socket: Socket, token: Token) -> bool {
        match self.0.get_mut(&socket.0) {
            None => true,
            Some(shutting) => {
                shutting.close = Some(token);
                false
            }
        }
    }
}

impl Uring {
    pub(super) fn shut(&mut self, socket: Socket, how: Shutdown) {
        if let Sockets::Ordinary(open) = &self.sockets {
            debug_assert!(open.contains(&socket.0));
            // What was queued before comes before.
            self.queue.flush();
            // SAFETY: open until `close` is called for it, which removes it from `open`.
            let _ = rustix::net::shutdown(unsafe { borrow(socket.0 as i32) }, how);
            return;
        }
        self.closing.shutdown(socket);
        if self.op_shutdown {
            return self.push_shutdown(socket, how);
        }
        let install = opcode::FixedFdInstall::new(Fixed(socket.0), 0).build();
        let how = if matches!(how, Shutdown::Both) { 1 } else { 0 };
        self.push(install.user_data(Op::ShutdownInstall.pair(how, socket.0)));
    }

    pub(super) fn push_shutdown(&mut self, socket: Socket, how: Shutdown) {
        let how = if matches!(how, Shutdown::Both) { libc::SHUT_RDWR } else { libc::SHUT_WR };
        let shutdown = opcode::Shutdown::new(Fixed(socket.0), how).build();
        self.push(shutdown.user_data(Op::Shutdown.pair(0, socket.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_waits_for_all_shutdowns() {
        let (mut closing, socket) = (Closing::default(), Socket(3));
        let token = Token { slot: 1, generation: 1 };
        assert!(closing.may_close(socket, token));
        closing.shutdown(socket);
        closing.shutdown(socket);
        assert!(!closing.may_close(socket, token));
        assert_eq!(closing.ended(socket), None);
        assert_eq!(closing.ended(socket), Some(token));
        assert!(closing.may_close(socket, token));
        assert!(closing.0.is_empty());
    }
}
