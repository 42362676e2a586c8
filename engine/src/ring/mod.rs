//! Floor 1: the kernel. No WebSocket here: sockets, buffers and completions.
//!
//! [`Kernel`] is what a reactor asks of it. `Uring` is the real one; `Sim` (feature `sim`) is a
//! seeded fake one that gives short reads, `ENOBUFS`, cancels, resets and late completions.

mod accept;
mod accepts;
mod address;
mod arrivals;
mod attempts;
pub mod backend;
mod bell;
mod block;
mod buf_ring;
mod cache;
mod chosen;
mod closing;
mod config;
mod connect;
pub mod diagnosis;
mod direct;
mod dispatch;
mod drain;
mod epoll;
pub mod features;
pub(crate) mod heap;
mod holders;
pub mod lease;
mod leave;
mod long_runs;
mod look;
mod map;
mod memory;
mod op;
mod outcome;
mod passing;
mod progress;
mod queue;
mod receives;
mod recv;
mod setup;
mod shutting;
pub(crate) mod signals;
#[cfg(feature = "sim")]
pub mod sim;
mod socket_options;
mod stats;
mod supply;
mod sys;
mod table;
#[cfg(test)]
mod tests;
pub mod token;
mod uring;
mod wake;
mod window;

use crate::memory::Batch;
use crate::tick::Tick;
pub use config::KernelConfig;
#[doc(hidden)]
pub use config::Tuning;
pub use diagnosis::Refused;
pub use direct::Destination;
pub use epoll::Epoll;
pub use lease::Lease;
pub use look::BadSocket;
pub(crate) use look::look;
pub use memory::Buffers;
pub(crate) use outcome::borrow_number;
pub use rustix::io::Errno;
pub use socket_options::SocketOptions;
pub use stats::KernelStats;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
pub use token::Token;
pub use uring::Uring;
pub use wake::Waker;

/// Connections that may wait to be accepted; the system's `somaxconn` caps it.
pub const BACKLOG: i32 = 4096;

/// A connected socket as the kernel floor names it: a direct descriptor or an ordinary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket(pub(crate) u32);

/// A connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// To be used until `close` completes.
    pub socket: Socket,
    /// The peer; `None` for a Unix socket, and only for that.
    pub peer: Option<SocketAddr>,
    /// Of a Unix socket, who has connected; `None` if the kernel does not tell.
    pub credentials: Option<Credentials>,
}

/// A process that has connected to a Unix socket, as it was then (unix(7), `SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its number; 0 if it is not in our namespace. Another process may have it by now.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// What happened. Every operation of a token ends with exactly one final completion.
#[derive(Debug)]
pub enum Completion {
    /// From `accept`: always final.
    Accepted {
        /// As given to `accept`.
        listener: usize,
        /// A connection, or why there is none (`EMFILE`, `ENFILE`, `ECANCELED`, ...).
        result: Result<Accepted, Errno>,
    },
    /// From `connect`: always final.
    Connected {
        /// As given to `connect`.
        attempt: Token,
        /// The connection, to be used until `close` completes, or why there is none. The socket is
        /// gone then.
        result: Result<Socket, Errno>,
    },
    /// From `adopt`: always final.
    Adopted {
        /// As given to `adopt`.
        name: u32,
        /// The connection, to be used until `close` completes, or why there is none. The descriptor
        /// is closed then.
        result: Result<Socket, Errno>,
    },
    /// From `take_out`: always final.
    TakenOut {
        /// As given to `take_out`.
        name: u32,
        /// The socket, which is nothing to this kernel any more; or why it stays what it was.
        result: Result<OwnedFd, Errno>,
    },
    /// From `receive`, `receive_once` and `receive_large`. `Ok(None)` is the end of the stream;
    /// with an empty final report of a cancelled operation the result is `Err(ECANCELED)`.
    Received {
        /// As given then.
        token: Token,
        /// Filled buffer, end of stream, or the error.
        result: Result<Option<Lease>, Errno>,
        /// Whether the operation is still armed.
        more: bool,
    },
    /// From `receive_into`: always final. The memory comes back.
    ReceivedInto {
        /// As given to `receive_into`.
        token: Token,
        /// With what was received behind what it held.
        memory: Destination,
        /// Bytes that were received; `Ok(0)` is the end of the stream.
        result: Result<usize, Errno>,
    },
    /// From `watch`: always final. `Ok` when the peer has ended its direction, an error when the
    /// connection is gone, or `ECANCELED`.
    HungUp {
        /// As given to `watch`.
        token: Token,
        /// How it ended.
        result: Result<(), Errno>,
    },
    /// From `send`: always final. The batch comes back.
    Sent {
        /// As given to `send`.
        token: Token,
        /// The batch, not advanced.
        batch: Batch,
        /// Bytes of it that were sent.
        result: Result<usize, Errno>,
    },
    /// From `progress`: always final.
    Progressed {
        /// As given to `progress`.
        token: Token,
        /// For how many milliseconds the peer's system has taken nothing more of what waits for it;
        /// `None` when nothing waits for it, or nobody knows.
        ago: Option<u64>,
    },
    /// From `close`: the socket is gone.
    Closed {
        /// As given to `close`.
        token: Token,
    },
    /// Another thread or reactor wants attention.
    Woken,
}

/// The kernel could not go on. The reactor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {errno}")]
pub struct KernelError {
    /// The system call that failed.
    pub call: &'static str,
    /// Why.
    pub errno: Errno,
}

/// What a reactor asks of the kernel. Calls queue work and cannot fail: what goes wrong comes back
/// as a completion. One thread.
pub trait Kernel {
    /// The time. Fixed between two calls of `wait`.
    fn now(&self) -> Tick;
    /// The same in microseconds.
    fn now_us(&self) -> u64 {
        self.now() * 1_000
    }
    /// The time as the clock has it, in microseconds: costs a look at the clock.
    fn clock_us(&self) -> u64 {
        self.now_us()
    }
    /// Sockets that it may still get: neither open, nor promised to an accept or a connect that is
    /// out.
    fn room(&self) -> usize;
    /// Accepts one connection on a listening socket (an index into those given at creation).
    /// Several may be out on one. Without room for what it brings a connection may be lost.
    fn accept(&mut self, listener: usize);
    /// Accepts one connection that waits already: `ECANCELED` if nobody does. From then on no other
    /// accept is asked for on that listener.
    fn accept_waiting(&mut self, listener: usize);
    /// Cancels the accepts that are out on a listener: `Accepted` still follows for each, and is a
    /// connection where one was told of it before: it is not told to anybody else.
    fn cancel_accept(&mut self, listener: usize);
    /// Stops listening for good. Only when accept is down.
    fn close_listener(&mut self, listener: usize);
    /// A listening socket that was not closed. `None` where there are no real ones.
    fn listener(&self, _listener: usize) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Connects to an address. `attempt` names the attempt, not a connection: no other one of that
    /// name may be out. `Connected` follows, which may take as long as the kernel tries.
    fn connect(&mut self, attempt: Token, to: SocketAddr, socket_options: SocketOptions);
    /// Stops trying; the final `Connected` follows, which may be a connection.
    fn cancel_connect(&mut self, attempt: Token);
    /// Takes in a connected socket that was made elsewhere, and sets the options of TCP, if there
    /// are any. `Adopted` follows with its name, a number of 24 bits that no other socket has that
    /// is coming in or leaving. Only with room for it.
    fn adopt(&mut self, name: u32, socket: OwnedFd, options: Option<SocketOptions>);
    /// Gives a socket out, on which nothing was asked for yet. `TakenOut` follows with its name, as
    /// for `adopt`; until then nothing is to be asked for.
    fn take_out(&mut self, socket: Socket, name: u32);
    /// Receives into provided buffers until the end of the stream, an error, or a cancel. One
    /// receive of any kind per socket at a time.
    fn receive(&mut self, socket: Socket, token: Token);
    /// Receives once, and at most `most` bytes, into a provided buffer: what comes behind them
    /// stays in the socket.
    fn receive_once(&mut self, socket: Socket, token: Token, most: u32);
    /// Receives once, into a large provided buffer: as much as there is and as it takes. Those who
    /// find none wait in line. See [`Buffers::large_capacity`].
    fn receive_large(&mut self, socket: Socket, token: Token);
    /// Receives once, and at most `most` bytes, into the room behind what `memory` holds, which
    /// must be there. `ReceivedInto` follows.
    fn receive_into(&mut self, socket: Socket, token: Token, memory: Destination, most: usize);
    /// Receives nothing, but waits until the peer has ended its direction or the connection is
    /// gone. Takes the place of a receive, and is cancelled as one. `HungUp` follows.
    fn watch(&mut self, socket: Socket, token: Token);
    /// Stops receiving, of whatever kind; a final `Received`, `ReceivedInto` or `HungUp` follows.
    /// What was received before comes before it, or with it: the final report of a cancelled
    /// operation may be a lease, bytes in memory, or the end of the stream.
    fn cancel_receive(&mut self, token: Token);
    /// Whether the receive of a token waits for a buffer: there may be bytes that it has not told.
    fn is_starved(&self, token: Token) -> bool;
    /// Sends the batch. It completes with something of it: a ring's with all unless the socket
    /// fails, epoll's with what the socket had room for. One per socket at a time.
    fn send(&mut self, socket: Socket, token: Token, batch: Batch);
    /// Asks since when the peer has taken nothing of what the kernel has for it, sent or about to
    /// be: `Progressed` follows, also behind `close`.
    fn progress(&mut self, socket: Socket, token: Token);
    /// Lets what was asked for so far begin, without waiting for the rest of the turn.
    fn hand_over(&mut self);
    /// Ends the sending direction: the peer sees the end of the stream. No completion.
    fn shutdown_send(&mut self, socket: Socket);
    /// Ends both directions: a receive and a send in flight complete. No completion of its own.
    fn shutdown(&mut self, socket: Socket);
    /// Gives the socket back. Only when no receive and no send are out. `Closed` follows.
    fn close(&mut self, socket: Socket, token: Token);
    /// Wakes another reactor of the same engine: it sees `Woken`.
    fn wake(&mut self, reactor: usize);
    /// The bytes of a lease.
    fn bytes<'k>(&'k mut self, lease: &'k mut Lease) -> &'k mut [u8];
    /// Ends a lease. Its buffer is filled again when nobody holds a part of it any more.
    fn release(&mut self, lease: Lease);
    /// What it has done so far.
    fn counts(&self) -> KernelStats;
    /// The memory that leases point into, to share parts of.
    fn buffers(&self) -> Arc<Buffers>;
    /// Submits all that is queued, waits until something happened or `timeout` is over (`None`:
    /// for ever, zero: not at all) and appends what happened. Completions are copied out before
    /// any of them is acted on.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError>;
    /// Submits all that is queued, and returns: the thread has other work. Whoever polls this
    /// kernel's descriptor is told when there is something for `wait`, or `timeout` is over.
    fn leave(&mut self, timeout: Option<Duration>) -> Result<(), KernelError>;
}
