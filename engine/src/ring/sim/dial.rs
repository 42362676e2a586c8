//! Connections that our side begins, and what may not pass between this machine and the process.

use super::net::{Link, Peer};
use super::{Lane, Sim};
use crate::ring::{Completion, Errno, Kernel, Socket, Token};
use std::net::SocketAddr;

/// An attempt that the kernel works on.
#[derive(Debug)]
pub(super) struct Attempt {
    attempt: Token,
    to: SocketAddr,
    cancelled: bool,
    /// Nobody answers there.
    hangs: bool,
    /// There was no room for a socket.
    crowded: bool,
}

impl Attempt {
    /// Whether a socket has been promised to it.
    pub(super) fn has_place(&self) -> bool {
        !self.crowded
    }
}

impl Sim {
    /// Attempts that have not ended.
    pub fn dials_out(&self) -> usize {
        self.dials.len()
    }

    /// No descriptor of the process is a socket of this machine.
    pub(super) fn refuse_descriptor(&mut self, name: u32) {
        let refused = Completion::Adopted { name, result: Err(Errno::BADF) };
        self.complete(Lane::Connect(Token { slot: name, generation: 0 }), refused);
    }

    /// No socket of this machine can become a descriptor of the process.
    pub(super) fn keep_socket(&mut self, name: u32) {
        let kept = Completion::TakenOut { name, result: Err(Errno::MFILE) };
        self.complete(Lane::Connect(Token { slot: name, generation: 0 }), kept);
    }

    pub(super) fn start_dial(&mut self, attempt: Token, to: SocketAddr) {
        let twice = self.dials.iter().any(|dial| dial.attempt == attempt);
        assert!(!twice, "two attempts of one name");
        let hangs = self.choices.chance(self.net.faults.connect_hang);
        let crowded = self.room() == 0;
        self.dials.push(Attempt { attempt, to, cancelled: false, hangs, crowded });
    }

    pub(super) fn cancel_dial(&mut self, attempt: Token) {
        // When it has ended already, the cancel finds nothing.
        if let Some(dial) = self.dials.iter_mut().find(|dial| dial.attempt == attempt) {
            dial.cancelled = true;
        }
    }

    /// Lets every attempt go on that can; whether any could.
    pub(super) fn progress_dials(&mut self) -> bool {
        let mut active = false;
        for dial in std::mem::take(&mut self.dials) {
            if dial.hangs && !dial.cancelled && !dial.crowded {
                self.dials.push(dial);
                continue;
            }
            active = true;
            if self.choices.chance(self.net.faults.delay) {
                self.dials.push(dial);
                continue;
            }
            let attempt = dial.attempt;
            let result = self.end_dial(&dial);
            self.complete(Lane::Connect(attempt), Completion::Connected { attempt, result });
        }
        active
    }

    fn end_dial(&mut self, dial: &Attempt) -> Result<Socket, Errno> {
        if dial.crowded {
            return Err(Errno::NFILE);
        }
        if dial.cancelled && (dial.hangs || !self.choices.chance(300)) {
            return Err(Errno::CANCELED);
        }
        if self.choices.chance(self.net.faults.connect_error) {
            let errnos = [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH, Errno::NFILE];
            return Err(*self.choices.pick(&errnos));
        }
        let peer = Peer(self.net.links.len());
        self.net.links.push(Link::default());
        self.net.dialed.push_back((peer, dial.to));
        Ok(self.place(peer))
    }
}
