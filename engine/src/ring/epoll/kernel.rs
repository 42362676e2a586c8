//! What it consists of, and what a reactor asks of it.

use super::lines::Lines;
use super::sockets::{Kind, OTHERS, Sockets};
use super::sys::{self, Events};
use crate::memory::Batch;
use crate::ring::accepts::ListeningSockets;
use crate::ring::diagnosis::Refused;
use crate::ring::direct::Destinations;
use crate::ring::op::{Sends, Source};
use crate::ring::outcome::borrow;
use crate::ring::supply::LARGE;
use crate::ring::{
    Buffers, Completion, Destination, Errno, Kernel, KernelConfig, KernelError, KernelStats, Lease,
    Socket, SocketOptions, Token, Tuning, Waker, table,
};
use crate::tick::Tick;
use rustix::net::Shutdown;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name of our eventfd in events; of a listening socket: `LISTENER` and its index.
pub(super) const BELL: u64 = OTHERS;
pub(super) const ALARM: u64 = OTHERS | 1;
pub(super) const LISTENER: u64 = OTHERS | 1 << 32;

/// What is wanted of a listening socket, and what it has.
#[derive(Clone, Copy, Default)]
pub(super) struct Listening {
    /// Accepts that are out.
    pub(super) wanted: u32,
    /// Somebody may wait.
    pub(super) readable: bool,
}

/// The kernel by epoll(7). Belongs to one thread.
pub struct Epoll {
    pub(super) poll: OwnedFd,
    pub(super) sockets: Sockets,
    pub(super) lines: Lines,
    pub(super) sends: Sends,
    /// Those that this turn has asked for.
    pub(super) outgoing: Vec<(i32, u32, Source)>,
    pub(super) direct: Destinations,
    /// Where the receives into memory of the reactor write to: by descriptor.
    pub(super) places: HashMap<i32, (*mut u8, u32)>,
    pub(super) listeners: ListeningSockets,
    pub(super) listening: Vec<Listening>,
    /// Connections that are being made, by their names.
    pub(super) attempts: HashMap<Token, i32>,
    pub(super) dialing: HashMap<i32, Token>,
    /// Those that others may have descriptors of: closing ours does not take them out.
    pub(super) foreign: std::collections::HashSet<i32>,
    sockets_max: u32,
    room: u32,
    /// Of that, what sockets have, or accepts and connects have been promised.
    pub(super) taken: u32,
    /// What has happened, and was not told yet.
    pub(super) ready: Vec<Completion>,
    pub(super) events: Events,
    /// There may be more events than the last look has brought.
    pub(super) more: bool,
    /// The last wait did not look.
    pub(super) skipped: bool,
    pub(super) busy_poll: Duration,
    pub(super) coalesce: Duration,
    /// Tells the time where the thread has other work, and when it is set to.
    pub(super) alarm: Option<OwnedFd>,
    pub(super) due: Option<Tick>,
    pub(super) wakers: Arc<[Waker]>,
    pub(super) index: usize,
    start: Instant,
    pub(super) now_us: u64,
    pub(super) stats: KernelStats,
}

impl Epoll {
    /// On this thread, with its buffers and its listeners.
    ///
    /// # Errors
    /// The system lacks memory or descriptors: the text says which, and what to do.
    pub fn new(config: KernelConfig) -> Result<Self, Refused> {
        Self::tuned(config, &Tuning::default())
    }

    /// As [`Epoll::new`], with the choices that it makes by itself given.
    ///
    /// # Errors
    /// As [`Epoll::new`].
    #[doc(hidden)]
    pub fn tuned(config: KernelConfig, tuning: &Tuning) -> Result<Self, Refused> {
        let buffers = config.buffers()?;
        let small = (buffers, config.recv_buffer_size);
        let lines = Lines::new(small, tuning.large.unwrap_or(LARGE))?;
        let poll = sys::create().map_err(|errno| Refused::new("epoll_create1", errno))?;
        let (room, sockets_max) = table::ordinary(config.sockets_max);
        if !config.coalesce.is_zero() {
            // As for a ring: a sleep may last 50 µs longer than asked for, unless told otherwise.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        }
        let mut epoll = Self {
            poll,
            sockets: Sockets::default(),
            lines,
            sends: Sends::default(),
            outgoing: Vec::new(),
            direct: Destinations::default(),
            places: HashMap::new(),
            listening: vec![Listening::default(); config.listeners.len()],
            listeners: ListeningSockets::new(config.listeners),
            attempts: HashMap::new(),
            dialing: HashMap::new(),
            foreign: Default::default(),
            sockets_max,
            room,
            taken: 0,
            ready: Vec::new(),
            events: Events::new(),
            more: false,
            skipped: false,
            busy_poll: config.busy_poll,
            coalesce: config.coalesce,
            alarm: None,
            due: None,
            wakers: config.wakers,
            index: config.index,
            start: config.start,
            now_us: 0,
            stats: KernelStats { by_epoll: 1, ..KernelStats::default() },
        };
        epoll.now_us = epoll.clock_us();
        epoll.listen()?;
        epoll.be_woken(config.leaves)?;
        Ok(epoll)
    }

    /// Sockets that it can have at a time: what was asked for, or less if `RLIMIT_NOFILE` says so.
    pub fn sockets_max(&self) -> u32 {
        self.sockets_max
    }

    /// What it has done so far.
    pub fn stats(&self) -> KernelStats {
        self.stats
    }

    /// What it has come to, in the words of an operator.
    pub fn chosen(&self) -> String {
        let buffers = &self.lines.buffers;
        format!(
            "epoll, descriptors for {} connections, {} buffers of {} bytes",
            self.sockets_max,
            buffers.count(),
            buffers.capacity(),
        )
    }

    /// Something is asked of a socket that may have it already.
    fn arm(&mut self, socket: Socket, token: Token, kind: Kind) {
        let fd = socket.0 as i32;
        self.sockets.arm(fd, token, kind);
        self.line_up(fd);
    }
}

impl Kernel for Epoll {
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
        self.room.saturating_sub(self.taken) as usize
    }

    fn accept(&mut self, listener: usize) {
        if let Some(listening) = self.listening.get_mut(listener) {
            listening.wanted += 1;
            self.taken += 1;
        }
    }

    fn accept_waiting(&mut self, listener: usize) {
        self.accept_now(listener);
    }

    fn cancel_accept(&mut self, listener: usize) {
        let Some(listening) = self.listening.get_mut(listener) else { return };
        for _ in 0..std::mem::take(&mut listening.wanted) {
            self.taken -= 1;
            self.ready.push(Completion::Accepted { listener, result: Err(Errno::CANCELED) });
        }
    }

    fn close_listener(&mut self, listener: usize) {
        self.unlisten(listener);
    }

    fn listener(&self, listener: usize) -> Option<BorrowedFd<'_>> {
        self.listeners.get(listener)
    }

    fn connect(&mut self, attempt: Token, to: SocketAddr, socket_options: SocketOptions) {
        self.dial(attempt, to, socket_options);
    }

    fn cancel_connect(&mut self, attempt: Token) {
        self.end_attempt(attempt, Errno::CANCELED);
    }

    fn adopt(&mut self, name: u32, socket: OwnedFd, options: Option<SocketOptions>) {
        self.take_in(name, socket, options);
    }

    fn take_out(&mut self, socket: Socket, name: u32) {
        self.give_out(socket, name);
    }

    fn receive(&mut self, socket: Socket, token: Token) {
        self.arm(socket, token, Kind::Multishot);
    }

    fn receive_once(&mut self, socket: Socket, token: Token, most: u32) {
        self.arm(socket, token, Kind::Once(most.max(1)));
    }

    fn receive_large(&mut self, socket: Socket, token: Token) {
        self.arm(socket, token, Kind::Large);
    }

    fn receive_into(&mut self, socket: Socket, token: Token, memory: Destination, most: usize) {
        let place = self.direct.begin(token, memory, most, &self.lines.buffers);
        self.places.insert(socket.0 as i32, place);
        self.arm(socket, token, Kind::Into);
    }

    fn watch(&mut self, socket: Socket, token: Token) {
        self.arm(socket, token, Kind::Watch);
    }

    fn cancel_receive(&mut self, token: Token) {
        self.stop_receiving(token);
    }

    fn is_starved(&self, token: Token) -> bool {
        self.sockets.stands_in_line(token)
    }

    fn send(&mut self, socket: Socket, token: Token, batch: Batch) {
        self.queue_send(socket.0 as i32, token, batch);
    }

    fn progress(&mut self, socket: Socket, token: Token) {
        // SAFETY: open until `close`.
        let ago = crate::ring::sys::progress(unsafe { borrow(socket.0 as i32) });
        self.ready.push(Completion::Progressed { token, ago });
    }

    fn hand_over(&mut self) {
        self.stats.flushes += 1;
        self.send_all();
    }

    fn shutdown_send(&mut self, socket: Socket) {
        self.shut(socket, Shutdown::Write);
    }

    fn shutdown(&mut self, socket: Socket) {
        self.shut(socket, Shutdown::Both);
    }

    fn close(&mut self, socket: Socket, token: Token) {
        self.give_up(socket.0 as i32);
        self.ready.push(Completion::Closed { token });
    }

    fn wake(&mut self, reactor: usize) {
        if reactor == self.index {
            return self.ready.push(Completion::Woken);
        }
        if let Some(waker) = self.wakers.get(reactor) {
            waker.wake();
        }
    }

    fn counts(&self) -> KernelStats {
        self.stats
    }

    fn bytes<'k>(&'k mut self, lease: &'k mut Lease) -> &'k mut [u8] {
        self.lines.buffers.bytes(lease)
    }

    fn release(&mut self, lease: Lease) {
        self.lines.release(lease);
    }

    fn buffers(&self) -> Arc<Buffers> {
        Arc::clone(&self.lines.buffers)
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError> {
        self.wait_for(timeout, completions)
    }

    fn leave(&mut self, timeout: Option<Duration>) -> Result<(), KernelError> {
        self.leave_for(timeout);
        Ok(())
    }
}

impl Epoll {
    /// Registers what is watched for all the time.
    pub(super) fn watch_for(&self, fd: impl AsFd, name: u64) -> Result<(), Refused> {
        let added = sys::add(&self.poll, fd.as_fd(), name, sys::READ);
        added.map_err(|errno| Refused::new("epoll_ctl", errno))
    }
}
