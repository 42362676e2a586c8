//! Tens of thousands of clients in one process: one loop over epoll.

use super::counts::{Counts, count_in};
use super::peer::{Came, Peer, Stage};
use crate::error::{Error, Result};
use crate::handshake;
use crate::load::connect::source;
use crate::random::Random;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Connections from one address of the loopback interface: fewer than it has ephemeral ports, of
/// which those of before may still be in TIME-WAIT.
const PER_ADDRESS: usize = 8_192;
/// Events of one look.
const EVENTS: usize = 1_024;
/// How long one look may last: then commands are read.
const TICK_NS: u64 = 5_000_000;
/// How often attempts that take too long are looked for.
const SWEEP_NS: u64 = 250_000_000;
/// The first wait of one who was not heard, and the longest.
const RETRY_MIN_MS: u64 = 50;
const RETRY_MAX_MS: u64 = 2_000;

/// How a crowd opens.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Opening {
    /// Connections.
    pub(super) count: usize,
    /// Attempts at a time.
    pub(super) at_once: usize,
    /// Whether who is lost, refused or not heard comes back.
    pub(super) comes_back: bool,
    /// How long an attempt may take.
    pub(super) patience_ms: u64,
}

/// When one comes back, if that does not depend on how often it has come in vain.
#[derive(Clone, Copy, Debug)]
enum Back {
    AtOnce,
    /// It was told to, in so many seconds.
    In(u32),
}

/// The clock that all processes share.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The clients of a process.
pub(super) struct Crowd {
    server: SocketAddr,
    /// The number of the first one's address.
    group: usize,
    request: Vec<u8>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    room: Vec<u8>,
    peers: Vec<Option<Peer>>,
    /// How often each has come in vain.
    tries: Vec<u8>,
    /// Who connects when.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    under_way: usize,
    opening: Opening,
    closing: bool,
    begun_ns: u64,
    marked_ns: u64,
    swept_ns: u64,
    random: Random,
    counts: Counts,
}

impl Crowd {
    pub(super) fn new(server: SocketAddr, group: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::io("epoll"))?;
        let opening = Opening { count: 0, at_once: 0, comes_back: false, patience_ms: 0 };
        Ok(Self {
            server,
            group,
            request: handshake::request(server, "/"),
            epoll,
            events: Vec::with_capacity(EVENTS),
            room: vec![0; 64 << 10],
            peers: Vec::new(),
            tries: Vec::new(),
            due: BinaryHeap::new(),
            under_way: 0,
            opening,
            closing: false,
            begun_ns: now_ns(),
            marked_ns: now_ns(),
            swept_ns: 0,
            random: Random(group as u64 + 1),
            counts: Counts::default(),
        })
    }

    /// Begins to open.
    pub(super) fn open(&mut self, opening: Opening) {
        let now = now_ns();
        (self.opening, self.closing, self.begun_ns, self.marked_ns) = (opening, false, now, now);
        self.counts = Counts::default();
        self.peers.resize_with(opening.count, || None);
        self.tries = vec![0; opening.count];
        self.due = (0..opening.count as u32).map(|index| Reverse((now, index))).collect();
    }

    /// From now on counts of messages and Pings start again, and so do those of attempts.
    pub(super) fn mark(&mut self) {
        let kept = Counts { open: self.counts.open, ..Counts::default() };
        self.counts = kept;
        (self.marked_ns, self.begun_ns) = (now_ns(), now_ns());
    }

    /// From now on so many attempts at a time.
    pub(super) fn at_once(&mut self, most: usize) {
        self.opening.at_once = most;
    }

    /// All say that they go.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.due.clear();
        for index in 0..self.peers.len() {
            let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
            let open = peer.stage == Stage::Open;
            if !open || peer.close().is_err() {
                self.gone(index);
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let pending = self.due.len() + self.under_way;
        Counts { pending: pending as u64, ..self.counts.clone() }
    }

    /// A look at what there is.
    pub(super) fn turn(&mut self) -> Result<()> {
        let now = now_ns();
        self.begin_due(now);
        if now - self.swept_ns > SWEEP_NS {
            self.swept_ns = now;
            self.sweep(now);
        }
        let until = self.due.peek().map_or(now + TICK_NS, |Reverse((at, _))| *at);
        let full = self.under_way >= self.opening.at_once;
        let until = if full { now + TICK_NS } else { until.min(now + TICK_NS) };
        let wait = Duration::from_nanos(until.saturating_sub(now));
        let wait = Timespec::try_from(wait).unwrap_or_default();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::io("epoll_wait")(errno)),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            self.happened(event.data.u64() as usize)?;
        }
        self.events = events;
        Ok(())
    }

    fn begin_due(&mut self, now: u64) {
        while self.under_way < self.opening.at_once
            && let Some(Reverse((at, index))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            self.begin(index as usize, now);
        }
    }

    fn begin(&mut self, index: usize, now: u64) {
        let from = source(self.server, self.group + index / PER_ADDRESS);
        let begun = Peer::begin(self.server, from, now).and_then(|peer| {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&self.epoll, &peer.socket, data, epoll::EventFlags::OUT)?;
            Ok(peer)
        });
        match begun {
            Ok(peer) => {
                self.under_way += 1;
                if let Some(place) = self.peers.get_mut(index) {
                    *place = Some(peer);
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                self.counts.unheard += 1;
                self.again(index, None);
            }
            Err(_) => {
                self.counts.broken += 1;
                self.again(index, None);
            }
        }
    }

    fn happened(&mut self, index: usize) -> Result<()> {
        let Some(Some(peer)) = self.peers.get_mut(index) else { return Ok(()) };
        if peer.stage == Stage::Connecting {
            match peer.connected(&self.request) {
                Ok(()) => {
                    let data = epoll::EventData::new_u64(index as u64);
                    epoll::modify(&self.epoll, &peer.socket, data, epoll::EventFlags::IN)
                        .map_err(Error::io("EPOLL_CTL_MOD"))?;
                }
                Err(errno) => {
                    let unheard = errno == rustix::io::Errno::CONNREFUSED;
                    let count =
                        if unheard { &mut self.counts.unheard } else { &mut self.counts.broken };
                    *count += 1;
                    self.gone(index);
                    self.again(index, None);
                }
            }
            return Ok(());
        }
        let stage = peer.stage;
        let came = peer.readable(&mut self.room);
        self.came(index, stage, came);
        Ok(())
    }

    fn came(&mut self, index: usize, stage: Stage, came: Came) {
        let now = now_ns();
        match came {
            Came::Opened => {
                self.under_way -= 1;
                self.counts.open += 1;
                self.counts.opened += 1;
                self.counts.opened_last_ns = now;
                count_in(&mut self.counts.opened_by_tenth, now - self.begun_ns, 1);
                if let Some(tries) = self.tries.get_mut(index) {
                    *tries = 0;
                }
            }
            Came::Frames { messages, pings } => self.heard(now, messages, pings),
            Came::Refused { retry_after, .. } => {
                self.counts.refused += 1;
                self.counts.refused_with_time += u64::from(retry_after.is_some());
                self.gone(index);
                self.again(index, retry_after.map(Back::In));
            }
            Came::Ended | Came::Wrong => {
                let count = match (came, stage) {
                    (Came::Wrong, _) => &mut self.counts.wrong,
                    (_, Stage::Open) => &mut self.counts.lost,
                    (_, Stage::Closing) => &mut self.counts.closed,
                    _ => &mut self.counts.broken,
                };
                *count += 1;
                self.gone(index);
                // Who was in is back at once.
                self.again(index, (stage == Stage::Open).then_some(Back::AtOnce));
            }
        }
    }

    fn heard(&mut self, now: u64, messages: u32, pings: u32) {
        if messages > 0 {
            let counts = &mut self.counts;
            counts.messages += u64::from(messages);
            counts.message_last_ns = now;
            if counts.message_first_ns == 0 {
                counts.message_first_ns = now;
            }
        }
        if pings > 0 {
            self.counts.pings += u64::from(pings);
            count_in(&mut self.counts.pings_by_tenth, now - self.marked_ns, pings);
        }
    }

    /// Its socket is closed.
    fn gone(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index).and_then(Option::take) else { return };
        match peer.stage {
            Stage::Connecting | Stage::Upgrading => self.under_way -= 1,
            Stage::Open => self.counts.open -= 1,
            Stage::Closing => {
                self.counts.open -= 1;
                self.counts.closed_last_ns = now_ns();
            }
        }
    }

    /// It comes back if the crowd does: when it was told to, and else by and by, in both cases at a
    /// random moment, so that who was refused together does not come together.
    fn again(&mut self, index: usize, told: Option<Back>) {
        if self.closing || !self.opening.comes_back {
            return;
        }
        let tries = self.tries.get(index).copied().unwrap_or(0);
        let wait_ms = match told {
            Some(Back::AtOnce) => 0,
            Some(Back::In(seconds)) => u64::from(seconds) * 1_000 + self.random.below(1_000),
            None => {
                let most = (RETRY_MIN_MS << tries.min(10)).min(RETRY_MAX_MS);
                most / 2 + self.random.below(most)
            }
        };
        if let Some(tries) = self.tries.get_mut(index) {
            *tries = tries.saturating_add(1);
        }
        self.due.push(Reverse((now_ns() + wait_ms * 1_000_000, index as u32)));
    }

    /// Gives up attempts that take too long.
    fn sweep(&mut self, now: u64) {
        let patience = self.opening.patience_ms * 1_000_000;
        for index in 0..self.peers.len() {
            let Some(Some(peer)) = self.peers.get(index) else { continue };
            let under_way = matches!(peer.stage, Stage::Connecting | Stage::Upgrading);
            if under_way && now.saturating_sub(peer.since_ns) > patience {
                self.counts.stuck += 1;
                self.gone(index);
                self.again(index, None);
            }
        }
    }
}
