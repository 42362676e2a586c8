//! io_uring, as little of it as a closed loop and a bare echo need.
//!
//! All unsafe code of the crate is here. The rule that makes the interface safe: memory that the
//! kernel may touch belongs to the [`Ring`] (the arena to send from, the provided buffers, the
//! owned bytes and the vectors of a send), and the ring cancels what is in flight before it lets
//! go of it.

mod buffers;
mod connect;

pub use buffers::Buffer;
use buffers::{Buffers, GROUP};
pub use connect::socket;
use io_uring::squeue::Entry;
use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use rustix::net::SocketAddrAny;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Buffers that one gathered send may carry.
pub const GATHER_MAX: usize = 64;

/// The low bits of a completion's user data: the operation, and whether owned bytes were sent.
const TAG_BITS: u32 = 4;
const OWNED: u64 = 8;

/// Which operation completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A connection came in; the result is its slot.
    Accept,
    /// Bytes came in, or the end of the stream.
    Receive,
    /// Bytes went out.
    Send,
    /// A slot is free again.
    Close,
    /// A connection stands.
    Connect,
    /// A connection is shut down in both directions.
    Shutdown,
}

/// A completion.
#[derive(Debug)]
pub struct Event {
    /// The operation.
    pub op: Op,
    /// The slot it was submitted for; 0 for accept.
    pub slot: u32,
    /// Bytes, or a slot for accept, or a negative errno.
    pub result: i32,
    /// What was received.
    pub buffer: Option<Buffer>,
    /// What [`Ring::send_owned`] was given; the result says how much of it went out.
    pub owned: Option<Vec<u8>>,
    /// Whether a multishot operation is still armed.
    pub more: bool,
}

/// What `sendmsg` reads: it stays where it is while the operation is in flight.
struct Gather {
    header: libc::msghdr,
    vectors: [libc::iovec; GATHER_MAX],
}

/// A ring with a registered file table, an arena to send from and, if asked for, provided buffers.
/// It works on the thread that created it only: the kernel refuses all others (`EEXIST`).
pub struct Ring {
    ring: IoUring,
    arena: Arc<[u8]>,
    buffers: Option<Buffers>,
    gathers: Vec<Option<Box<Gather>>>,
    /// By slot, what `send_owned` has in flight.
    owned: Vec<Option<Vec<u8>>>,
    /// Where `connect` goes: the kernel reads it from here.
    target: Option<(SocketAddr, Box<SocketAddrAny>)>,
}

impl Ring {
    /// Sets up a ring for `operations` submissions per turn. `arena` is what `send` sends from.
    pub fn new(operations: u32, arena: Arc<[u8]>) -> io::Result<Self> {
        let entries = operations.next_power_of_two().clamp(64, 4096);
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(operations.saturating_mul(4).next_power_of_two().clamp(4096, 65536))
            .build(entries)?;
        Ok(Self {
            ring,
            arena,
            buffers: None,
            gathers: Vec::new(),
            owned: Vec::new(),
            target: None,
        })
    }

    /// Provides `count` buffers (a power of two, at most 32,768) of `size` bytes.
    pub fn provide(&mut self, count: u16, size: u32) -> io::Result<()> {
        assert!(self.buffers.is_none(), "buffers are provided once");
        self.buffers = Some(Buffers::new(&self.ring.submitter(), count, size)?);
        Ok(())
    }

    /// Makes the slots 0, 1, ... out of connected sockets.
    pub fn register(&mut self, streams: &[TcpStream]) -> io::Result<()> {
        let fds: Vec<_> = streams.iter().map(AsRawFd::as_raw_fd).collect();
        self.ring.submitter().register_files(&fds)
    }

    /// Makes room for `count` slots that accept will fill.
    pub fn reserve(&mut self, count: u32) -> io::Result<()> {
        self.gathers.resize_with(count as usize, || None);
        self.ring.submitter().register_files_sparse(count)
    }

    /// Accepts into free slots until an error.
    pub fn accept(&mut self, listener: &TcpListener) {
        let fd = Fd(listener.as_raw_fd());
        self.push(opcode::AcceptMulti::new(fd).allocate_file_index(true).build(), Op::Accept, 0);
    }

    /// Receives into provided buffers until the end of the stream, an error, or `ENOBUFS`.
    pub fn receive(&mut self, slot: u32) {
        self.push(opcode::RecvMulti::new(Fixed(slot), GROUP).build(), Op::Receive, slot);
    }

    /// Sends a part of the arena. Panics when the range is not within it.
    pub fn send(&mut self, slot: u32, range: Range<usize>) {
        let part = self.arena.get(range).expect("a range of the arena");
        let entry = opcode::Send::new(Fixed(slot), part.as_ptr(), part.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(entry, Op::Send, slot);
    }

    /// Sends the first `count` received buffers of `queue` from where they are, at most
    /// [`GATHER_MAX`], without the first `skip` bytes of the first. They must neither be changed
    /// nor be given back before the completion, or the peer may get other bytes.
    pub fn send_buffers<'b>(
        &mut self,
        slot: u32,
        mut skip: usize,
        count: usize,
        mut queue: impl Iterator<Item = &'b Buffer>,
    ) {
        let buffers = self.buffers.as_ref().expect("buffers were provided");
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let mut part = |buffer: &Buffer| {
            let bytes = buffers.bytes(buffer).get(skip..).unwrap_or_default();
            skip = 0;
            (bytes.as_ptr(), bytes.len())
        };
        let entry = if count == 1 {
            let Some(buffer) = queue.next() else { return };
            let (at, len) = part(buffer);
            opcode::Send::new(Fixed(slot), at, len as u32).flags(flags).build()
        } else {
            let gather = self.gathers.get_mut(slot as usize).expect("a reserved slot");
            let gather = gather.get_or_insert_with(Gather::new);
            let mut filled = 0;
            for (vector, buffer) in gather.vectors.iter_mut().zip(queue.take(count)) {
                let (at, len) = part(buffer);
                *vector = libc::iovec { iov_base: at.cast_mut().cast(), iov_len: len };
                filled += 1;
            }
            gather.header.msg_iov = gather.vectors.as_mut_ptr();
            gather.header.msg_iovlen = filled;
            opcode::SendMsg::new(Fixed(slot), &gather.header).flags(flags as u32).build()
        };
        self.push(entry, Op::Send, slot);
    }

    /// Sends `bytes` without the first `skip`; the completion hands them back. Panics when the last
    /// ones of this slot are still in flight.
    pub fn send_owned(&mut self, slot: u32, skip: usize, bytes: Vec<u8>) {
        let index = slot as usize;
        if self.owned.len() <= index {
            self.owned.resize_with(index + 1, || None);
        }
        let place = self.owned.get_mut(index).expect("made above");
        assert!(place.is_none(), "owned bytes are in flight");
        let part = place.insert(bytes).get(skip..).unwrap_or_default();
        let entry = opcode::Send::new(Fixed(slot), part.as_ptr(), part.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push_tagged(entry, Op::Send as u64 | OWNED, slot);
    }

    /// Closes the socket and frees the slot.
    pub fn close(&mut self, slot: u32) {
        self.push(opcode::Close::new(Fixed(slot)).build(), Op::Close, slot);
    }

    /// The filled part of a buffer.
    pub fn bytes<'b>(&'b self, buffer: &'b Buffer) -> &'b [u8] {
        self.buffers.as_ref().expect("buffers were provided").bytes(buffer)
    }

    /// The same, to be changed: not while it is being sent.
    pub fn bytes_mut<'b>(&'b mut self, buffer: &'b mut Buffer) -> &'b mut [u8] {
        self.buffers.as_mut().expect("buffers were provided").bytes_mut(buffer)
    }

    /// Lets the kernel fill the buffer again. It learns of it with the next `wait`.
    pub fn give_back(&mut self, buffer: Buffer) {
        self.buffers.as_mut().expect("buffers were provided").give_back(buffer);
    }

    /// Submits what is queued, waits for at least one completion (with a `timeout`: or until it is
    /// over) and appends all there are to `events`: one system call.
    pub fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        if let Some(buffers) = &self.buffers {
            buffers.publish();
        }
        let done = match timeout {
            None => self.ring.submit_and_wait(1),
            Some(timeout) => {
                let timeout = Timespec::from(timeout);
                let args = SubmitArgs::new().timespec(&timeout);
                self.ring.submitter().submit_with_args(1, &args)
            }
        };
        self.collect(done, events)
    }

    /// The same without waiting. Without a system call when there is nothing to hand over and the
    /// kernel has nothing to tell.
    pub fn poll(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        if let Some(buffers) = &self.buffers {
            buffers.publish();
        }
        let queue = self.ring.submission();
        let idle = queue.is_empty() && !queue.taskrun() && !queue.cq_overflow();
        drop(queue);
        let done = if idle { Ok(0) } else { self.ring.submit() };
        self.collect(done, events)
    }

    fn collect(&mut self, done: io::Result<usize>, events: &mut Vec<Event>) -> io::Result<()> {
        match done.map_err(|error| error.raw_os_error()) {
            // EBUSY: completions wait to be taken before more can be submitted.
            Ok(_) | Err(Some(libc::ETIME | libc::EINTR | libc::EBUSY)) => {}
            Err(errno) => return Err(io::Error::from_raw_os_error(errno.unwrap_or(libc::EIO))),
        }
        let owned = &mut self.owned;
        events.extend(self.ring.completion().map(|entry| {
            let mine = entry.user_data() & OWNED != 0;
            let mut event = Event::from(entry);
            if mine {
                event.owned = owned.get_mut(event.slot as usize).and_then(Option::take);
            }
            event
        }));
        Ok(())
    }

    fn push(&mut self, entry: Entry, op: Op, slot: u32) {
        self.push_tagged(entry, op as u64, slot);
    }

    fn push_tagged(&mut self, entry: Entry, tag: u64, slot: u32) {
        let entry = entry.user_data(u64::from(slot) << TAG_BITS | tag);
        // SAFETY: every entry built in this module points to the arena, the provided buffers, a
        // gather box or owned bytes; all live in `self` until `drop` has cancelled what is in
        // flight, owned bytes at least until their only completion. Timeouts are passed by
        // argument and copied during the call.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            // The queue is full: hand over what is in it. It empties even when the call reports
            // that completions are pending.
            let _ = self.ring.submit();
        }
    }
}

impl Gather {
    fn new() -> Box<Self> {
        // SAFETY: both are plain C structures for which zero means empty.
        Box::new(unsafe { std::mem::zeroed() })
    }
}

impl From<cqueue::Entry> for Event {
    fn from(entry: cqueue::Entry) -> Self {
        let data = entry.user_data();
        let op = match data & (OWNED - 1) {
            0 => Op::Accept,
            1 => Op::Receive,
            2 => Op::Send,
            3 => Op::Close,
            4 => Op::Connect,
            _ => Op::Shutdown,
        };
        let flags = entry.flags();
        let len = u32::try_from(entry.result()).unwrap_or(0);
        Self {
            op,
            slot: (data >> TAG_BITS) as u32,
            result: entry.result(),
            buffer: cqueue::buffer_select(flags).map(|id| Buffer { id, len }),
            owned: None,
            more: cqueue::more(flags),
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let submitter = self.ring.submitter();
        // Nothing may be in flight when the memory goes. ENOENT means nothing was.
        let _ = submitter.register_sync_cancel(None, CancelBuilder::any());
        if let Some(buffers) = &self.buffers {
            buffers.release(&submitter);
        }
    }
}
