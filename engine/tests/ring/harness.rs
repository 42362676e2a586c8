//! An echo server of a hundred lines on a `Kernel`, which checks the contract of it as it goes: one
//! final completion per operation, and none that belongs to nobody.

pub(crate) use crate::kinds::{kernel, kinds};
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::ring::{
    Accepted, Completion, Credentials, Destination, Errno, Kernel, KernelConfig, Lease, Socket,
    Token, Tuning, Waker,
};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What memory of our own holds before anything is received behind it.
const HELD: &[u8] = b"held";

/// Longer than any test takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A listener on a port that the system picks.
pub(crate) fn listener() -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // A test may connect many before it turns; the standard library's backlog is 128.
    rustix::net::listen(&listener, 4_096).expect("still listening");
    (listener.into(), address)
}

/// Wakers for `count` rings.
pub(crate) fn wakers(count: usize) -> Arc<[Waker]> {
    (0..count).map(|_| Waker::new().expect("an eventfd")).collect()
}

/// A modest ring: 64 buffers of 4 KiB, 2,000 sockets.
pub(crate) fn config(listeners: Vec<OwnedFd>) -> KernelConfig {
    KernelConfig {
        index: 0,
        sockets_max: 2_000,
        recv_buffers: 64,
        recv_buffer_size: 4_096,
        sqpoll: false,
        busy_poll: Duration::ZERO,
        coalesce: Duration::ZERO,
        leaves: false,
        listeners,
        wakers: wakers(1),
        start: Instant::now(),
    }
}

/// How to receive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// Into buffers until cancelled.
    Multishot,
    /// Into a buffer once, at most so many bytes.
    Once(u32),
    /// Into a large buffer once.
    Large,
    /// Into memory of our own, at most so many bytes.
    Into(usize),
}

/// A connection of the echo server.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    generation: u32,
    pub(crate) socket: Option<Socket>,
    pub(crate) receiving: bool,
    pub(crate) sending: bool,
    pub(crate) cancelling: bool,
    /// Not sent yet.
    pub(crate) out: Vec<u8>,
    pub(crate) ended: bool,
    closing: bool,
    pub(crate) received: u64,
}

/// The server.
pub(crate) struct Echo {
    pub(crate) kernel: Box<dyn Kernel>,
    pub(crate) slots: Vec<Slot>,
    vacant: Vec<u32>,
    /// Send each batch in pieces of this many bytes, if not zero.
    pub(crate) pieces: usize,
    /// Receive again after a cancel instead of closing.
    pub(crate) rearm: bool,
    /// Shut down right before closing, in the same turn.
    pub(crate) shut: bool,
    /// Accepts as long as there is room.
    pub(crate) accepting: bool,
    /// How many at a time.
    pub(crate) accepts: usize,
    /// Accepts that have not ended.
    pub(crate) out: usize,
    pub(crate) peers: Vec<Option<SocketAddr>>,
    pub(crate) credentials: Vec<Option<Credentials>>,
    pub(crate) accepted: usize,
    pub(crate) closed: usize,
    pub(crate) woken: usize,
    /// What was answered to `progress`.
    pub(crate) progress: Vec<Option<u64>>,
    pub(crate) accept_errors: Vec<Errno>,
    pub(crate) errors: Vec<Errno>,
    /// Do not echo: only count.
    pub(crate) mute: bool,
    /// How to receive, by turns.
    pub(crate) ways: Vec<Way>,
    armed: usize,
    completions: Vec<Completion>,
}

impl Echo {
    pub(crate) fn new(config: KernelConfig, tuning: &Tuning) -> Self {
        let kernel = kernel(config, tuning);
        let mut echo = Self {
            kernel,
            slots: Vec::new(),
            vacant: Vec::new(),
            pieces: 0,
            rearm: false,
            shut: false,
            accepting: true,
            accepts: 8,
            out: 0,
            peers: Vec::new(),
            credentials: Vec::new(),
            accepted: 0,
            closed: 0,
            woken: 0,
            progress: Vec::new(),
            accept_errors: Vec::new(),
            errors: Vec::new(),
            mute: false,
            ways: vec![Way::Multishot],
            armed: 0,
            completions: Vec::new(),
        };
        echo.accept();
        echo
    }

    pub(crate) fn token(&self, slot: usize) -> Token {
        Token { slot: slot as u32, generation: self.slots[slot].generation }
    }

    /// Connects `count` clients.
    pub(crate) fn connect(&mut self, address: SocketAddr, count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(address).expect("connected")).collect()
    }

    /// Turns until `done`, or fails.
    pub(crate) fn run(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            if Instant::now() > deadline {
                let (stats, table) = (self.kernel.counts(), &self.slots);
                panic!(
                    "took too long: {} accepted, {} closed, {} accepts out, wanted: {}, \
                     {stats:?}, {table:?}",
                    self.accepted, self.closed, self.out, self.accepting
                );
            }
            self.turn(Some(Duration::from_millis(20)));
        }
    }

    /// One wait, and all that came of it.
    pub(crate) fn turn(&mut self, timeout: Option<Duration>) {
        let mut completions = std::mem::take(&mut self.completions);
        self.kernel.wait(timeout, &mut completions).expect("the ring works");
        for completion in completions.drain(..) {
            self.handle(completion);
        }
        self.completions = completions;
    }

    fn handle(&mut self, completion: Completion) {
        match completion {
            Completion::Accepted { listener, result } => {
                assert_eq!(listener, 0);
                self.out = self.out.checked_sub(1).expect("an accept that has ended");
                match result {
                    Ok(accepted) => self.open(accepted),
                    Err(errno) => {
                        self.accepting = false;
                        self.accept_errors.push(errno);
                    }
                }
                self.accept();
            }
            Completion::Received { token, result, more } => self.received(token, result, more),
            Completion::ReceivedInto { token, memory: Destination::Vector(memory), result } => {
                self.received_into(token, memory, result)
            }
            Completion::Sent { token, batch, result } => self.sent(token, batch, result),
            Completion::Closed { token } => {
                let slot = self.slot(token);
                assert!(slot.closing, "closed unasked");
                slot.closing = false;
                slot.socket = None;
                self.vacant.push(token.slot);
                self.closed += 1;
                self.accept();
            }
            Completion::Progressed { ago, .. } => self.progress.push(ago),
            Completion::Woken => self.woken += 1,
            other => panic!("not asked for: {other:?}"),
        }
    }

    /// A few accepts, no more than there is room for.
    pub(crate) fn accept(&mut self) {
        while self.accepting && self.out < self.accepts && self.kernel.room() > 0 {
            self.out += 1;
            self.kernel.accept(0);
        }
    }

    fn slot(&mut self, token: Token) -> &mut Slot {
        let slot = &mut self.slots[token.slot as usize];
        assert_eq!(slot.generation, token.generation, "a completion of a former tenant");
        assert!(slot.socket.is_some(), "a completion of nobody");
        slot
    }

    fn open(&mut self, Accepted { socket, peer, credentials }: Accepted) {
        self.accepted += 1;
        self.peers.push(peer);
        self.credentials.push(credentials);
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let generation = slot.generation + 1;
        *slot = Slot { generation, socket: Some(socket), receiving: true, ..Slot::default() };
        self.arm(Token { slot: index, generation });
    }

    /// Receives, in the way whose turn it is.
    fn arm(&mut self, token: Token) {
        let socket = self.slots[token.slot as usize].socket.expect("open");
        self.armed += 1;
        match self.ways[self.armed % self.ways.len()] {
            Way::Multishot => self.kernel.receive(socket, token),
            Way::Once(most) => self.kernel.receive_once(socket, token, most),
            Way::Large => self.kernel.receive_large(socket, token),
            Way::Into(most) => {
                let mut memory = Vec::with_capacity(HELD.len() + most);
                memory.extend_from_slice(HELD);
                self.kernel.receive_into(socket, token, Destination::Vector(memory), most);
            }
        }
    }

    fn received_into(&mut self, token: Token, memory: Vec<u8>, result: Result<usize, Errno>) {
        let fresh = memory.strip_prefix(HELD).expect("what it held is still there");
        assert_eq!(fresh.len(), result.unwrap_or(0));
        let (mute, rearm) = (self.mute, self.rearm);
        let slot = self.slot(token);
        assert!(slot.receiving, "a second final completion");
        slot.receiving = false;
        slot.received += fresh.len() as u64;
        if !mute {
            slot.out.extend_from_slice(fresh);
        }
        let again = match result {
            Ok(1..) => rearm || !slot.cancelling,
            Err(Errno::CANCELED) => rearm && slot.cancelling,
            _ => false,
        };
        if again {
            slot.cancelling = false;
            slot.receiving = true;
            self.arm(token);
        } else if let Err(errno) = result {
            slot.ended = true;
            self.errors.push(errno);
        } else {
            slot.ended |= fresh.is_empty();
        }
        self.advance(token);
    }

    fn received(&mut self, token: Token, result: Result<Option<Lease>, Errno>, more: bool) {
        let (mute, rearm) = (self.mute, self.rearm);
        let slot = self.slot(token);
        assert!(slot.receiving, "a second final completion");
        slot.receiving = more;
        let again = match result {
            Ok(Some(mut lease)) => {
                assert!(!lease.is_empty());
                let bytes = self.kernel.bytes(&mut lease);
                let slot = &mut self.slots[token.slot as usize];
                slot.received += bytes.len() as u64;
                if !mute {
                    slot.out.extend_from_slice(bytes);
                }
                self.kernel.release(lease);
                !more && (rearm || !slot.cancelling)
            }
            Ok(None) => {
                assert!(!more, "nothing comes after the end");
                slot.ended = true;
                false
            }
            Err(Errno::CANCELED) if rearm && slot.cancelling => true,
            Err(errno) => {
                assert!(!more, "nothing comes after an error");
                slot.ended = true;
                self.errors.push(errno);
                false
            }
        };
        if again {
            let slot = &mut self.slots[token.slot as usize];
            (slot.receiving, slot.cancelling) = (true, false);
            self.arm(token);
        }
        self.advance(token);
    }

    fn sent(&mut self, token: Token, mut batch: Batch, result: Result<usize, Errno>) {
        let slot = self.slot(token);
        assert!(slot.sending, "a second completion of a send");
        slot.sending = false;
        match result {
            Ok(bytes) => {
                batch.advance(bytes);
                if !batch.is_empty() {
                    slot.sending = true;
                    let socket = slot.socket.expect("open");
                    return self.kernel.send(socket, token, batch);
                }
            }
            Err(errno) => {
                slot.ended = true;
                slot.out.clear();
                self.errors.push(errno);
            }
        }
        self.advance(token);
    }

    /// Sends what is queued; closes when all is done.
    pub(crate) fn advance(&mut self, token: Token) {
        let pieces = self.pieces;
        let slot = self.slot(token);
        let socket = slot.socket.expect("open");
        if !slot.sending && !slot.out.is_empty() {
            slot.sending = true;
            let out = std::mem::take(&mut slot.out);
            self.kernel.send(socket, token, batch(out, pieces));
        } else if slot.ended && !slot.sending && !slot.closing {
            if slot.receiving {
                // A send has failed: the receive has to be joined.
                if !slot.cancelling {
                    slot.cancelling = true;
                    self.kernel.cancel_receive(token);
                }
                return;
            }
            slot.closing = true;
            if self.shut {
                self.kernel.shutdown(socket);
            }
            self.kernel.close(socket, token);
        }
    }
}

/// A batch in one piece, or in copied and shared ones.
pub(crate) fn batch(bytes: Vec<u8>, pieces: usize) -> Batch {
    if pieces == 0 {
        return Batch::new(bytes);
    }
    let mut batch = Batch::new(Vec::new());
    let (whole, mut pool) = (bytes::Bytes::from(bytes), Pool::default());
    for (index, at) in (0..whole.len()).step_by(pieces).enumerate() {
        let piece = whole.slice(at..(at + pieces).min(whole.len()));
        if index % 2 == 0 { batch.share(piece, &mut pool) } else { batch.copy(&piece) }
    }
    batch
}

/// Bytes that look random and can be told from any shift of themselves.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}
