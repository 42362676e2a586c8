//! The ceilings: a bare byte echo on io_uring, as little work per byte as the kernel allows, and
//! the same loop touching every WebSocket frame (`frames`).
//!
//! Multishot accept into direct descriptors, multishot receive from one ring of provided buffers,
//! and what came is sent from the buffer it came in. One send is in flight per socket, so the
//! order holds; buffers that arrive meanwhile leave together as the next send. No checks, no
//! limits, no protocol: what a server costs beyond this is its own.

pub mod epoll;
mod frames;
mod reframe;
mod upgrade;

use crate::error::{Error, Result};
use crate::ring::{Buffer, Event, GATHER_MAX, Op, Ring};
use frames::Conversation;
use rustix::net::sockopt::set_tcp_nodelay;
use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How the echo is built.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Provided buffers: a power of two.
    pub buffers: u16,
    /// Bytes of each.
    pub buffer_size: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// Whether it speaks as much WebSocket as an echo of frames needs, instead of returning the
    /// bytes as they came. Without checks and without limits: no server, a bound to compare with.
    pub frames: bool,
}

/// Something to send.
#[derive(Debug)]
enum Part {
    /// What came, in the buffer it came in.
    Received(Buffer),
    /// Other bytes: the answer to an upgrade, or to a frame that was split.
    Owned(Vec<u8>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Received(buffer) => buffer.len as usize,
            Self::Owned(bytes) => bytes.len(),
        }
    }
}

/// One accepted socket.
#[derive(Debug, Default)]
struct Socket {
    /// Not yet sent, oldest first; the first `in_flight` of them are being sent, unless the one in
    /// flight is owned: then the ring has it.
    queue: VecDeque<Part>,
    in_flight: usize,
    /// Bytes of the oldest part that were sent.
    sent: usize,
    /// Unused unless it is frames that are echoed.
    conversation: Conversation,
    /// Whether the multishot receive is armed.
    armed: bool,
    /// Whether the peer has ended, or the socket failed.
    ended: bool,
    /// Whether the socket is in the list of those with something to send.
    listed: bool,
}

/// How often `stop` is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Echoes until `stop` is set; for ever without it.
pub fn serve(listener: &TcpListener, options: Options, stop: Option<&AtomicBool>) -> Result<()> {
    // The library's 128 overflow when thousands connect at once: a lost SYN costs a second.
    rustix::net::listen(listener, BACKLOG).map_err(Error::io("listen"))?;
    // Accepted sockets inherit it.
    set_tcp_nodelay(listener, true).map_err(Error::io("TCP_NODELAY"))?;
    let mut echo = Echo::new(options).map_err(Error::io("setting up io_uring"))?;
    echo.ring.accept(listener);
    while !stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
        echo.turn(listener, stop.map(|_| TICK)).map_err(Error::io("io_uring"))?;
    }
    Ok(())
}

struct Echo {
    ring: Ring,
    sockets: Vec<Socket>,
    events: Vec<Event>,
    /// Sockets with something to send and no send in flight, each once.
    ready: Vec<u32>,
    /// Sockets whose receive found no buffer.
    starved: Vec<u32>,
    /// Whether accept ended, to be armed again when a slot is free.
    deaf: bool,
    /// Whether it is frames that are echoed.
    frames: bool,
}

impl Echo {
    fn new(options: Options) -> std::io::Result<Self> {
        let mut ring = Ring::new(options.connections.saturating_mul(2), Arc::from([]))?;
        ring.reserve(options.connections)?;
        ring.provide(options.buffers, options.buffer_size)?;
        let mut sockets = Vec::new();
        sockets.resize_with(options.connections as usize, Socket::default);
        Ok(Self {
            ring,
            sockets,
            events: Vec::with_capacity(4096),
            ready: Vec::new(),
            starved: Vec::new(),
            deaf: false,
            frames: options.frames,
        })
    }

    fn turn(&mut self, listener: &TcpListener, timeout: Option<Duration>) -> std::io::Result<()> {
        self.ring.wait(timeout, &mut self.events)?;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.handle(event)?;
        }
        self.events = events;
        // Sends go first: they hold the buffers that the starved wait for.
        for slot in std::mem::take(&mut self.ready) {
            self.send(slot);
        }
        for slot in std::mem::take(&mut self.starved) {
            self.receive(slot);
        }
        if std::mem::take(&mut self.deaf) {
            self.ring.accept(listener);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> std::io::Result<()> {
        match event.op {
            Op::Accept => self.accepted(&event)?,
            Op::Receive => self.received(event),
            Op::Send => self.sent(event),
            // The others are not asked for here.
            Op::Close | Op::Connect | Op::Shutdown => {}
        }
        Ok(())
    }

    fn accepted(&mut self, event: &Event) -> std::io::Result<()> {
        // The table of descriptors is full, or the peer has gone already: accept goes on.
        const GOES_ON: [i32; 3] = [-libc::ENFILE, -libc::EMFILE, -libc::ECONNABORTED];
        match event.result {
            slot @ 0.. => self.receive(slot as u32),
            errno if GOES_ON.contains(&errno) => {}
            errno => return Err(std::io::Error::from_raw_os_error(-errno)),
        }
        self.deaf |= !event.more;
        Ok(())
    }

    fn received(&mut self, event: Event) {
        let Some(socket) = self.sockets.get_mut(event.slot as usize) else { return };
        socket.armed = event.more;
        match (event.result, event.buffer) {
            (1.., Some(buffer)) => {
                if self.frames {
                    socket.conversation.take(&mut self.ring, buffer, &mut socket.queue);
                } else {
                    socket.queue.push_back(Part::Received(buffer));
                }
                self.want_to_send(event.slot);
                if !event.more {
                    self.receive(event.slot);
                }
            }
            (result, buffer) => {
                // The end of the stream may hand back an empty buffer.
                if let Some(buffer) = buffer {
                    self.ring.give_back(buffer);
                }
                if result == -libc::ENOBUFS {
                    self.starved.push(event.slot);
                } else {
                    socket.ended = true;
                    self.close_if_done(event.slot);
                }
            }
        }
    }

    fn sent(&mut self, event: Event) {
        let Some(socket) = self.sockets.get_mut(event.slot as usize) else { return };
        // An error ends the socket: what is queued has nowhere to go.
        let failed = event.result < 0;
        socket.ended |= failed;
        let mut bytes = usize::try_from(event.result).unwrap_or(0);
        socket.in_flight = 0;
        if let Some(owned) = event.owned {
            socket.queue.push_front(Part::Owned(owned));
        }
        while let Some(first) = socket.queue.front() {
            let left = first.len() - socket.sent;
            if bytes < left && !failed {
                socket.sent += bytes;
                break;
            }
            bytes = bytes.saturating_sub(left);
            socket.sent = 0;
            match socket.queue.pop_front() {
                Some(Part::Received(buffer)) => self.ring.give_back(buffer),
                Some(Part::Owned(memory)) => socket.conversation.recycle(memory),
                None => {}
            }
        }
        self.want_to_send(event.slot);
        self.close_if_done(event.slot);
    }

    fn want_to_send(&mut self, slot: u32) {
        let Some(socket) = self.sockets.get_mut(slot as usize) else { return };
        if socket.in_flight == 0 && !socket.queue.is_empty() && !socket.listed {
            socket.listed = true;
            self.ready.push(slot);
        }
    }

    fn send(&mut self, slot: u32) {
        let Some(socket) = self.sockets.get_mut(slot as usize) else { return };
        socket.listed = false;
        if let Some(Part::Owned(bytes)) =
            socket.queue.pop_front_if(|first| matches!(first, Part::Owned(_)))
        {
            socket.in_flight = 1;
            return self.ring.send_owned(slot, socket.sent, bytes);
        }
        let gathered = socket.queue.iter().take(GATHER_MAX);
        let received = gathered.take_while(|part| matches!(part, Part::Received(_)));
        socket.in_flight = received.count();
        if socket.in_flight > 0 {
            let parts = socket.queue.iter().take(socket.in_flight);
            let buffers = parts.filter_map(|part| match part {
                Part::Received(buffer) => Some(buffer),
                Part::Owned(_) => None,
            });
            self.ring.send_buffers(slot, socket.sent, socket.in_flight, buffers);
        }
    }

    fn receive(&mut self, slot: u32) {
        let Some(socket) = self.sockets.get_mut(slot as usize) else { return };
        if !socket.armed && !socket.ended {
            socket.armed = true;
            self.ring.receive(slot);
        }
        self.close_if_done(slot);
    }

    /// The slot may be given to another connection only when nothing of this one is in flight.
    fn close_if_done(&mut self, slot: u32) {
        let Some(socket) = self.sockets.get_mut(slot as usize) else { return };
        if socket.ended && !socket.armed && socket.in_flight == 0 && socket.queue.is_empty() {
            *socket = Socket { listed: socket.listed, ..Socket::default() };
            self.ring.close(slot);
        }
    }
}
