//! Many connections on one ring: turns, the clock, what is received again, and what goes wrong.

use super::connect::Opened;
use super::control::Control;
use super::transport::Transport;
use crate::error::{Error, Result};
use crate::ring::{Event, Op, Ring};
use crate::stream::{Mismatch, Streams};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing coming back for so long ends the run with an error.
pub(crate) const STALL: Duration = Duration::from_secs(5);
/// How often the clock is looked at when nothing happens, and progress is reported.
const TICK: Duration = Duration::from_millis(100);
/// Memory for receiving: within the second-level cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Nothing, or what was wrong with the bytes.
pub(crate) type Received = std::result::Result<(), Mismatch>;

/// What the connections make of what happens to them. `now_ns` is since the start of the wire.
pub(crate) trait Handler {
    /// Bytes came in.
    fn received(&mut self, slot: u32, bytes: &[u8], now_ns: u64) -> Received;
    /// Bytes went out. Returns what is left of the part, if that was not all.
    fn sent(&mut self, slot: u32, bytes: usize, now_ns: u64) -> Option<Range<usize>>;
    /// Messages of this connection that had come back.
    fn done(&self, slot: u32) -> u64;
    /// Called a few times per second.
    fn looked_at(&mut self) {}
    /// All that was done so far, and how many connections wait for something.
    fn summary(&self) -> (u64, usize);
}

/// How long a turn waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Until something happens.
    Event,
    /// The same, but no longer than this.
    AtMost(Duration),
    /// Not at all.
    Poll,
}

pub(crate) struct Wire {
    ring: Ring,
    transport: Transport,
    events: Vec<Event>,
    /// Connections whose receive ended for want of buffers, or otherwise without fault.
    disarmed: Vec<u32>,
    control: Control,
    start: Instant,
    now: Instant,
    heard: Instant,
    looked: Instant,
}

impl Wire {
    /// Over open connections, `in_flight` bytes at most being expected on each at a time. Leaves
    /// the sockets with `opened`, to be open as long as the ring works on them.
    pub(crate) fn new(
        streams: &Streams,
        opened: &mut Opened,
        in_flight: usize,
        control: &Control,
    ) -> Result<Self> {
        let sessions = std::mem::take(&mut opened.sessions);
        let transport = Transport::new(sessions, &streams.outgoing);
        Self::over(transport, streams, &opened.sockets, in_flight, control)
    }

    /// The same over sockets, whatever stands between.
    pub(crate) fn over(
        transport: Transport,
        streams: &Streams,
        sockets: &[TcpStream],
        in_flight: usize,
        control: &Control,
    ) -> Result<Self> {
        let ring = ring(streams, sockets, in_flight).map_err(Error::io("setting up io_uring"))?;
        let now = Instant::now();
        Ok(Self {
            ring,
            transport,
            events: Vec::with_capacity(4096),
            disarmed: (0..sockets.len() as u32).collect(),
            control: control.clone(),
            start: now,
            now,
            heard: now,
            looked: now,
        })
    }

    /// When the last turn ended.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The same in nanoseconds since the start.
    pub(crate) fn now_ns(&self) -> u64 {
        (self.now - self.start).as_nanos() as u64
    }

    /// Looks at the clock without a turn.
    pub(crate) fn look_at_the_clock(&mut self) -> u64 {
        self.now = Instant::now();
        self.now_ns()
    }

    /// Queues a part of the arena; the next turn hands it to the kernel.
    pub(crate) fn send(&mut self, slot: u32, part: Range<usize>) -> Result<()> {
        self.transport.send(&mut self.ring, slot, part)
    }

    /// One system call: hands over what is queued, waits, and passes on what has happened.
    pub(crate) fn turn(&mut self, wait: Wait, handler: &mut impl Handler) -> Result<()> {
        for slot in self.disarmed.drain(..) {
            self.ring.receive(slot);
        }
        let done = match wait {
            Wait::Poll => self.ring.poll(&mut self.events),
            Wait::Event => self.ring.wait(Some(TICK), &mut self.events),
            Wait::AtMost(time) => self.ring.wait(Some(time.min(TICK)), &mut self.events),
        };
        done.map_err(Error::io("io_uring_enter"))?;
        self.now = Instant::now();
        if !self.events.is_empty() {
            self.heard = self.now;
        }
        if self.now - self.looked > TICK {
            self.look(handler)?;
        }
        let now_ns = self.now_ns();
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.pass_on(event, now_ns, handler)?;
        }
        self.events = events;
        Ok(())
    }

    fn look(&mut self, handler: &mut impl Handler) -> Result<()> {
        self.looked = self.now;
        handler.looked_at();
        let (done, waiting) = handler.summary();
        self.control.look(self.now - self.start, done)?;
        if waiting > 0 && self.now - self.heard > STALL {
            return Err(Error::Stalled(format!(
                "nothing came back for {STALL:?}: {waiting} connections wait, {done} messages done"
            )));
        }
        if waiting == 0 {
            self.heard = self.now;
        }
        Ok(())
    }

    #[inline]
    fn pass_on(&mut self, event: Event, now_ns: u64, handler: &mut impl Handler) -> Result<()> {
        let slot = event.slot;
        let connection = slot as usize;
        match (event.op, event.result, event.buffer) {
            (Op::Receive, 1.., Some(buffer)) => {
                let bytes = self.transport.open(slot, self.ring.bytes(&buffer))?;
                handler
                    .received(slot, bytes, now_ns)
                    .map_err(|mismatch| Error::Echo { connection, mismatch })?;
                self.ring.give_back(buffer);
            }
            (Op::Receive, 0, _) => {
                let mismatch = Mismatch::Ended { message: handler.done(slot) };
                return Err(Error::Echo { connection, mismatch });
            }
            (Op::Send, bytes @ 0.., _) => {
                let bytes = self.transport.sent(&mut self.ring, slot, bytes as usize, event.owned);
                let rest = bytes.and_then(|bytes| handler.sent(slot, bytes, now_ns));
                if let Some(rest) = rest {
                    self.transport.send(&mut self.ring, slot, rest)?;
                }
            }
            (Op::Receive, errno, _) if errno == -libc::ENOBUFS => {}
            (op, errno, _) => {
                let error = std::io::Error::from_raw_os_error(-errno);
                return Err(Error::io(format!("{op:?} on connection {slot}"))(error));
            }
        }
        if event.op == Op::Receive && !event.more {
            self.disarmed.push(slot);
        }
        Ok(())
    }
}

/// Buffers as large as a connection's echoes in flight, within limits, and few enough to stay in
/// the cache: the kernel fills them in turn.
fn ring(streams: &Streams, sockets: &[TcpStream], in_flight: usize) -> std::io::Result<Ring> {
    let size = in_flight.next_power_of_two().clamp(2048, 128 * 1024);
    let count = (BUFFER_BYTES / size).clamp(16, 512);
    let mut ring = Ring::new(sockets.len() as u32 * 2, Arc::clone(&streams.outgoing))?;
    ring.provide(count as u16, size as u32)?;
    ring.register(sockets)?;
    Ok(ring)
}
