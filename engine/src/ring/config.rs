//! What a ring is made from.

use super::diagnosis::Refused;
use super::{Errno, Waker};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a reactor's ring is made from.
#[derive(Debug)]
pub struct KernelConfig {
    /// Which of `wakers` is its own.
    pub index: usize,
    /// Sockets that it should be able to have at a time.
    pub sockets_max: u32,
    /// Buffers to receive into: a power of two up to 32,768.
    pub recv_buffers: u16,
    /// Payload bytes of each. A little more fits, so that a message of this size lies whole beside
    /// its header.
    pub recv_buffer_size: u32,
    /// Let a kernel thread submit.
    pub sqpoll: bool,
    /// How long to look for completions before sleeping; zero: not at all.
    pub busy_poll: Duration,
    /// How long completions may be gathered, while there is nothing to do, before they wake the
    /// reactor; zero: not at all.
    pub coalesce: Duration,
    /// Its thread has other work too: see [`Uring::descriptor`](super::Uring::descriptor).
    pub leaves: bool,
    /// Sockets that listen, named by their index from then on. What is set on them
    /// (`TCP_NODELAY`, [`SocketOptions`](super::SocketOptions)) is inherited by what they accept.
    pub listeners: Vec<OwnedFd>,
    /// Of all reactors of the engine.
    pub wakers: Arc<[Waker]>,
    /// Where `now` starts from.
    pub start: Instant,
}

impl KernelConfig {
    pub(super) fn buffers(&self) -> Result<u16, Refused> {
        if self.recv_buffers.is_power_of_two() && self.recv_buffer_size <= 1 << 30 {
            Ok(self.recv_buffers)
        } else {
            let text = "recv_buffers must be a power of two, recv_buffer_size at most 1 GiB";
            let (errno, call) = (Errno::INVAL, "configuration");
            Err(Refused { errno, call, text: text.into(), out_of_memory: false })
        }
    }
}

/// Choices that the ring makes by itself, to be forced for tests and measurements.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Entries of the submission queue.
    pub sq_entries: Option<u32>,
    /// Entries of the completion queue.
    pub cq_entries: Option<u32>,
    /// Large buffers (a power of two), and bytes of payload in each.
    pub large: Option<(u16, u32)>,
    /// Ordinary descriptors instead of direct ones.
    pub ordinary: bool,
    /// Shut down by `IORING_OP_SHUTDOWN` always.
    pub op_shutdown: bool,
    /// Ask the kernel by epoll, where a test has the choice.
    pub epoll: bool,
    /// Gather completions as on kernels without a minimum wait.
    pub no_min_wait: bool,
}
