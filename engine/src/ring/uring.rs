//! The real kernel.

use super::accepts::{Accepts, ListeningSockets};
use super::arrivals::Arrivals;
use super::attempts::Attempts;
use super::bell::Bell;
use super::diagnosis::Locked;
use super::direct::Destinations;
use super::op::{Op, Sends, Source};
use super::queue::{Queue, Waits};
use super::receives::{Cancel, Kind, Receives};
use super::setup::{self, Flags, Optional};
use super::shutting::Closing;
use super::supply::{LARGE, Supply};
use super::{
    Buffers, Completion, Destination, Errno, Kernel, KernelConfig, KernelError, KernelStats, Lease,
    Refused, Socket, SocketOptions, Token, Waker,
};
use crate::memory::Batch;
use crate::tick::Tick;
use io_uring::types::{Fd, Fixed};
use io_uring::{cqueue, opcode, squeue};
use rustix::net::Shutdown;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory that the kernel may write to or read from until the last operation has ended.
pub(super) struct Held {
    pub(super) supply: Supply,
    pub(super) sends: Sends,
    pub(super) direct: Destinations,
    pub(super) attempts: Attempts,
    pub(super) accepts: Accepts,
    pub(super) arrivals: Arrivals,
    /// Where the eventfd's counter is read to.
    pub(super) count: Box<UnsafeCell<u64>>,
    pub(super) bell: Box<Bell>,
}

/// How sockets are named.
pub(super) enum Sockets {
    /// Direct descriptors: slots of the ring's own table.
    Direct,
    /// Ordinary descriptors, and which are open: for kernels without `FIXED_FD_INSTALL` (6.8).
    Ordinary(std::collections::HashSet<u32>),
}

/// The kernel by io_uring. Belongs to the thread that made it.
pub struct Uring {
    pub(super) queue: Queue,
    pub(super) held: ManuallyDrop<Held>,
    pub(super) sockets: Sockets,
    sockets_max: u32,
    /// Sockets that there are places for.
    places: u32,
    /// Of those, the ones that sockets have, or that accepts and connects have been promised.
    pub(super) taken: u32,
    /// Shut direct descriptors down by the operation at once, as when descriptors have run out.
    pub(super) op_shutdown: bool,
    pub(super) has: Optional,
    pub(super) flags: Flags,
    pub(super) listeners: ListeningSockets,
    pub(super) receives: Receives,
    pub(super) closing: Closing,
    /// Reports that did not come from the kernel.
    pub(super) ready: Vec<Completion>,
    scratch: Vec<cqueue::Entry>,
    pub(super) wakers: Arc<[Waker]>,
    pub(super) index: usize,
    start: Instant,
    now_us: u64,
    /// `SINGLE_ISSUER`: other threads must not touch it.
    _thread: PhantomData<*mut ()>,
}

impl Uring {
    /// A ring on this thread, with its buffers, its table of sockets and its listeners.
    ///
    /// # Errors
    /// The kernel is too old, forbids io_uring, or lacks memory or descriptors: the text says
    /// which, and what to do.
    pub fn new(config: KernelConfig) -> Result<Self, Refused> {
        Self::tuned(config, &super::Tuning::default())
    }

    /// As [`Uring::new`], with the choices that it makes by itself given.
    ///
    /// # Errors
    /// As [`Uring::new`].
    #[doc(hidden)]
    pub fn tuned(config: KernelConfig, tuning: &super::Tuning) -> Result<Self, Refused> {
        let buffers = config.buffers()?;
        let cq = tuning.cq_entries.unwrap_or_else(|| (2 * u32::from(buffers)).max(4_096));
        let sq = tuning.sq_entries.unwrap_or(256);
        let large = tuning.large.unwrap_or(LARGE);
        let (ring, rings) = (setup::locked(sq, cq, [buffers, large.0]), config.wakers.len() as u64);
        Self::made(config, tuning, (buffers, large), (sq, cq))
            .map_err(|refused| refused.taking(Locked { ring, rings }))
    }

    fn made(
        config: KernelConfig,
        tuning: &super::Tuning,
        (buffers, large): (u16, (u16, u32)),
        (sq, cq): (u32, u32),
    ) -> Result<Self, Refused> {
        let told = config.leaves || !config.busy_poll.is_zero();
        let (ring, flags) = setup::patiently(|| setup::build(config.sqpoll, sq, cq, told))?;
        let has = setup::check(&ring)?;
        let waits = Waits {
            busy_poll: config.busy_poll,
            coalesce: config.coalesce,
            min_wait: has.min_wait && !tuning.no_min_wait,
        };
        let mut queue = Queue::new(ring, flags, waits);
        let direct = has.install && !tuning.ordinary;
        let equipped = queue.try_enter().and_then(|()| {
            let listeners = config.listeners.len() as u32;
            let table = super::table::register(&queue, config.sockets_max, listeners, direct)?;
            let small = (buffers, config.recv_buffer_size);
            Ok((table, Supply::register(queue.ring(), small, large)?))
        });
        let ((places, sockets_max), supply) = match equipped {
            Ok(equipped) => equipped,
            Err(refused) => {
                // SAFETY: it is not used after this, and nothing was submitted to it.
                unsafe { queue.close() };
                return Err(refused);
            }
        };
        let held = Held {
            supply,
            sends: Sends::default(),
            direct: Destinations::default(),
            attempts: Attempts::default(),
            accepts: Accepts::default(),
            arrivals: Arrivals::default(),
            count: Box::default(),
            bell: Box::default(),
        };
        let mut uring = Self {
            queue,
            held: ManuallyDrop::new(held),
            sockets: if direct { Sockets::Direct } else { Sockets::Ordinary(Default::default()) },
            sockets_max,
            places,
            taken: 0,
            op_shutdown: tuning.op_shutdown,
            has,
            flags,
            listeners: ListeningSockets::new(config.listeners),
            receives: Receives::with_room(sockets_max),
            closing: Closing::default(),
            ready: Vec::new(),
            scratch: Vec::new(),
            wakers: config.wakers,
            index: config.index,
            start: config.start,
            now_us: 0,
            _thread: PhantomData,
        };
        uring.now_us = uring.clock_us();
        if let Some(waker) = uring.wakers.get(uring.index) {
            // SAFETY: the queue keeps the ring open while it exists.
            waker.attach(unsafe { BorrowedFd::borrow_raw(uring.queue.ring().as_raw_fd()) });
        }
        uring.be_woken(config.leaves)?;
        Ok(uring)
    }

    /// Sockets that it can have at a time: what was asked for, or less if `RLIMIT_NOFILE` says so.
    pub fn sockets_max(&self) -> u32 {
        self.sockets_max
    }

    /// What it has done so far.
    pub fn stats(&self) -> KernelStats {
        KernelStats { window: u64::from(self.held.supply.window()), ..self.queue.stats }
    }

    /// Queues an operation that refers to no memory of ours, or only to registered buffers.
    pub(super) fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: nothing to keep alive. The buffer ring is unregistered before its memory goes.
        unsafe { self.queue.push(entry) };
    }
}

impl Kernel for Uring {
    fn now(&self) -> Tick {
        self.now_us / 1_000
    }

    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn clock_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    fn room(&self) -> usize {
        self.places.saturating_sub(self.taken) as usize
    }

    fn accept(&mut self, listener: usize) {
        self.push_accept(listener);
    }

    fn accept_waiting(&mut self, listener: usize) {
        self.push_accept_waiting(listener);
    }

    fn cancel_accept(&mut self, listener: usize) {
        self.cancel_accepts(listener);
    }

    fn close_listener(&mut self, listener: usize) {
        self.listeners.close(listener);
    }

    fn listener(&self, listener: usize) -> Option<BorrowedFd<'_>> {
        self.listeners.get(listener)
    }

    fn connect(&mut self, attempt: Token, to: SocketAddr, socket_options: SocketOptions) {
        self.dial(attempt, to, socket_options);
    }

    fn cancel_connect(&mut self, attempt: Token) {
        self.cancel_dial(attempt);
    }

    fn adopt(&mut self, name: u32, socket: OwnedFd, options: Option<SocketOptions>) {
        self.take_in(name, socket, options);
    }

    fn take_out(&mut self, socket: Socket, name: u32) {
        self.give_out(socket, name);
    }

    fn receive(&mut self, socket: Socket, token: Token) {
        self.start_receive(socket, token, Kind::Multishot);
    }

    fn receive_once(&mut self, socket: Socket, token: Token, most: u32) {
        // A length of 0 would mean the whole buffer.
        let most = u16::try_from(most.max(1)).unwrap_or(u16::MAX);
        self.start_receive(socket, token, Kind::Once(most));
    }

    fn receive_large(&mut self, socket: Socket, token: Token) {
        self.start_receive(socket, token, Kind::Large);
    }

    fn receive_into(&mut self, socket: Socket, token: Token, memory: Destination, most: usize) {
        self.start_receive_into(socket, token, memory, most);
    }

    fn watch(&mut self, socket: Socket, token: Token) {
        self.start_watch(socket, token);
    }

    fn cancel_receive(&mut self, token: Token) {
        match self.receives.cancel(token) {
            Cancel::Kernel(Kind::Into) => self.cancel(Op::Direct.of(token)),
            Cancel::Kernel(Kind::Watch) => self.cancel(Op::Watch.of(token)),
            Cancel::Kernel(_) => self.cancel(Op::Receive.of(token)),
            Cancel::Finish => self.ready.push(Completion::Received {
                token,
                result: Err(Errno::CANCELED),
                more: false,
            }),
            Cancel::Nothing => {}
        }
    }

    fn is_starved(&self, token: Token) -> bool {
        self.receives.is_starved(token)
    }

    fn send(&mut self, socket: Socket, token: Token, batch: Batch) {
        // WAITALL: the kernel goes on by itself when the socket takes only a part.
        const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let (index, source) = self.held.sends.launch(token, batch);
        let entry = match (source, &self.sockets) {
            (Source::Bytes(at, len), Sockets::Direct) => {
                opcode::Send::new(Fixed(socket.0), at, len).flags(FLAGS).build()
            }
            (Source::Bytes(at, len), Sockets::Ordinary(_)) => {
                opcode::Send::new(Fd(socket.0 as i32), at, len).flags(FLAGS).build()
            }
            (Source::Message(message), Sockets::Direct) => {
                opcode::SendMsg::new(Fixed(socket.0), message).flags(FLAGS as u32).build()
            }
            (Source::Message(message), Sockets::Ordinary(_)) => {
                opcode::SendMsg::new(Fd(socket.0 as i32), message).flags(FLAGS as u32).build()
            }
        };
        // SAFETY: `Sends` keeps the batch and the message until the completion lands.
        unsafe { self.queue.push(entry.user_data(Op::Send.pair(0, index))) };
    }

    fn progress(&mut self, socket: Socket, token: Token) {
        self.ask_for_progress(socket, token);
    }

    fn hand_over(&mut self) {
        self.queue.flush();
    }

    fn shutdown_send(&mut self, socket: Socket) {
        self.shut(socket, Shutdown::Write);
    }

    fn shutdown(&mut self, socket: Socket) {
        self.shut(socket, Shutdown::Both);
    }

    fn close(&mut self, socket: Socket, token: Token) {
        if self.closing.may_close(socket, token) {
            self.push_close(socket, token);
        }
    }

    fn wake(&mut self, reactor: usize) {
        if reactor == self.index {
            return self.ready.push(Completion::Woken);
        }
        let Some(waker) = self.wakers.get(reactor) else { return };
        match waker.ring().filter(|_| self.has.msg_ring) {
            Some(ring) => {
                let ring = Fd(ring.as_raw_fd());
                let message = opcode::MsgRingData::new(ring, 0, Op::Woken.word(0), None).build();
                self.push(message.user_data(Op::Wake.pair(0, reactor as u32)));
            }
            None => waker.wake(),
        }
    }

    fn counts(&self) -> KernelStats {
        self.stats()
    }

    fn bytes<'k>(&'k mut self, lease: &'k mut Lease) -> &'k mut [u8] {
        self.held.supply.buffers().bytes(lease)
    }

    fn release(&mut self, lease: Lease) {
        self.held.supply.release(lease);
    }

    fn buffers(&self) -> Arc<Buffers> {
        Arc::clone(self.held.supply.buffers())
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError> {
        let mut timeout = self.supply(timeout);
        if !self.ready.is_empty() {
            completions.append(&mut self.ready);
            timeout = Some(Duration::ZERO);
        }
        let before = completions.len();
        let mut entries = std::mem::take(&mut self.scratch);
        let mut rounds = 0;
        loop {
            let waited = self.queue.wait(timeout, &mut entries);
            self.now_us = self.clock_us();
            let asked = self.process(&entries, completions);
            let line_up = self.others_must_line_up(entries.len(), rounds);
            entries.clear();
            rounds += 1;
            // If only questions came of it, their answers are there as soon as they are submitted.
            let only_asked = asked && completions.len() == before;
            if waited.is_err() || !only_asked && !line_up {
                self.scratch = entries;
                return waited;
            }
            timeout = Some(Duration::ZERO);
        }
    }

    fn leave(&mut self, timeout: Option<Duration>) -> Result<(), KernelError> {
        self.leave_for(timeout)
    }
}
