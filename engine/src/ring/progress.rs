//! When a peer's system has last taken something that had to wait for it.
//!
//! A send that waits for room, or the end of what has left long ago, shows nothing until it is
//! through: what a slow peer reads meanwhile only TCP knows. It is asked when a peer would be given
//! up for lack of a sign of life, so once in the life of most connections, if at all.

use super::op::Op;
use super::outcome::{borrow, outcome, own};
use super::uring::{Sockets, Uring};
use super::{Completion, Socket, Token, sys};
use io_uring::opcode;
use io_uring::types::Fixed;
use std::os::fd::AsFd;

impl Uring {
    pub(super) fn ask_for_progress(&mut self, socket: Socket, token: Token) {
        if let Sockets::Ordinary(_) = self.sockets {
            // SAFETY: open until `close`.
            let ago = sys::progress(unsafe { borrow(socket.0 as i32) });
            return self.ready.push(Completion::Progressed { token, ago });
        }
        // No operation asks TCP (`SOCKET_URING_OP_GETSOCKOPT` knows `SOL_SOCKET` alone), so the
        // socket is an ordinary descriptor for a moment, as to be shut down.
        let install = opcode::FixedFdInstall::new(Fixed(socket.0), 0).build();
        self.push(install.user_data(Op::Progress.of(token)));
    }

    /// It is an ordinary descriptor, or there are none left: then nothing is known.
    pub(super) fn tell_progress(&mut self, token: Token, result: i32, out: &mut Vec<Completion>) {
        // SAFETY: a descriptor just installed, ours to close.
        let fd = outcome(result).ok().map(|fd| unsafe { own(fd as i32) });
        let ago = fd.and_then(|fd| sys::progress(fd.as_fd()));
        out.push(Completion::Progressed { token, ago });
    }
}
