//! A kernel that is none: sockets, buffers and completions out of a seed.
//!
//! Everything that the contract of [`Kernel`] allows happens here sooner or later: short receives
//! and sends, multishot operations that end for no reason, cancels that lose their race, resets,
//! completions that come late and in any order between sockets (never within one direction of one
//! socket), wake-ups for nothing. And what the contract asks of the reactor is asserted. Time is
//! virtual: a wait for a minute takes none.

mod buffers;
mod choices;
mod dial;
mod faults;
mod net;
mod pace;
mod progress;
mod socket;
#[cfg(test)]
mod tests;
mod time;

pub use choices::Choices;
pub use faults::Faults;
pub use net::{Net, Peer, Seen, WINDOW};

use super::lease::Free;
use super::{
    Buffers, Completion, Destination, Errno, Kernel, KernelError, Lease, Socket, SocketOptions,
    Token, Waker,
};
use crate::memory::Batch;
use crate::ring::KernelStats;
use crate::tick::Tick;
use dial::Attempt;
use socket::{Local, Send, Target};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How far a wait without a timeout looks ahead before it is declared stuck.
const FOREVER: Tick = 1 << 40;

/// How long a wait that gathers completions lasts at least, if its timeout lets it.
pub const GATHER_MS: Tick = 2;

/// What happens outside the machine while the reactor waits: the peers, and other threads.
pub trait World {
    /// Acts on the peers' ends; returns when to be called again, `None` for never.
    fn step(&mut self, net: &mut Net) -> Option<Tick>;
}

/// What a simulated kernel is made from.
pub struct SimConfig {
    /// Where its decisions come from.
    pub choices: Choices,
    /// How often it lies, to begin with.
    pub faults: Faults,
    /// Listening sockets.
    pub listeners: usize,
    /// Sockets at the same time; an accept beyond it loses its connection.
    pub sockets_max: usize,
    /// Receive buffers.
    pub buffers: u16,
    /// Payload bytes of each.
    pub buffer_size: u32,
    /// Large receive buffers, and payload bytes of each.
    pub large: (u16, u32),
    /// Its place among the wakers.
    pub index: usize,
    /// How it and the others are woken.
    pub wakers: Arc<[Waker]>,
    /// What happens outside.
    pub world: Box<dyn World>,
}

/// Completions of one lane keep their order; lanes overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Accept(usize),
    Connect(Token),
    Receive(u32),
    Send(u32),
    Progress(Token),
    Close(u32),
}

#[derive(Debug, Default)]
struct Listening {
    /// Accepts that the kernel has.
    armed: usize,
    /// Of those, how many are being cancelled.
    cancelled: usize,
    /// As the reactor sees it.
    out: usize,
    /// None of them waits for anybody.
    sweeps: bool,
    closed: bool,
}

/// The simulated kernel.
pub struct Sim {
    net: Net,
    world: Box<dyn World>,
    choices: Choices,
    listeners: Vec<Listening>,
    sockets: Vec<Option<Local>>,
    dials: Vec<Attempt>,
    sockets_max: usize,
    lanes: BTreeMap<Lane, VecDeque<Completion>>,
    buffers: Arc<Buffers>,
    /// Small buffers, and large ones.
    free: [Vec<Free>; 2],
    leased: Vec<bool>,
    /// How many bytes of each buffer are not poison.
    filled: Vec<usize>,
    exhausted: u64,
    /// Large buffers that were filled.
    received_large: u64,
    index: usize,
    wakers: Arc<[Waker]>,
    stuck: bool,
    /// The reactor's thread is elsewhere, for so long if nothing happens: the next wait is its.
    left_for: Option<Option<Duration>>,
    /// Since when.
    left_at: Tick,
    /// What has come meanwhile.
    pending: Vec<Completion>,
    /// Of one kernel of several: how far its clock may go.
    horizon: Tick,
}

impl Sim {
    /// A machine with nobody connected to it.
    ///
    /// # Panics
    /// When there is no memory for the buffers.
    pub fn new(config: SimConfig) -> Self {
        let small = (config.buffers, config.buffer_size);
        let (buffers, smalls, larges) =
            Buffers::with_large(small, config.large).expect("memory for the buffers");
        let count = usize::from(config.buffers + config.large.0);
        Self {
            net: Net::new(config.listeners, config.faults),
            world: config.world,
            choices: config.choices,
            listeners: (0..config.listeners).map(|_| Listening::default()).collect(),
            sockets: Vec::new(),
            dials: Vec::new(),
            sockets_max: config.sockets_max,
            lanes: BTreeMap::new(),
            leased: vec![false; count],
            filled: vec![0; count],
            buffers,
            free: [smalls, larges],
            received_large: 0,
            exhausted: 0,
            index: config.index,
            wakers: config.wakers,
            stuck: false,
            left_for: None,
            left_at: 0,
            pending: Vec::new(),
            horizon: Tick::MAX,
        }
    }

    /// The wires.
    pub fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    /// Whether a wait without a timeout found nothing that could ever end it.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Sockets that were not given back. Those whose `Closed` is still to come do not count: a
    /// kernel that is dropped completes their closing.
    pub fn open_sockets(&self) -> usize {
        self.sockets.iter().flatten().filter(|local| !local.closing).count()
    }

    /// Buffers that nobody has: all of them, when nothing is leased or retained.
    pub fn free_buffers(&mut self) -> usize {
        self.take_returned();
        self.free.iter().map(Vec::len).sum()
    }

    /// Large buffers that were filled, since the start.
    pub fn received_large(&self) -> u64 {
        self.received_large
    }

    /// Leases that were neither released nor forgotten.
    pub fn leases_out(&self) -> usize {
        self.leased.iter().filter(|&&out| out).count()
    }

    fn local(&mut self, socket: Socket) -> &mut Local {
        let local = self.sockets.get_mut(socket.0 as usize).and_then(Option::as_mut);
        local.expect("use of a socket that is not open")
    }

    /// The socket that an operation was started on; `None` when it is over.
    fn by_receive(&mut self, token: Token) -> Option<&mut Local> {
        let mut open = self.sockets.iter_mut().flatten();
        open.find(|local| local.receive.as_ref().is_some_and(|receive| receive.token == token))
    }

    fn start_receive(&mut self, socket: Socket, token: Token, target: Target) {
        assert!(self.by_receive(token).is_none(), "two receives of one token");
        self.local(socket).arm_receive(token, target);
    }

    fn complete(&mut self, lane: Lane, completion: Completion) {
        self.lanes.entry(lane).or_default().push_back(completion);
    }
}

impl Kernel for Sim {
    fn now(&self) -> Tick {
        self.net.now
    }

    fn room(&self) -> usize {
        let open = self.sockets.iter().flatten().count();
        let accepts: usize = self.listeners.iter().map(|listening| listening.armed).sum();
        let dials = self.dials.iter().filter(|dial| dial.has_place()).count();
        self.sockets_max.saturating_sub(open + accepts + dials)
    }

    fn accept(&mut self, listener: usize) {
        self.start_accept(listener, false);
    }

    fn accept_waiting(&mut self, listener: usize) {
        self.start_accept(listener, true);
    }

    fn cancel_accept(&mut self, listener: usize) {
        assert!(!self.listeners[listener].closed, "cancel on a listener that was closed");
        let listening = &mut self.listeners[listener];
        listening.cancelled = listening.armed;
    }

    fn close_listener(&mut self, listener: usize) {
        let listening = &mut self.listeners[listener];
        assert!(listening.out == 0, "a listener was closed under an accept");
        assert!(!listening.closed, "a listener was closed twice");
        listening.closed = true;
        for peer in self.net.backlogs[listener].take().into_iter().flatten() {
            self.net.reset(peer);
        }
    }

    fn connect(&mut self, attempt: Token, to: SocketAddr, _: SocketOptions) {
        self.start_dial(attempt, to);
    }

    fn cancel_connect(&mut self, attempt: Token) {
        self.cancel_dial(attempt);
    }

    fn adopt(&mut self, name: u32, _: std::os::fd::OwnedFd, _: Option<SocketOptions>) {
        self.refuse_descriptor(name);
    }

    fn take_out(&mut self, _: Socket, name: u32) {
        self.keep_socket(name);
    }

    fn receive(&mut self, socket: Socket, token: Token) {
        self.start_receive(socket, token, Target::Buffers);
    }

    fn receive_once(&mut self, socket: Socket, token: Token, most: u32) {
        assert!(most > 0, "a receive of nothing");
        self.start_receive(socket, token, Target::Buffer(most as usize));
    }

    fn receive_large(&mut self, socket: Socket, token: Token) {
        assert!(self.buffers.large_capacity() > 0, "a receive into a large buffer without any");
        self.start_receive(socket, token, Target::Large);
    }

    fn receive_into(&mut self, socket: Socket, token: Token, memory: Destination, most: usize) {
        let room = match &memory {
            Destination::Vector(memory) => memory.capacity() - memory.len(),
            Destination::Buffer(lease) => {
                assert!(
                    self.leased[usize::from(lease.id())],
                    "a receive into a lease that has ended"
                );
                self.buffers.capacity_of(lease.id()) - lease.len()
            }
        };
        assert!(most > 0 && most <= room, "a receive of {most} bytes into room for {room}");
        self.start_receive(socket, token, Target::Memory(memory, most));
    }

    fn watch(&mut self, socket: Socket, token: Token) {
        self.start_receive(socket, token, Target::Nothing);
    }

    fn is_starved(&self, token: Token) -> bool {
        let mut armed = self.sockets.iter().flatten().filter_map(|local| local.receive.as_ref());
        armed.find(|receive| receive.token == token).is_some_and(|receive| {
            let large = matches!(receive.target, Target::Large);
            self.free[usize::from(large)].is_empty()
        })
    }

    fn cancel_receive(&mut self, token: Token) {
        // When its final completion is under way already, the cancel finds nothing.
        if let Some(receive) = self.by_receive(token).and_then(|local| local.receive.as_mut()) {
            receive.cancelled = true;
        }
    }

    fn send(&mut self, socket: Socket, token: Token, batch: Batch) {
        self.local(socket).start_send(Send::new(token, batch));
    }

    fn progress(&mut self, socket: Socket, token: Token) {
        self.answer_progress(socket, token);
    }

    /// All that is asked for has begun already.
    fn hand_over(&mut self) {}

    fn shutdown_send(&mut self, socket: Socket) {
        self.local(socket).end_send();
        let link = self.local(socket).link;
        self.net.links[link].down_ended = true;
    }

    fn shutdown(&mut self, socket: Socket) {
        self.local(socket).shut();
        let link = self.local(socket).link;
        self.net.links[link].down_ended = true;
    }

    fn close(&mut self, socket: Socket, token: Token) {
        self.local(socket).start_close();
        let link = self.local(socket).link;
        self.net.links[link].close();
        self.complete(Lane::Close(socket.0), Completion::Closed { token });
    }

    fn wake(&mut self, reactor: usize) {
        assert_ne!(reactor, self.index, "a reactor that runs was woken by itself");
        self.wakers[reactor].wake();
    }

    fn bytes<'k>(&'k mut self, lease: &'k mut Lease) -> &'k mut [u8] {
        assert!(self.leased[usize::from(lease.id())], "bytes of a lease that has ended");
        self.buffers.bytes(lease)
    }

    fn release(&mut self, lease: Lease) {
        self.end_lease(lease);
    }

    fn counts(&self) -> KernelStats {
        KernelStats { buffers_exhausted: self.exhausted, ..KernelStats::default() }
    }

    fn buffers(&self) -> Arc<Buffers> {
        Arc::clone(&self.buffers)
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError> {
        self.pass(timeout, completions)
    }

    fn leave(&mut self, timeout: Option<Duration>) -> Result<(), KernelError> {
        (self.left_for, self.left_at) = (Some(timeout), self.net.now);
        Ok(())
    }
}
