//! Sockets being shut down, and the closes that wait for it.
//!
//! `IORING_OP_SHUTDOWN` always runs on a worker thread of the kernel, and looks a direct
//! descriptor up only there: a close that is queued behind it overtakes it, and the shutdown then
//! hits the next tenant of the slot. It also takes 40 µs where a call takes 2. So a direct
//! descriptor is made an ordinary one for a moment and shut down by `shutdown(2)`; the operation
//! remains for when descriptors have run out, and a close waits for it.

use super::Socket;
use super::op::Op;
use super::outcome::borrow;
use super::uring::{Sockets, Uring};
use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::net::Shutdown;

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
