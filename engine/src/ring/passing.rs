//! Sockets that come from outside the ring, and that leave it: with a table of direct descriptors
//! both are operations, since a socket has to change the table that it stands in.

use super::op::Op;
use super::outcome::{outcome, own};
use super::uring::{Sockets, Uring};
use super::{Completion, Errno, Socket, SocketOptions};
use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::net::sockopt;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

impl Uring {
    pub(super) fn take_in(&mut self, name: u32, socket: OwnedFd, options: Option<SocketOptions>) {
        // Operations of the ring wait by themselves, unless the descriptor says that nobody may.
        let _ = rustix::io::ioctl_fionbio(&socket, false);
        if let Some(options) = options {
            // Refused only where the peer has reset it, as is found out then.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
            let _ = options.set_on(socket.as_fd());
        }
        self.taken += 1;
        if let Sockets::Ordinary(open) = &mut self.sockets {
            let number = socket.into_raw_fd() as u32;
            open.insert(number);
            return self.ready.push(Completion::Adopted { name, result: Ok(Socket(number)) });
        }
        let (place, number) = self.held.arrivals.launch(name, socket);
        // IORING_FILE_INDEX_ALLOC: the kernel picks a free place, as for an accept.
        let update = opcode::FilesUpdate::new(number, 1).offset(-1).build();
        // SAFETY: `Arrivals` keeps the number in place until the operation has ended.
        unsafe { self.queue.push(update.user_data(Op::Adopt.pair(0, place))) };
    }

    /// It stands in the table, or will not.
    pub(super) fn taken_in(&mut self, place: u32, result: i32, out: &mut Vec<Completion>) {
        let Some((name, number)) = self.held.arrivals.land(place) else { return };
        let result = match outcome(result) {
            Ok(0) => Err(Errno::NFILE),
            Ok(_) => Ok(Socket(number)),
            Err(errno) => Err(errno),
        };
        self.taken -= u32::from(result.is_err());
        out.push(Completion::Adopted { name, result });
    }

    pub(super) fn give_out(&mut self, socket: Socket, name: u32) {
        if let Sockets::Ordinary(open) = &mut self.sockets {
            open.remove(&socket.0);
            self.taken -= 1;
            // SAFETY: open, and from here on nobody else's to close.
            let result = Ok(unsafe { own(socket.0 as i32) });
            return self.ready.push(Completion::TakenOut { name, result });
        }
        let install = opcode::FixedFdInstall::new(Fixed(socket.0), 0).build();
        self.push(install.user_data(Op::TakeOut.pair(name, socket.0)));
    }

    /// It is an ordinary descriptor, whose place in the table is given back; or it is where it was.
    pub(super) fn given_out(
        &mut self,
        name: u32,
        socket: u32,
        result: i32,
        out: &mut Vec<Completion>,
    ) {
        let result = outcome(result);
        if result.is_ok() {
            self.give_up(socket);
        }
        // SAFETY: a descriptor just installed, ours to close.
        let result = result.map(|fd| unsafe { own(fd as i32) });
        out.push(Completion::TakenOut { name, result });
    }
}
