//! What the simulated kernel does with the operations it was given, one instant at a time.

use super::net::{Link, Peer};
use super::socket::Local;
use super::{Lane, Sim, WINDOW};
use crate::ring::{Accepted, Completion, Errno, Lease, Socket};
use std::net::{Ipv4Addr, SocketAddr};

impl Sim {
    /// Lets every operation go on that can; whether any could.
    pub(super) fn progress(&mut self) -> bool {
        self.take_returned();
        let mut active = false;
        for listener in 0..self.listeners.len() {
            active |= self.progress_accept(listener);
        }
        for socket in 0..self.sockets.len() as u32 {
            active |= self.progress_receive(socket);
            active |= self.progress_send(socket);
        }
        active
    }

    fn progress_accept(&mut self, listener: usize) -> bool {
        let listening = &self.listeners[listener];
        let waiting = self.net.backlogs[listener].as_ref().is_some_and(|queue| !queue.is_empty());
        if !listening.armed || !(waiting || listening.cancelled) {
            return false;
        }
        if self.choices.chance(self.net.faults.delay) {
            return true;
        }
        let cancelled = listening.cancelled;
        let (result, more) = if cancelled && !self.choices.chance(300) {
            (Err(Errno::CANCELED), false)
        } else if waiting {
            self.take_connection(listener, cancelled)
        } else {
            (Ok(None), false)
        };
        self.listeners[listener].armed = more;
        self.complete(Lane::Accept(listener), Completion::Accepted { listener, result, more });
        true
    }

    /// The next of the backlog, or why it is not to be had.
    fn take_connection(
        &mut self,
        listener: usize,
        cancelled: bool,
    ) -> (Result<Option<Accepted>, Errno>, bool) {
        let faults = self.net.faults;
        let more = !cancelled && !self.choices.chance(faults.disarm);
        if self.sockets.iter().flatten().count() >= self.sockets_max {
            return (Err(Errno::NFILE), false);
        }
        if self.choices.chance(faults.accept_error) {
            let errnos = [Errno::MFILE, Errno::NFILE, Errno::CONNABORTED, Errno::CANCELED];
            let errno = *self.choices.pick(&errnos);
            if errno == Errno::CONNABORTED {
                let peer = self.pop_backlog(listener);
                self.net.links[peer.0].sever(Errno::CONNABORTED);
                return (Err(errno), more);
            }
            return (Err(errno), false);
        }
        let peer = self.pop_backlog(listener);
        // The number that was given back last is given out first: stale names must not reach it.
        let vacant = self.sockets.iter().rposition(Option::is_none);
        let number = vacant.unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        self.sockets[number] = Some(Local::new(peer.0));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1 + peer.0 as u16 % 65_535));
        let accepted = Accepted { socket: Socket(number as u32), peer: Some(address) };
        (Ok(Some(accepted)), more)
    }

    fn pop_backlog(&mut self, listener: usize) -> Peer {
        let queue = self.net.backlogs[listener].as_mut();
        queue.and_then(|queue| queue.pop_front()).expect("somebody waits")
    }

    fn progress_receive(&mut self, socket: u32) -> bool {
        let Some(local) = &self.sockets[socket as usize] else { return false };
        let (Some(receive), shut) = (local.receive, local.shut) else { return false };
        let link = &self.net.links[local.link];
        let readable = !link.up.is_empty() || link.up_ended || link.broken.is_some() || shut;
        if !readable && !receive.cancelled {
            return false;
        }
        let faults = self.net.faults;
        if self.choices.chance(faults.delay) {
            return true;
        }
        if receive.cancelled && !(readable && self.choices.chance(400)) {
            self.finish_receive(socket, Err(Errno::CANCELED), false);
        } else if let Some(errno) = self.receive_error(socket) {
            self.finish_receive(socket, Err(errno), false);
        } else if self.has_bytes(socket) {
            // No buffer: the ring arms itself again once one is back.
            let Some(lease) = self.fill(socket) else { return true };
            let lost = receive.cancelled && self.choices.chance(500);
            let more = !lost && !self.choices.chance(faults.disarm);
            self.finish_receive(socket, Ok(Some(lease)), more);
        } else {
            self.finish_receive(socket, Ok(None), false);
        }
        true
    }

    fn link_of(&mut self, socket: u32) -> &mut Link {
        let link = self.local(Socket(socket)).link;
        &mut self.net.links[link]
    }

    fn has_bytes(&mut self, socket: u32) -> bool {
        !self.link_of(socket).up.is_empty()
    }

    /// Why a receive fails, if it does. Bytes that came before a reset may still be read first.
    fn receive_error(&mut self, socket: u32) -> Option<Errno> {
        if self.choices.chance(self.net.faults.receive_error) {
            let errno = *self.choices.pick(&[Errno::CONNRESET, Errno::TIMEDOUT]);
            self.link_of(socket).sever(errno);
        }
        let errno = self.link_of(socket).broken?;
        let first_the_bytes = self.has_bytes(socket) && self.choices.chance(700);
        (!first_the_bytes).then_some(errno)
    }

    fn finish_receive(&mut self, socket: u32, result: Result<Option<Lease>, Errno>, more: bool) {
        let local = self.local(Socket(socket));
        let token = local.receive.expect("an armed receive").token;
        if !more {
            local.receive = None;
        }
        local.drained |= !matches!(result, Ok(Some(_)) | Err(Errno::CANCELED));
        self.complete(Lane::Receive(socket), Completion::Received { token, result, more });
    }

    /// Moves bytes from the wire into a buffer; `None` when there is no buffer.
    fn fill(&mut self, socket: u32) -> Option<Lease> {
        let Some(free) = self.free.pop() else {
            self.exhausted += 1;
            return None;
        };
        let mut most = self.buffers.capacity().min(self.link_of(socket).up.len());
        if self.choices.chance(self.net.faults.short) {
            most = self.choices.between(1, most);
        }
        let bytes: Vec<u8> = self.link_of(socket).up.drain(..most).collect();
        let lease = self.buffers.fill(free, &bytes);
        self.filled[usize::from(lease.id())] = most;
        let leased = &mut self.leased[usize::from(lease.id())];
        assert!(!*leased, "a buffer was given back that is still leased");
        *leased = true;
        Some(lease)
    }

    fn progress_send(&mut self, socket: u32) -> bool {
        let Some(local) = &mut self.sockets[socket as usize] else { return false };
        let Some(send) = &mut local.send else { return false };
        let link = &mut self.net.links[local.link];
        if link.down.len() >= WINDOW && link.broken.is_none() && !local.shut {
            return false;
        }
        let faults = self.net.faults;
        if self.choices.chance(faults.delay) {
            return true;
        }
        let done = send.progress(link, WINDOW, local.shut, &mut self.choices, &faults);
        if let Some(result) = done {
            let (token, batch) = local.send.take().expect("a send in flight").finish();
            self.complete(Lane::Send(socket), Completion::Sent { token, batch, result });
        }
        true
    }
}
