//! What the simulated kernel does with the operations it was given, one instant at a time.

use super::net::{Link, Peer};
use super::socket::{Local, Target};
use super::{Lane, Sim, WINDOW};
use crate::ring::{Accepted, Completion, Destination, Errno, Kernel, Lease, Socket, Token};
use std::net::{Ipv4Addr, SocketAddr};

impl Sim {
    /// Lets every operation go on that can; whether any could.
    pub(super) fn progress(&mut self) -> bool {
        self.take_returned();
        let mut active = false;
        for listener in 0..self.listeners.len() {
            active |= self.progress_accept(listener);
        }
        active |= self.progress_dials();
        for socket in 0..self.sockets.len() as u32 {
            active |= self.progress_receive(socket);
            active |= self.progress_send(socket);
        }
        active
    }

    /// Once one that does not wait is out, all others are of its kind.
    pub(super) fn start_accept(&mut self, listener: usize, sweeps: bool) {
        assert!(self.room() > 0, "an accept without room for what it brings");
        let listening = &mut self.listeners[listener];
        assert!(!listening.closed, "accept on a listener that was closed");
        let alike = listening.sweeps == sweeps || sweeps && listening.out == 0;
        assert!(alike, "an accept that waits beside one that does not");
        listening.sweeps = sweeps;
        listening.armed += 1;
        listening.out += 1;
    }

    /// Every accept that is out may bring a connection at once, before any cancel works.
    fn progress_accept(&mut self, listener: usize) -> bool {
        let mut active = false;
        for _ in 0..self.listeners[listener].armed {
            let cancelled = self.listeners[listener].cancelled > 0;
            let queue = self.net.backlogs[listener].as_ref();
            let waiting = queue.is_some_and(|queue| !queue.is_empty());
            if !waiting && !cancelled && !self.listeners[listener].sweeps {
                break;
            }
            active = true;
            if self.choices.chance(self.net.faults.delay) {
                continue;
            }
            let result = if waiting && (!cancelled || self.choices.chance(300)) {
                self.take_connection(listener)
            } else {
                Err(Errno::CANCELED)
            };
            let listening = &mut self.listeners[listener];
            listening.armed -= 1;
            listening.cancelled -= usize::from(cancelled);
            self.complete(Lane::Accept(listener), Completion::Accepted { listener, result });
        }
        active
    }

    /// The next of the backlog, or why it is not to be had.
    fn take_connection(&mut self, listener: usize) -> Result<Accepted, Errno> {
        if self.choices.chance(self.net.faults.accept_error) {
            let errnos = [Errno::MFILE, Errno::NFILE, Errno::CONNABORTED, Errno::CANCELED];
            let errno = *self.choices.pick(&errnos);
            if errno == Errno::CONNABORTED {
                let peer = self.pop_backlog(listener);
                self.net.links[peer.0].sever(Errno::CONNABORTED);
            }
            return Err(errno);
        }
        let peer = self.pop_backlog(listener);
        if self.sockets.iter().flatten().count() >= self.sockets_max {
            // It has been taken, and there is no place to put it.
            self.net.reset(peer);
            return Err(Errno::NFILE);
        }
        let socket = self.place(peer);
        let ip = Ipv4Addr::new(127, 0, 0, 1 + self.net.links[peer.0].address);
        let address = SocketAddr::from((ip, 1 + peer.0 as u16 % 65_535));
        Ok(Accepted { socket, peer: Some(address), credentials: None })
    }

    /// A socket for our end of a connection.
    pub(super) fn place(&mut self, peer: Peer) -> Socket {
        // The number that was given back last is given out first: stale names must not reach it.
        let vacant = self.sockets.iter().rposition(Option::is_none);
        let number = vacant.unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        self.sockets[number] = Some(Local::new(peer.0));
        Socket(number as u32)
    }

    fn pop_backlog(&mut self, listener: usize) -> Peer {
        let queue = self.net.backlogs[listener].as_mut();
        queue.and_then(|queue| queue.pop_front()).expect("somebody waits")
    }

    fn progress_receive(&mut self, socket: u32) -> bool {
        let Some(local) = &self.sockets[socket as usize] else { return false };
        let Some(receive) = &local.receive else { return false };
        let (cancelled, shut) = (receive.cancelled, local.shut);
        let link = &self.net.links[local.link];
        let over = link.up_ended || link.broken.is_some() || shut;
        let watches = matches!(receive.target, Target::Nothing);
        let readable = over || !watches && !link.up.is_empty();
        if !readable && !cancelled {
            return false;
        }
        let faults = self.net.faults;
        if self.choices.chance(faults.delay) {
            return true;
        }
        if cancelled && !(readable && self.choices.chance(400)) {
            self.end_receive(socket, Err(Errno::CANCELED));
        } else if watches {
            let broken = self.link_of(socket).broken;
            self.end_receive(socket, broken.map_or(Ok(()), Err));
        } else if let Some(errno) = self.receive_error(socket) {
            self.end_receive(socket, Err(errno));
        } else if self.has_bytes(socket) {
            self.move_bytes(socket, cancelled);
        } else {
            self.end_receive(socket, Ok(()));
        }
        true
    }

    /// Bytes go where the receive wants them.
    fn move_bytes(&mut self, socket: u32, cancelled: bool) {
        let receive = self.local(Socket(socket)).receive.as_mut().expect("an armed receive");
        let large = matches!(receive.target, Target::Large);
        let (token, again, most) = match &mut receive.target {
            Target::Buffers => (receive.token, true, usize::MAX),
            Target::Buffer(most) => (receive.token, false, *most),
            Target::Large => (receive.token, false, usize::MAX),
            Target::Nothing => unreachable!("a poll receives nothing"),
            Target::Memory(_, most) => {
                let most = *most;
                let bytes = self.take_bytes(socket, most);
                return self.finish_direct(socket, Ok(&bytes));
            }
        };
        // No buffer: the ring arms itself again once one is back.
        let Some(lease) = self.fill(socket, most, large) else { return };
        let lost = cancelled && self.choices.chance(500);
        let more = again && !lost && !self.choices.chance(self.net.faults.disarm);
        if !more {
            self.local(Socket(socket)).receive = None;
        }
        let result = Ok(Some(lease));
        self.complete(Lane::Receive(socket), Completion::Received { token, result, more });
    }

    /// A receive ends without bytes: the end of the stream, or an error.
    fn end_receive(&mut self, socket: u32, result: Result<(), Errno>) {
        let local = self.local(Socket(socket));
        let receive = local.receive.as_mut().expect("an armed receive");
        let token = receive.token;
        if let Target::Nothing = receive.target {
            local.receive = None;
            return self.complete(Lane::Receive(socket), Completion::HungUp { token, result });
        }
        local.drained |= result != Err(Errno::CANCELED);
        if let Target::Memory(..) = &receive.target {
            return self.finish_direct(socket, result.map(|()| &[][..]));
        }
        local.receive = None;
        let result = result.map(|()| None);
        self.complete(Lane::Receive(socket), Completion::Received { token, result, more: false });
    }

    fn finish_direct(&mut self, socket: u32, received: Result<&[u8], Errno>) {
        let receive = self.local(Socket(socket)).receive.take().expect("an armed receive");
        let (token, Target::Memory(mut memory, _)) = (receive.token, receive.target) else {
            unreachable!("a receive into memory")
        };
        let result = received.map(<[u8]>::len);
        match &mut memory {
            Destination::Vector(memory) => memory.extend_from_slice(received.unwrap_or_default()),
            Destination::Buffer(lease) => {
                self.fill_behind(lease, received.unwrap_or_default());
            }
        }
        self.complete(Lane::Receive(socket), Completion::ReceivedInto { token, memory, result });
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
        // A reset by the peer leaves what it has sent before to be read; other errors need not.
        let kept = !self.link_of(socket).injected || self.choices.chance(700);
        let first_the_bytes = self.has_bytes(socket) && kept;
        (!first_the_bytes).then_some(errno)
    }

    /// Takes at most `most` bytes from the wire.
    fn take_bytes(&mut self, socket: u32, most: usize) -> Vec<u8> {
        let mut most = most.min(self.link_of(socket).up.len());
        if self.choices.chance(self.net.faults.short) {
            most = self.choices.between(1, most);
        }
        self.link_of(socket).up.drain(..most).collect()
    }

    /// Moves bytes from the wire into a buffer; `None` when there is no buffer.
    fn fill(&mut self, socket: u32, most: usize, large: bool) -> Option<Lease> {
        let Some(free) = self.free[usize::from(large)].pop() else {
            self.exhausted += u64::from(!large);
            return None;
        };
        let bytes = self.take_bytes(socket, self.buffers.capacity_of(free.id()).min(most));
        self.received_large += u64::from(large);
        let lease = self.buffers.fill(free, &bytes);
        self.filled[usize::from(lease.id())] = bytes.len();
        let leased = &mut self.leased[usize::from(lease.id())];
        assert!(!*leased, "a buffer was given back that is still leased");
        *leased = true;
        Some(lease)
    }

    /// What TCP knows: since when the peer has read nothing of what waits for it. The answer comes
    /// late, and now and then there are no descriptors to ask with.
    pub(super) fn answer_progress(&mut self, socket: Socket, token: Token) {
        let now = self.net.now;
        let link = self.link_of(socket.0);
        let ago = (!link.down.is_empty()).then(|| now - link.read_at);
        let ago = ago.filter(|_| !self.choices.chance(self.net.faults.hold));
        self.complete(Lane::Progress(token), Completion::Progressed { token, ago });
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
